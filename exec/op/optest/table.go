package optest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/exec/op"
)

// Column says how a random column looks.
type Column struct {
	Type     columnar.Type
	Distinct int     // values are among so many
	Nulls    float64 // share of nulls
	Longest  int     // bytes of a string, about; 0 = 9
}

// Random returns a long batch of n random rows, named c0, c1, …
func Random(r *rand.Rand, n int, columns ...Column) *columnar.Batch {
	b := &columnar.Batch{Schema: &columnar.Schema{}, Rows: n}
	for i, c := range columns {
		b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: c.Type, Nullable: c.Nulls > 0})
		b.Cols = append(b.Cols, random(r, n, c))
	}
	return b
}

func random(r *rand.Rand, n int, c Column) columnar.Vector {
	v := columnar.Vector{Type: c.Type, Len: n, Width: uint8(c.Type.FixedWidth())}
	if c.Nulls > 0 {
		v.Valid = columnar.NewBitmap(n)
		for i := range n {
			v.Valid.SetTo(i, r.Float64() >= c.Nulls)
		}
	}
	value := func() int { return r.IntN(max(c.Distinct, 1)) }
	switch {
	case c.Type.IsBytes():
		longest := c.Longest
		if longest == 0 {
			longest = 9
		}
		off := make([]int32, 1, n+1)
		for range n {
			x := value()
			s := fmt.Sprint("s", x) // of a length that the value decides
			if more := x*7%longest - len(s); more > 0 {
				s += strings.Repeat(string(rune('a'+x%26)), more)
			}
			v.Bytes = append(v.Bytes, s...)
			off = append(off, int32(len(v.Bytes)))
		}
		v.Data = columnar.BytesOf(off)
	case c.Type.Kind == columnar.Bool:
		v.Data = columnar.NewBitmap(n)
		for i := range n {
			columnar.Bitmap(v.Data).SetTo(i, value() > 0)
		}
	case c.Type.Kind == columnar.Float64:
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = float64(value()-c.Distinct/2) / 4
		}
		v.Data = columnar.BytesOf(xs)
	case v.Width == 4:
		xs := make([]int32, n)
		for i := range xs {
			xs[i] = int32(value() - c.Distinct/2)
		}
		v.Data = columnar.BytesOf(xs)
	case v.Width == 16:
		xs := make([]columnar.Int128, n)
		for i := range xs {
			x := value() - c.Distinct/2
			xs[i] = columnar.Int128{Lo: uint64(x) * 12345, Hi: int64(x)}
		}
		v.Data = columnar.BytesOf(xs)
	default:
		xs := make([]int64, n)
		for i := range xs {
			xs[i] = int64(value() - c.Distinct/2)
		}
		v.Data, v.Width = columnar.BytesOf(xs), 8
	}
	return v
}

// allNull returns a table with nothing but nulls where they are allowed.
func allNull(b *columnar.Batch) *columnar.Batch {
	out := &columnar.Batch{Schema: b.Schema, Rows: b.Rows, Cols: append([]columnar.Vector{}, b.Cols...)}
	for i, f := range b.Schema.Fields {
		if f.Nullable {
			out.Cols[i].Valid = columnar.NewBitmap(b.Rows)
		}
	}
	return out
}

// Shape is how an input's rows come.
type Shape struct {
	Rows      int               // rows of a batch
	Selection bool              // among as many that do not count
	Encoding  columnar.Encoding // of every column where it is possible
	FailAt    int               // the n-th Next fails; 0 = none
}

// Source is an operator that yields the rows of a long batch in a shape. It
// overwrites what it returned before at the next Next and at Close.
type Source struct {
	table  *columnar.Batch
	shape  Shape
	at     int
	calls  int
	live   *columnar.Batch
	closed bool
}

var _ op.Operator = (*Source)(nil)

// ErrInput is what a failing input returns.
var ErrInput = fmt.Errorf("the input fails")

// NewSource returns a source.
func NewSource(table *columnar.Batch, s Shape) *Source { return &Source{table: table, shape: s} }

// Open implements op.Operator.
func (s *Source) Open(context.Context, *op.TaskContext) error { return nil }

// Closed reports whether Close was called.
func (s *Source) Closed() bool { return s.closed }

// Next implements op.Operator.
func (s *Source) Next(ctx context.Context) (*columnar.Batch, error) {
	s.scribble()
	if s.calls++; s.calls == s.shape.FailAt {
		return nil, ErrInput
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := min(s.shape.Rows, s.table.Rows-s.at)
	if n <= 0 {
		return nil, io.EOF
	}
	pick := make([]uint32, 0, 2*n)
	var sel []uint16
	for i := range n {
		if s.shape.Selection && 2*n <= columnar.MaxRows {
			pick = append(pick, uint32((s.at+i*7)%s.table.Rows)) // a row that does not count
		}
		sel = append(sel, uint16(len(pick)))
		pick = append(pick, uint32(s.at+i))
	}
	s.at += n
	b := &columnar.Batch{Schema: s.table.Schema, Rows: len(pick), Cols: make([]columnar.Vector, len(s.table.Cols))}
	if s.shape.Selection {
		b.Sel = sel
	}
	for i := range b.Cols {
		v := kernel.Take(&s.table.Cols[i], pick, nil)
		b.Cols[i] = encode(v, s.shape.Encoding)
	}
	s.live = b
	return b, nil
}

// encode gives a vector another encoding. A constant needs equal values.
func encode(v columnar.Vector, e columnar.Encoding) columnar.Vector {
	switch {
	case e == columnar.Dict && v.Type.Kind != columnar.Bool && !v.Type.IsNested():
		codes := make([]uint32, v.Len)
		for i := range codes {
			codes[i] = uint32(v.Len - 1 - i)
		}
		back := kernel.Take(&v, codes, nil)
		valid := v.Valid
		back.Valid = nil
		return columnar.Vector{Type: v.Type, Enc: columnar.Dict, Len: v.Len, Valid: valid, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: back}}
	case e == columnar.Const && v.Len > 0:
		for i := range v.Len {
			if show(&v, i) != show(&v, 0) {
				return v
			}
		}
		one := kernel.Take(&v, []uint32{0}, nil)
		one.Enc, one.Len = columnar.Const, v.Len
		return one
	}
	return v
}

// scribble overwrites the buffers of the batch returned last.
func (s *Source) scribble() {
	if s.live == nil {
		return
	}
	for i := range s.live.Cols {
		v := &s.live.Cols[i]
		w := v
		if v.Enc == columnar.Dict {
			clear(v.Data) // codes stay legal
			w = &v.Dict.Values
		}
		if w.Type.IsBytes() {
			for k := range w.Bytes {
				w.Bytes[k] = '#'
			}
			continue
		}
		for k := range w.Data {
			w.Data[k] ^= 0xff
		}
	}
	s.live = nil
}

// Close implements op.Operator.
func (s *Source) Close() error {
	s.scribble()
	s.closed = true
	return nil
}

// show renders a value.
func show(v *columnar.Vector, row int) string {
	if v.NullAt(row) {
		return "NULL"
	}
	return string(text.AppendValue(nil, v, row, nil))
}

// rowsOf renders the rows of a batch that count.
func rowsOf(b *columnar.Batch, out []string) []string {
	for i := range b.Selected() {
		r := b.RowAt(i)
		var parts []string
		for c := range b.Cols {
			parts = append(parts, show(&b.Cols[c], r))
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out
}
