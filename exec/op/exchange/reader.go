package exchange

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// Outputs tells where the outputs of exchanges are.
type Outputs interface {
	Outputs(job, exchange int) (epoch uint64, outputs []shuffle.MapStatus)
}

// Holder is an executor that holds blocks: this one or another.
type Holder interface {
	// Lacks reports whether it is known, without asking anybody, that the block is
	// not there.
	Lacks(id cache.BlockID) bool
	// Read returns the rows of blocks, one block after the other. What it holds
	// meanwhile is charged to r as far as that grants it. Blocks that are gone are a
	// *shuffle.GoneError. Fetching may begin at once; it ends with ctx or Close.
	Read(ctx context.Context, ids []cache.BlockID, schema *columnar.Schema, r memory.Reservation) Blocks
}

// Blocks yields the batches of blocks, one block after the other.
type Blocks interface {
	op.BatchIterator
	// Block returns the place, among the ids that were asked for, of the block that
	// the last batch is of.
	Block() int
}

// Reader reads exchange output for a task, from wherever it lies. Epochs are the
// states of the exchanges that the task was planned on: reading one of other contents
// fails, since it may lack outputs. Of each map output it checks that the rows that arrive
// add up to those that were written (shuffle.Sum): else the output counts as gone.
type Reader struct {
	Store   *cache.Store                 // of this executor
	Holders func(executor string) Holder // of the others, nil for one that is gone; nil: every output is in Store
	Outputs Outputs
	Job     int
	Epochs  map[int]uint64
	Memory  memory.Reservation

	mu    sync.Mutex
	reads []shuffle.Read
}

// Reads returns what was read to the end so far.
func (r *Reader) Reads() []shuffle.Read {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads
}

var _ op.Exchanges = (*Reader)(nil)

// holding is some blocks and who holds them.
type holding struct {
	holder Holder
	ids    []cache.BlockID
	wants  []want // by id
}

// holdings returns the blocks of parts, by map output. It fails with all outputs
// that are known to be gone, so that they are made again in one go.
func (r *Reader) holdings(exchange int, parts []stage.Part) (uint64, []holding, error) {
	epoch, maps, err := r.outputs(exchange)
	if err != nil {
		return 0, nil, err
	}
	var gone []int
	var out []holding
	holders := map[string]Holder{}
	for _, m := range maps {
		h, ok := holders[m.Executor]
		if !ok {
			if h = Stored(r.Store); r.Holders != nil {
				h = r.Holders(m.Executor)
			}
			holders[m.Executor] = h
		}
		x, whole := holding{holder: h}, true
		for _, part := range parts {
			if !part.Has(m.Map) {
				continue
			}
			for p := part.From; p < min(part.To, m.Partitions) && whole; p++ {
				if !m.Has(p) {
					continue
				}
				id := cache.BlockID{Job: r.Job, Exchange: exchange, Map: m.Map, Attempt: m.Attempt, Partition: p}
				if whole = h != nil && !h.Lacks(id); whole {
					x.ids, x.wants = append(x.ids, id), append(x.wants, wanted(&m, p))
				}
			}
		}
		switch {
		case !whole:
			gone = append(gone, m.Map)
		case x.ids != nil:
			out = append(out, x)
		}
	}
	if gone != nil {
		return 0, nil, lost(exchange, epoch, &shuffle.GoneError{Maps: gone})
	}
	return epoch, out, nil
}

// outputs returns the outputs that the task was planned on.
func (r *Reader) outputs(exchange int) (uint64, []shuffle.MapStatus, error) {
	epoch, maps := r.Outputs.Outputs(r.Job, exchange)
	if want := r.Epochs[exchange]; shuffle.Contents(epoch) != shuffle.Contents(want) || want == 0 { // 0: its writer has not run
		return 0, nil, &exec.Failure{Kind: exec.FetchFailed, Exchange: exchange, Map: -1, Epoch: want,
			Cause: fmt.Errorf("exchange %d is in epoch %d, the task was planned on %d", exchange, epoch, want)}
	}
	return epoch, maps, nil
}

// lost is the failure of a reader that found outputs gone.
func lost(exchange int, epoch uint64, g *shuffle.GoneError) error {
	return &exec.Failure{Kind: exec.FetchFailed, Exchange: exchange, Map: g.Maps[0], More: g.Maps[1:], Epoch: epoch,
		Cause: fmt.Errorf("exchange %d: %w", exchange, g)}
}

// All implements op.Exchanges.
func (r *Reader) All(ctx context.Context, exchange int, schema *columnar.Schema) (op.BatchIterator, error) {
	return r.Parts(ctx, exchange, []stage.Part{{To: math.MaxInt}}, schema)
}

// Parts implements op.Exchanges. It reads all that one holder has in one go.
func (r *Reader) Parts(ctx context.Context, exchange int, of []stage.Part, schema *columnar.Schema) (op.BatchIterator, error) {
	epoch, parts, err := r.holdings(exchange, of)
	if err != nil {
		return nil, err
	}
	var merged []holding
	at := map[Holder]int{}
	for _, p := range parts {
		if i, ok := at[p.holder]; ok {
			merged[i].ids, merged[i].wants = append(merged[i].ids, p.ids...), append(merged[i].wants, p.wants...)
			continue
		}
		at[p.holder] = len(merged)
		merged = append(merged, p)
	}
	r.rotate(merged, exchange, of)
	s := &sequence{read: r.begin(exchange, epoch, of, 1)}
	for _, p := range merged {
		s.its = append(s.its, checked{it: p.holder.Read(ctx, p.ids, schema, r.Memory), ids: p.ids, wants: p.wants})
	}
	return s, nil
}

// rotate puts what this executor has first and begins the others somewhere else
// for each part, so that the tasks of a stage do not all ask the same executor first.
// Where is the same whenever a part is read.
func (r *Reader) rotate(parts []holding, exchange int, of []stage.Part) {
	own := Stored(r.Store)
	slices.SortStableFunc(parts, func(a, b holding) int {
		switch {
		case a.holder == own && b.holder != own:
			return -1
		case b.holder == own && a.holder != own:
			return 1
		}
		return 0
	})
	if len(parts) > 0 && parts[0].holder == own {
		parts = parts[1:]
	}
	if n := len(parts); n > 1 {
		seed := uint64(0)
		for _, p := range of {
			seed = seed<<16 ^ uint64(p.From)
			for _, m := range p.Maps[:min(len(p.Maps), 1)] {
				seed ^= uint64(m) << 8
			}
		}
		at := rand.New(rand.NewPCG(uint64(r.Job)<<32^uint64(exchange), seed)).IntN(n)
		copy(parts, slices.Concat(parts[at:], parts[:at]))
	}
}

// Runs implements op.Exchanges.
func (r *Reader) Runs(ctx context.Context, exchange, partition int, schema *columnar.Schema) ([]op.BatchIterator, error) {
	of := []stage.Part{stage.One(partition)}
	epoch, parts, err := r.holdings(exchange, of)
	if err != nil {
		return nil, err
	}
	read := r.begin(exchange, epoch, of, len(parts))
	out := make([]op.BatchIterator, len(parts))
	for i, p := range parts {
		out[i] = &sequence{read: read, its: []checked{{it: p.holder.Read(ctx, p.ids, schema, r.Memory), ids: p.ids, wants: p.wants}}}
	}
	return out, nil
}
