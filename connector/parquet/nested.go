package parquet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// nested reads a column of lists, maps and structs: the leaves in step, n records
// of each, and the vectors from their levels.
//
//	           rep def           list: a slot for each rep 0, an element for each def ≥ 2
//	[7, null]   0   3     ─►     offsets 0 2 2 2, valid 1 1 0
//	            1   2            leaf: a slot for each element, valid for each def 3
//	[]          0   1            values 7 –
//	null        0   0
type nested struct {
	root   *node
	leaves []*stripe
	at     int64 // next record
}

// stripe is one leaf of a nested column.
type stripe struct {
	column
	left     int      // levels of the page that were not read yet
	rep, def []uint32 // levels of the batch, and behind used some of the records after it
	used     int
	from     int // where the levels of the current page begin whose values were not read
	parts    []columnar.Vector
	values   columnar.Vector // of the batch, without nulls
}

func newNested(f *file, group int, name string, root *node, bytes *int64, mem memory.Reservation) *nested {
	x := &nested{root: root}
	for _, n := range root.leaves() {
		x.leaves = append(x.leaves, &stripe{column: column{file: f, group: group, leaf: n.leaf, field: columnar.Field{Name: name, Type: n.typ}, bytes: bytes, mem: mem}})
	}
	return x
}

func (x *nested) close() {
	for _, l := range x.leaves {
		l.close()
	}
}

func (x *nested) release() {
	for _, l := range x.leaves {
		l.release()
	}
}

// next returns the next n records.
func (x *nested) next(n int, s *memory.Scratch) (columnar.Vector, error) {
	for _, l := range x.leaves {
		if err := l.records(n, true, s); err != nil {
			return columnar.Vector{}, err
		}
	}
	x.at += int64(n)
	v, rest, err := build(x.root, x.leaves, 0, 0, s)
	if err == nil && (v.Len != n || len(rest) > 0) {
		err = x.leaves[0].corrupt(errors.New("its leaves have different numbers of records"))
	}
	return v, err
}

// skip passes n records.
func (x *nested) skip(n int64) error {
	x.at += n
	for n > 0 {
		k := int(min(n, columnar.MaxRows))
		for _, l := range x.leaves {
			if err := l.records(k, false, nil); err != nil {
				return err
			}
		}
		n -= int64(k)
	}
	return nil
}

// levelsAtOnce is how many levels are decoded together.
const levelsAtOnce = 1024

// maxLevels bounds the levels of a batch: a run of them takes a few bytes in the
// file, whatever its length.
func (l *stripe) maxLevels() int { return int(min(1<<20+64*l.file.size, 1<<30)) }

// records reads the levels of the next n records and, if they are kept, their
// values.
func (l *stripe) records(n int, keep bool, s *memory.Scratch) error {
	beyond := copy(l.rep, l.rep[l.used:])
	copy(l.def, l.def[l.used:])
	l.rep, l.def = l.rep[:beyond], l.def[:beyond]
	l.used, l.from, l.parts, l.values = 0, 0, l.parts[:0], columnar.Vector{}
	for begun := 0; ; {
		for ; l.used < len(l.rep); l.used++ {
			if l.rep[l.used] != 0 {
				continue
			}
			if begun == n {
				return l.end(keep, s)
			}
			begun++
		}
		err := l.more(keep, s)
		switch {
		case errors.Is(err, io.EOF) && begun == n:
			return l.end(keep, s)
		case errors.Is(err, io.EOF):
			return l.corrupt(errors.New("it has fewer records than its row group has rows"))
		case err != nil:
			return err
		}
	}
}

// more reads some more levels; io.EOF: there are none.
func (l *stripe) more(keep bool, s *memory.Scratch) error {
	if len(l.rep) > l.maxLevels() {
		return l.corrupt(fmt.Errorf("a batch of its lists has more than %d elements", l.maxLevels()))
	}
	if l.left == 0 {
		if l.page != nil { // its levels are of the batch to the last
			if err := l.take(keep, s); err != nil {
				return err
			}
			l.page = nil
		}
		if err := l.start(); err != nil {
			return err
		}
		p, err := l.pages.Next(0)
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		if err != nil {
			return l.corrupt(err)
		}
		l.page, l.left = p, p.Rows
		if p.Coded() {
			if err := l.dictionary(); err != nil {
				return err
			}
		}
	}
	at, k := len(l.rep), min(l.left, levelsAtOnce)
	l.rep = slices.Grow(l.rep, k)[:at+k]
	l.def = slices.Grow(l.def, k)[:at+k]
	if err := l.page.Levels(l.rep[at:], l.def[at:]); err != nil {
		return l.corrupt(err)
	}
	l.left -= k
	return nil
}

// take reads the values of the levels between from and used.
func (l *stripe) take(keep bool, s *memory.Scratch) error {
	m := 0
	for _, d := range l.def[l.from:l.used] {
		if d == uint32(l.leaf.def) {
			m++
		}
	}
	l.from = l.used
	switch {
	case m == 0:
		return nil
	case !keep:
		if err := l.page.SkipValues(m); err != nil {
			return l.corrupt(err)
		}
		return nil
	}
	v, err := l.dense(m, s)
	l.parts = append(l.parts, v)
	return err
}

// end completes a batch.
func (l *stripe) end(keep bool, s *memory.Scratch) (err error) {
	if err := l.take(keep, s); err != nil || !keep {
		return err
	}
	switch len(l.parts) {
	case 0:
		l.values = columnar.Vector{Type: l.field.Type, Width: uint8(l.field.Type.FixedWidth()), Data: make([]byte, 8)}
	case 1:
		l.values = l.parts[0]
	default:
		n := 0
		for i := range l.parts {
			n += l.parts[i].Len
		}
		l.values, err = join(l.parts, n, s)
	}
	if l.values.Enc != columnar.Flat {
		l.values = kernel.Flatten(&l.values, s)
	}
	return err
}

// build makes the vector of a node whose elements begin at levels of repetition
// rep or less, from definition def on, out of the first leaves. The others are
// returned.
func build(n *node, leaves []*stripe, rep, def uint32, s *memory.Scratch) (v columnar.Vector, rest []*stripe, err error) {
	first := leaves[0]
	v.Type = n.typ
	if len(n.kids) == 0 {
		return leafOf(n, first, rep, def, s), leaves[1:], nil
	}
	slots := first.used // at most
	valid := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(slots)))
	clear(valid)
	var off []int32
	if n.typ.Kind != columnar.Struct {
		off = memory.Slice[int32](s, slots+1)
	}
	nulls, elements := false, int32(0)
	for i, r := range first.rep[:first.used] {
		d := first.def[i]
		if r <= rep && d >= def {
			if d >= uint32(n.def) {
				valid.Set(v.Len)
			} else {
				nulls = true
			}
			if off != nil {
				off[v.Len] = elements
			}
			v.Len++
		}
		if off != nil && r <= uint32(n.rep) && d >= uint32(n.full) {
			elements++
		}
	}
	if nulls {
		v.Valid = valid
	}
	want := v.Len
	if off != nil {
		off[v.Len] = elements
		v.Data = columnar.BytesOf(off[:v.Len+1])
		rep, def, want = uint32(n.rep), uint32(n.full), int(elements)
	}
	rest = leaves
	for _, k := range n.kids {
		var kid columnar.Vector
		if kid, rest, err = build(k, rest, rep, def, s); err != nil {
			return v, rest, err
		}
		if kid.Len != want {
			return v, rest, first.corrupt(errors.New("its leaves have different numbers of elements"))
		}
		v.Kids = append(v.Kids, kid)
	}
	return v, rest, nil
}

// leafOf spreads a leaf's values over its slots.
func leafOf(n *node, l *stripe, rep, def uint32, s *memory.Scratch) columnar.Vector {
	v := l.values
	m := v.Len
	valid := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(l.used)))
	clear(valid)
	slots, full := 0, 0
	for i, r := range l.rep[:l.used] {
		if d := l.def[i]; r <= rep && d >= def {
			if d == uint32(n.def) {
				valid.Set(slots)
				full++
			}
			slots++
		}
	}
	v.Len = slots
	if full < slots {
		v.Valid = valid
		spread(&v, m, s)
	}
	return v
}

// readable reports whether every part of a node has leaves.
func (n *node) readable() bool {
	for _, k := range n.kids {
		if !k.readable() {
			return false
		}
	}
	return len(n.kids) > 0 || !n.typ.IsNested()
}

// leaves lists the nodes below that are stored, in order.
func (n *node) leaves() []*node {
	if len(n.kids) == 0 {
		return []*node{n}
	}
	var out []*node
	for _, k := range n.kids {
		out = append(out, k.leaves()...)
	}
	return out
}
