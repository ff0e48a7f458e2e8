package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
)

// merger yields the rows of sorted inputs in their common order, by a loser
// tree (Knuth, The Art of Computer Programming, vol. 3, 5.4.1). Batches of the
// inputs are valid until their next Next, so a batch of the output ends where
// one of an input does.
type merger struct {
	keys     *keyer
	schema   *columnar.Schema
	size     int
	cursors  []*cursor
	tree     []int32 // tree[0]: the winner; tree[i]: the loser at inner node i
	heads    []head  // of the rows at the cursors
	used     *cursor // its batch is at its end: it advances before anything else
	appender *kernel.Appender
	source   []uint16 // cursor per row of the output
	order    []uint32
	out      *rows
	slice    columnar.Batch
}

// head is the first words of a key; the greatest there are at the end of an input.
type head struct {
	first, second uint64
	whole         bool
}

// cursor is a place in an input.
type cursor struct {
	it      op.BatchIterator
	scratch *memory.Scratch // of the batch's keys
	b       *columnar.Batch
	k       *row.Keys
	at      int
	done    bool
	pick    []uint16 // rows for the output under construction
	base    uint32   // where they begin in it
}

// newMerger returns a merger; it closes its inputs, also when it fails.
func newMerger(ctx context.Context, keys *keyer, schema *columnar.Schema, size int, inputs []op.BatchIterator, r memory.Reservation) (*merger, error) {
	m := &merger{keys: keys, schema: schema, size: max(1, min(size, columnar.MaxRows)), appender: kernel.NewAppender(types(schema), nil)}
	for _, it := range inputs {
		m.cursors = append(m.cursors, &cursor{it: it, scratch: memory.NewScratch(r)})
	}
	m.heads = make([]head, len(inputs))
	m.source = make([]uint16, m.size)
	m.order = make([]uint32, m.size)
	m.out = newRows(&columnar.Batch{Schema: schema}, nil, m.size, memory.NewScratch(r))
	for _, c := range m.cursors {
		if err := m.advance(ctx, c); err != nil {
			m.Close()
			return nil, err
		}
	}
	m.build()
	return m, nil
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

// before reports whether the row at cursor i comes before the one at j: the
// older input first where they are equal (S1), inputs at their end last.
func (m *merger) before(i, j int32) bool {
	x, y := &m.heads[i], &m.heads[j]
	switch {
	case x.first != y.first:
		return x.first < y.first
	case x.second != y.second:
		return x.second < y.second
	case x.whole && y.whole:
		return i < j
	}
	a, b := m.cursors[i], m.cursors[j]
	if a.done || b.done {
		return !a.done || b.done && i < j
	}
	c := row.Compare(a.k, a.at, b.k, b.at)
	return c < 0 || c == 0 && i < j
}

// look takes in the row at a cursor.
func (m *merger) look(i int32) {
	c, h := m.cursors[i], &m.heads[i]
	if c.done {
		*h = head{^uint64(0), ^uint64(0), false}
		return
	}
	h.first, h.second, h.whole = c.k.Head(c.at)
}

// build plays all matches.
func (m *merger) build() {
	n := len(m.cursors)
	for i := range n {
		m.look(int32(i))
	}
	m.tree = make([]int32, max(n, 1))
	if n == 0 {
		return
	}
	winners := make([]int32, 2*n)
	for i := range n {
		winners[n+i] = int32(i)
	}
	for i := n - 1; i > 0; i-- {
		a, b := winners[2*i], winners[2*i+1]
		if m.before(b, a) {
			a, b = b, a
		}
		winners[i], m.tree[i] = a, b
	}
	m.tree[0] = winners[1]
}

// replay plays the matches of the winner's way up again.
func (m *merger) replay() {
	w := m.tree[0]
	m.look(w)
	for i := (int(w) + len(m.cursors)) / 2; i > 0; i /= 2 {
		if m.before(m.tree[i], w) {
			w, m.tree[i] = m.tree[i], w
		}
	}
	m.tree[0] = w
}

// Next returns the next rows in order, valid until the following call; io.EOF
// ends.
func (m *merger) Next(ctx context.Context) (*columnar.Batch, error) {
	if m.used != nil {
		if err := m.advance(ctx, m.used); err != nil {
			return nil, err
		}
		m.used = nil
		m.replay()
	}
	if len(m.cursors) == 0 {
		return nil, io.EOF
	}
	n, sources := 0, 0
	for n < m.size {
		w := m.tree[0]
		c := m.cursors[w]
		if c.done {
			break
		}
		if len(c.pick) == 0 {
			sources++
		}
		m.source[n] = uint16(w)
		c.pick = append(c.pick, uint16(c.at))
		n++
		if c.at++; c.at == c.b.Rows {
			m.used = c
			break
		}
		m.replay()
	}
	switch {
	case n == 0:
		return nil, io.EOF
	case sources == 1:
		c := m.cursors[m.source[0]]
		m.slice = columnar.Batch{Schema: m.schema, Cols: c.b.Cols, Rows: c.b.Rows}
		if len(c.pick) < c.b.Rows {
			m.slice.Sel = append(m.slice.Sel[:0], c.pick...)
		}
		c.pick = c.pick[:0]
		return &m.slice, nil
	}
	return m.interleave(ctx, n)
}

// interleave gathers the picked rows input by input, then puts them in order.
func (m *merger) interleave(ctx context.Context, n int) (*columnar.Batch, error) {
	m.appender.Reset()
	base := uint32(0)
	for _, c := range m.cursors {
		c.base = base
		if len(c.pick) == 0 {
			continue
		}
		base += uint32(len(c.pick))
		if err := m.appender.AppendRows(c.b, c.pick); err != nil {
			return nil, err
		}
		c.pick = c.pick[:0]
	}
	order := m.order[:n]
	for i, s := range m.source[:n] {
		c := m.cursors[s]
		order[i] = c.base
		c.base++
	}
	m.out.reset(m.appender.Batch(m.schema, 0, n), order)
	return m.out.Next(ctx)
}

// Close closes the inputs. It is idempotent.
func (m *merger) Close() error {
	var first error
	for _, c := range m.cursors {
		if err := c.it.Close(); err != nil && first == nil {
			first = err
		}
		c.scratch.Close()
	}
	m.out.scratch.Close()
	m.cursors, m.used = nil, nil
	return first
}

var _ op.BatchIterator = (*merger)(nil)
