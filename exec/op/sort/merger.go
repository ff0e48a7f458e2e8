package sort

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
)

const (
	// segmentRows bounds the rows of a segment, segmentBytes what their columns take.
	segmentRows  = 32 << 10
	segmentBytes = 1 << 20
	// leastSegment is how many rows a segment aims at however wide they are.
	leastSegment = 64
	// mostWorkers bounds the workers of a merge: they read the inputs in turn.
	mostWorkers = 8
)

// merger yields the rows of sorted inputs in their common order.
//
//	inputs ─► segment: all rows up to a bound that ─► sorted ─► batches
//	          no input's later rows come before
//
// A segment's rows are copied as they are, a stretch of each input, and sorted by
// radix, which is less work than comparing the heads of the inputs row by row. What
// is one segment is nobody else's concern, so workers may sort several at a time;
// they come out in their order.
type merger struct {
	schema  *columnar.Schema
	size    int // rows of a batch
	rows    int // that a segment aims at
	memory  memory.Reservation
	workers int
	only    op.BatchIterator // the one input, if there is no other

	mu      sync.Mutex // of what makes segments
	keys    *keyer
	cursors []*cursor
	ended   bool

	segments []*segment    // all of them
	free     chan *segment // those that nobody uses
	queue    chan *segment // in order; closed behind the last
	current  *segment
	cancel   context.CancelFunc
	group    sync.WaitGroup
}

// cursor is a place in an input.
type cursor struct {
	it      op.BatchIterator
	scratch *memory.Scratch // of the batch's keys
	b       *columnar.Batch
	k       *row.Keys
	at, to  int
	done    bool
}

// segment is a stretch of the merged rows.
type segment struct {
	keys    *keyer
	rows    *kernel.Appender // as the inputs have them, one stretch after the other
	sorted  bool             // they come from one input
	gather  *kernel.Appender // in order, unless they are
	scratch *memory.Scratch
	out     []*columnar.Batch
	ready   chan struct{} // has a value once out is complete
	err     error
	panic   any
}

// newMerger returns a merger of inputs whose first batches it reads; with several
// workers if memory has room for their segments. It closes its inputs, also when it
// fails.
func newMerger(ctx context.Context, keys *keyer, schema *columnar.Schema, size, workers int, inputs []op.BatchIterator, r memory.Reservation) (*merger, error) {
	m := &merger{keys: keys, schema: schema, size: max(1, min(size, columnar.MaxRows)), memory: r}
	for _, it := range inputs {
		m.cursors = append(m.cursors, &cursor{it: it, scratch: memory.NewScratch(r)})
	}
	if len(inputs) == 1 {
		m.only = inputs[0]
		return m, nil
	}
	if err := m.begin(ctx, workers); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// begin reads the first batches and makes as many segments as their rows suggest.
func (m *merger) begin(ctx context.Context, workers int) error {
	width, rows := int64(1), int64(1)
	for _, c := range m.cursors {
		if err := m.advance(ctx, c); err != nil {
			return err
		}
		if !c.done {
			width += c.b.MemoryBytes()
			rows += int64(c.b.Rows)
		}
	}
	width /= rows
	cost := 2*width + m.keys.rowBytes() // of a row of a segment
	m.rows = int(max(leastSegment, min(segmentRows, segmentBytes/max(width, 1))))
	for m.workers = min(workers, mostWorkers); m.workers > 1; m.workers-- {
		if m.memory.TryGrow(int64(m.workers+2) * int64(m.rows) * cost) {
			break
		}
	}
	n, scratchOf := 1, m.memory
	if m.workers > 1 {
		n, scratchOf = m.workers+2, nil // paid for already
	} else {
		m.rows = int(max(leastSegment, min(segmentRows, segmentBytes/cost)))
	}
	m.free, m.queue = make(chan *segment, n), make(chan *segment, n)
	kinds := types(m.schema)
	for range n {
		s := &segment{rows: kernel.NewAppender(kinds, nil), gather: kernel.NewAppender(kinds, nil), scratch: memory.NewScratch(scratchOf), ready: make(chan struct{}, 1)}
		m.segments = append(m.segments, s)
		m.free <- s
		var err error
		if s.keys, err = newKeyer(m.keys.order, m.keys.options); err != nil {
			return err
		}
	}
	return nil
}

// advance loads the next batch of an input.
func (m *merger) advance(ctx context.Context, c *cursor) error {
	for {
		b, err := c.it.Next(ctx)
		if errors.Is(err, io.EOF) {
			c.b, c.k, c.done = nil, nil, true
			return nil
		}
		if err != nil {
			return err
		}
		if b.Selected() == 0 {
			continue
		}
		c.scratch.Reset()
		c.b, c.at = kernel.Compact(b, c.scratch), 0
		c.k, err = m.keys.encode(c.b, c.scratch)
		return err
	}
}

// fill takes the next rows into a segment, io.EOF if there are none.
func (m *merger) fill(ctx context.Context, s *segment) error {
	s.rows.Reset()
	s.scratch.Reset()
	first := -1
	s.sorted = true
	for s.rows.Len() == 0 || s.rows.Len() < m.rows/2 {
		live := 0
		for _, c := range m.cursors {
			if !c.done && c.at == c.b.Rows {
				if err := m.advance(ctx, c); err != nil {
					return err
				}
			}
			if !c.done {
				live++
			}
		}
		if live == 0 {
			break
		}
		last := m.bound(max(1, m.rows/live))
		for i, c := range m.cursors {
			if c.done {
				continue
			}
			n := m.reach(i, last) - c.at
			if n == 0 {
				continue
			}
			if err := s.rows.Append(kernel.SliceBatch(c.b, c.at, n, s.scratch)); err != nil {
				return err
			}
			c.at += n
			s.sorted = s.sorted && (first < 0 || first == i)
			first = i
		}
	}
	if s.rows.Len() == 0 {
		return io.EOF
	}
	return nil
}

// bound looks step rows ahead in each input, as far as it is loaded, and returns the
// input whose row there comes first: what lies behind those places comes later.
func (m *merger) bound(step int) int {
	first := -1
	for i, c := range m.cursors {
		if c.done {
			continue
		}
		c.to = min(c.at+step, c.b.Rows)
		if first < 0 || row.Compare(c.k, c.to-1, m.cursors[first].k, m.cursors[first].to-1) < 0 {
			first = i
		}
	}
	return first
}

// reach returns up to where the rows of an input belong before what follows the
// bound, which is in input last: equal rows of older inputs do, of younger ones not.
func (m *merger) reach(i, last int) int {
	c, b := m.cursors[i], m.cursors[last]
	if i == last {
		return c.to
	}
	from, to := c.at, c.to
	for from < to {
		at := (from + to) / 2
		if x := row.Compare(c.k, at, b.k, b.to-1); x < 0 || x == 0 && i < last {
			from = at + 1
		} else {
			to = at
		}
	}
	return from
}

// arrange sorts a segment's rows and makes batches of them that are valid until the
// segment is filled again.
func (m *merger) arrange(s *segment) error {
	from := s.rows
	if !s.sorted {
		all := s.rows.Batch(m.schema, 0, s.rows.Len())
		k, err := s.keys.encodeLong(all, s.scratch)
		if err != nil {
			return err
		}
		sorted := k.Sort(s.scratch)
		order := memory.Slice[uint16](s.scratch, len(sorted))
		for i, r := range sorted {
			order[i] = uint16(r)
		}
		s.gather.Reset()
		if err := s.gather.AppendRows(all, order); err != nil {
			return err
		}
		from = s.gather
	}
	for at := 0; at < from.Len(); at += m.size {
		s.out = append(s.out, from.Batch(m.schema, at, min(m.size, from.Len()-at)))
	}
	return nil
}

// start starts the workers. They end with ctx, when the inputs do, or with Close.
func (m *merger) start(ctx context.Context) {
	ctx, m.cancel = context.WithCancel(ctx)
	for range max(1, m.workers) {
		m.group.Go(func() {
			for m.work(ctx) {
			}
		})
	}
}

// work makes one segment, and reports whether there may be another.
func (m *merger) work(ctx context.Context) bool {
	var s *segment
	select {
	case s = <-m.free:
	case <-ctx.Done():
		return false
	}
	if !m.next(ctx, s) {
		return false
	}
	defer func() {
		s.panic = recover() // it is the task's, which ends on its own goroutine
		s.ready <- struct{}{}
	}()
	s.err = m.arrange(s)
	return true
}

// next fills a segment and puts it into the queue. It reports whether there is
// something to arrange.
func (m *merger) next(ctx context.Context, s *segment) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	err := io.EOF
	defer func() {
		if s.panic = recover(); err == nil && s.panic == nil {
			return
		}
		m.ended = true
		if s.panic != nil || !errors.Is(err, io.EOF) {
			s.err = err
			m.queue <- s
			s.ready <- struct{}{}
		}
		close(m.queue)
	}()
	if err = m.fill(ctx, s); err == nil {
		m.queue <- s // has room for all segments
	}
	return err == nil
}

// Next returns the next rows in order, valid until the following call; io.EOF
// ends.
func (m *merger) Next(ctx context.Context) (*columnar.Batch, error) {
	if m.only != nil {
		return m.only.Next(ctx)
	}
	for {
		if s := m.current; s != nil {
			if len(s.out) > 0 {
				b := s.out[0]
				s.out[0] = nil
				s.out = s.out[1:]
				return b, nil
			}
			m.current, s.out = nil, nil
			m.free <- s // has room for all segments
		}
		s, err := m.take(ctx)
		if err != nil {
			return nil, err
		}
		if s.panic != nil {
			panic(s.panic)
		}
		if s.err != nil {
			return nil, s.err
		}
		m.current = s
	}
}

// take returns the next segment that is arranged.
func (m *merger) take(ctx context.Context) (*segment, error) {
	if m.workers <= 1 {
		s := <-m.free
		err := m.fill(ctx, s)
		if err == nil {
			err = m.arrange(s)
		}
		if err != nil {
			m.free <- s
			return nil, err
		}
		return s, nil
	}
	if m.cancel == nil {
		m.start(ctx)
	}
	var s *segment
	var ok bool
	select {
	case s, ok = <-m.queue:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !ok {
		return nil, io.EOF
	}
	select {
	case <-s.ready:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the workers and closes the inputs. It is idempotent.
func (m *merger) Close() error {
	if m.cancel != nil {
		m.cancel()
		m.group.Wait()
	}
	var first error
	for _, c := range m.cursors {
		if err := c.it.Close(); err != nil && first == nil {
			first = err
		}
		c.scratch.Close()
	}
	for _, s := range m.segments {
		s.scratch.Close()
	}
	m.cursors, m.segments, m.current, m.only, m.ended = nil, nil, nil, ended{}, true
	return first
}

var _ op.BatchIterator = (*merger)(nil)
