package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Server answers fetches out of a store.
type Server struct {
	Store *cache.Store
	Codec chunk.Codec // of what is sent
}

// Serve is a transport.Handler.
func (s *Server) Serve(ctx context.Context, _ identity.Name, stream transport.Stream) {
	m := message.New(stream, maxMessage)
	k, body, err := m.Read()
	if err != nil || k != kindFetch {
		return
	}
	f, err := message.Decode[fetch](body)
	if err != nil || f.Version != version || len(f.Blocks) > maxBlocks || f.Skip < 0 {
		return
	}
	if s.answer(ctx, m, &f) == nil {
		stream.CloseWrite() // else the stream is cancelled, which the reader takes for a loss
	}
}

// answer sends the blocks, or says which are gone before it sends any.
func (s *Server) answer(ctx context.Context, m *message.Conn, f *fetch) error {
	var missing []int
	for i := range f.Blocks {
		if id := f.id(i); !s.Store.Has(id) && !slices.Contains(missing, id.Map) {
			missing = append(missing, id.Map)
		}
	}
	if missing != nil {
		return m.Send(kindGone, gone{missing})
	}
	w := &sender{messages: m, codec: s.Codec}
	for i := range f.Blocks {
		skip := int64(0)
		if i == 0 {
			skip = f.Skip
		}
		err := s.block(ctx, f.id(i), skip, i, w)
		if errors.Is(err, errMissing) {
			return m.Send(kindGone, gone{[]int{f.Blocks[i][0]}})
		}
		if err != nil {
			return err
		}
	}
	return m.Write(kindEnd)
}

var errMissing = errors.New("service: the block is not there any more")

// block sends block number n from a row on. What lies on disk leaves as it is stored
// there: it is neither decoded nor checked, which the reader does.
func (s *Server) block(ctx context.Context, id cache.BlockID, skip int64, n int, w *sender) error {
	p, ok := s.Store.Get(id)
	if !ok {
		return errMissing
	}
	defer p.Close()
	for {
		b, stored, rows, err := p.NextStored(ctx, nil)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case skip >= int64(rows):
			skip -= int64(rows)
			continue
		case skip > 0 && stored != nil: // batches go to disk as whole chunks
			return fmt.Errorf("service: %s has no chunk that begins at row %d", id, skip)
		case skip > 0:
			b = from(b, int(skip))
			skip = 0
		}
		if stored != nil {
			err = w.pass(n, stored)
		} else {
			err = w.send(n, b)
		}
		if err != nil {
			return err
		}
	}
}

// from returns a batch without its first n rows that count.
func from(b *columnar.Batch, n int) *columnar.Batch {
	if b.Sel != nil {
		out := *b
		out.Sel = b.Sel[n:]
		return &out
	}
	return kernel.SliceBatch(b, n, b.Rows-n, nil)
}

// sender writes chunks of one fetch.
type sender struct {
	messages *message.Conn
	codec    chunk.Codec
	buf      []byte
}

// pass sends a chunk that is encoded already.
func (s *sender) pass(block int, chunk []byte) error {
	s.buf = append(binary.LittleEndian.AppendUint32(s.buf[:0], uint32(block)), chunk...)
	return s.messages.Write(kindChunk, s.buf)
}

func (s *sender) send(block int, b *columnar.Batch) error {
	var err error
	if s.buf, err = chunk.Append(binary.LittleEndian.AppendUint32(s.buf[:0], uint32(block)), b, s.codec); err != nil {
		return err
	}
	return s.messages.Write(kindChunk, s.buf)
}
