package exchange

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/file"
)

// Stored is the holder of a store in this process: its batches are read by
// reference as far as they lie in memory.
func Stored(s *cache.Store) Holder { return stored{s} }

type stored struct{ store *cache.Store }

// Lacks implements Holder.
func (s stored) Lacks(id cache.BlockID) bool { return !s.store.Has(id) }

// Read implements Holder.
func (s stored) Read(_ context.Context, ids []cache.BlockID, _ *columnar.Schema, r memory.Reservation) Blocks {
	return &blocks{store: s.store, ids: ids, memory: r}
}

// blocks reads blocks one after the other; the one at work is pinned.
type blocks struct {
	store  *cache.Store
	ids    []cache.BlockID
	memory memory.Reservation
	pinned *cache.Pinned
	at     cache.BlockID // of pinned
	opened int
}

// damaged reports whether rows on disk are not what was written there, or not there
// any more: whoever made them can make them again.
func damaged(err error) bool {
	return errors.Is(err, chunk.ErrCorrupt) || errors.Is(err, file.ErrCorrupt) || errors.Is(err, file.ErrAbsent) || errors.Is(err, fs.ErrNotExist)
}

// Block implements Blocks.
func (b *blocks) Block() int { return b.opened - 1 }

func (b *blocks) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if b.pinned != nil {
			x, err := b.pinned.Next(ctx, b.memory)
			if damaged(err) {
				return nil, &shuffle.GoneError{Maps: []int{b.at.Map}, Cause: err}
			}
			if !errors.Is(err, io.EOF) {
				return x, err
			}
			b.pinned.Close()
			b.pinned = nil
		}
		if len(b.ids) == 0 {
			return nil, io.EOF
		}
		pinned, ok := b.store.Get(b.ids[0])
		if !ok {
			return nil, &shuffle.GoneError{Maps: []int{b.ids[0].Map}}
		}
		b.pinned, b.at, b.ids = pinned, b.ids[0], b.ids[1:]
		b.opened++
	}
}

func (b *blocks) Close() error {
	if b.pinned != nil {
		b.pinned.Close()
		b.pinned = nil
	}
	b.ids = nil
	return nil
}
