package window

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// spool is one partition on disk. Its rows are written once; then its functions
// are computed a chunk at a time, each out of places in the partition that only
// move on (W4).
type spool struct {
	node    *physical.Window
	run     *spill.Run
	memory  memory.Reservation
	rows    int64
	main    *place // of the rows whose results are due
	peers   edge
	peer    int64 // the first of the peers of the last row
	streams []stream
	places  []*place
}

// stretch is some rows of a spool whose results are due.
type stretch struct {
	b     *columnar.Batch
	first int64     // number of the first one
	all   int64     // rows of the partition
	keys  *row.Keys // of the order
	peers []int64   // per row: the first of those equal to it in the order
}

// stream computes one function for stretch after stretch. What it returns is valid
// until the next call.
type stream interface {
	next(ctx context.Context, x *stretch) (columnar.Vector, error)
}

func newSpool(n *physical.Window, f *spill.File, r memory.Reservation) *spool {
	s := &spool{node: n, run: f.NewRun("window"), memory: r}
	for _, o := range n.Order {
		s.peers.cols = append(s.peers.cols, column(o.Expr))
	}
	return s
}

// append writes rows.
func (s *spool) append(ctx context.Context, b *columnar.Batch) error {
	for from := 0; from < b.Rows; from += columnar.MaxRows {
		part := b
		if b.Rows > columnar.MaxRows {
			part = kernel.SliceBatch(b, from, min(columnar.MaxRows, b.Rows-from), nil)
		}
		if err := s.run.Append(ctx, part); err != nil {
			return err
		}
	}
	s.rows += int64(b.Rows)
	return nil
}

// next returns the next rows with their results; io.EOF ends. The first call
// writes what is left of the partition.
func (s *spool) next(ctx context.Context, in *input) (page, error) {
	if s.main == nil {
		if err := s.begin(ctx, in); err != nil {
			return page{}, err
		}
	} else if err := s.main.load(ctx); err != nil {
		return page{}, err
	}
	b := s.main.b
	if b == nil {
		return page{}, io.EOF
	}
	x := &stretch{b: b, first: s.main.first, all: s.rows, keys: s.main.keys, peers: make([]int64, b.Rows)}
	starts := s.peers.begins(b, nil, s.main.scratch)
	for i := range x.peers {
		if len(starts) > 0 && int(starts[0]) == i {
			s.peer, starts = x.first+int64(i), starts[1:]
		}
		x.peers[i] = s.peer
	}
	out := page{rows: b.Rows, cols: b.Cols}
	for _, f := range s.streams {
		v, err := f.next(ctx, x)
		if err != nil {
			return page{}, err
		}
		out.results = append(out.results, v)
	}
	return out, nil
}

// begin completes the partition and goes to its first rows.
func (s *spool) begin(ctx context.Context, in *input) (err error) {
	for {
		b, err := in.more(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.append(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	if s.main, err = s.place(ctx, true); err != nil {
		return err
	}
	for i := range s.node.Calls {
		f, err := s.stream(ctx, &s.node.Calls[i])
		if err != nil {
			return err
		}
		s.streams = append(s.streams, f)
	}
	for _, p := range s.places { // now that they are watched
		if err := p.load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stream returns the stream of a call.
func (s *spool) stream(ctx context.Context, c *physical.WindowCall) (stream, error) {
	switch c.Fn {
	case "row_number", "rank", "dense_rank", "ntile", "percent_rank":
		return newRanks(c), nil
	case "cume_dist":
		return s.newShares(ctx)
	case "lag", "lead":
		return s.newNeighbours(ctx, c)
	case "first", "last", "any_value", "nth_value":
		return s.newPicks(ctx, c)
	}
	return s.newSlide(ctx, c)
}

// close gives disk space and memory back.
func (s *spool) close() {
	for _, p := range s.places {
		p.close()
	}
	s.run.Drop()
	s.memory.Close()
}

// place is a place in a spool that only moves on: at a row of b, or behind the
// last one if b is nil.
type place struct {
	spool   *spool
	reader  *spill.Reader
	scratch *memory.Scratch
	b       *columnar.Batch
	first   int64 // number of b's first row
	at      int   // in b
	keyed   bool
	keys    *row.Keys    // of the order, if keyed
	leave   func() error // called before the memory of b is used again
	enter   func()       // called when there is a new b
}

// place opens a place, which load then brings to the first row.
func (s *spool) place(ctx context.Context, keyed bool) (*place, error) {
	d, err := s.run.Open(ctx, s.memory)
	if errors.Is(err, memory.ErrSpill) {
		err = diag.New(diag.MemoryLimit, "a window function has spilled a partition of %d rows, and memory has no room for reading it in %d places at once", s.rows, len(s.places)+1).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or compute fewer functions at once").WithCause(err)
	}
	if err != nil {
		return nil, err
	}
	p := &place{spool: s, reader: d, scratch: memory.NewScratch(s.memory), keyed: keyed}
	s.places = append(s.places, p)
	return p, nil
}

// load moves to the first row of the next chunk.
func (p *place) load(ctx context.Context) error {
	if p.b != nil {
		if p.leave != nil {
			if err := p.leave(); err != nil {
				return err
			}
		}
		p.first += int64(p.b.Rows)
	}
	p.b, p.at = nil, 0
	b, err := p.reader.Next(ctx)
	if errors.Is(err, io.EOF) {
		p.close()
		return nil
	}
	if err != nil {
		return err
	}
	p.b = b
	p.scratch.Reset()
	if p.keyed {
		p.keys = p.spool.keys(b, p.scratch)
	}
	if p.enter != nil {
		p.enter()
	}
	return nil
}

// keys returns the keys of the order of some rows.
func (s *spool) keys(b *columnar.Batch, m *memory.Scratch) *row.Keys {
	vs := make([]columnar.Vector, len(s.peers.cols))
	for i, c := range s.peers.cols {
		vs[i] = b.Cols[c]
	}
	return row.EncodeIn(m, make([]row.Key, len(vs)), vs, b.Rows)
}

// number returns the number of the row.
func (p *place) number() int64 { return p.first + int64(p.at) }

// step moves to the next row.
func (p *place) step(ctx context.Context) error {
	if p.at++; p.at < p.b.Rows {
		return nil
	}
	return p.load(ctx)
}

// reach moves to a row.
func (p *place) reach(ctx context.Context, to int64) error {
	for p.number() < to {
		if err := p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) close() {
	p.reader.Close()
	p.scratch.Close()
}
