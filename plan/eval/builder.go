package eval

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// builder makes a flat vector row by row, in ascending order of rows: for
// functions that no loop serves.
type builder struct {
	r     *rows
	t     columnar.Type
	v     columnar.Vector
	wide  []columnar.Int128 // decimals, until their width is known
	bytes []byte
	off   []int32
	next  int // strings: rows below have their offset
}

func newBuilder(r *rows, t columnar.Type) *builder {
	b := &builder{r: r, t: t, v: columnar.Vector{Type: t, Len: r.n, Width: uint8(t.FixedWidth())}}
	switch {
	case t.Kind == columnar.Bool:
		b.v.Data = r.bitmap()
		clear(b.v.Data)
	case t.IsBytes():
		b.off = memory.Slice[int32](r.s, r.n+1)
		b.off[0] = 0
	case t.Kind == columnar.Decimal:
		b.wide = memory.Slice[columnar.Int128](r.s, r.n)
		clear(b.wide)
	case t.Kind != columnar.Null:
		b.v.Data = r.s.Bytes(r.n * int(b.v.Width))
		clear(b.v.Data)
	}
	return b
}

func (b *builder) null(i int) {
	if b.v.Valid == nil {
		b.v.Valid = b.r.bitmap()
		b.v.Valid.Fill(b.r.n, true)
	}
	b.v.Valid.Clear(i)
}

func (b *builder) bool(i int, x bool) { b.v.Bits().SetTo(i, x) }

func (b *builder) int(i int, x int64) {
	switch b.v.Width {
	case 1:
		columnar.View[int8](b.v.Data, b.r.n)[i] = int8(x)
	case 2:
		columnar.View[int16](b.v.Data, b.r.n)[i] = int16(x)
	case 4:
		columnar.View[int32](b.v.Data, b.r.n)[i] = int32(x)
	default:
		columnar.View[int64](b.v.Data, b.r.n)[i] = x
	}
}

func (b *builder) float(i int, x float64) {
	if b.v.Width == 4 {
		columnar.View[float32](b.v.Data, b.r.n)[i] = float32(x)
	} else {
		columnar.View[float64](b.v.Data, b.r.n)[i] = x
	}
}

func (b *builder) decimal(i int, x columnar.Int128) { b.wide[i] = x }

// str sets row i; rows between are empty.
func (b *builder) str(i int, x []byte) {
	b.begin(i)
	b.bytes = append(b.bytes, x...)
	b.end(i)
}

// begin and end surround appending to bytes for row i.
func (b *builder) begin(i int) {
	for ; b.next < i; b.next++ {
		b.off[b.next+1] = int32(len(b.bytes))
	}
}

func (b *builder) end(i int) {
	b.off[i+1] = int32(len(b.bytes))
	b.next = i + 1
}

// copy takes row i of a vector of the same type.
func (b *builder) copy(v *columnar.Vector, i int) {
	switch {
	case b.t.Kind == columnar.Bool:
		b.bool(i, v.Int64At(i) != 0)
	case b.t.IsBytes():
		b.str(i, v.BytesAt(i))
	case b.t.IsFloat():
		b.float(i, v.Float64At(i))
	case b.t.Kind == columnar.Decimal:
		b.decimal(i, v.Int128At(i))
	default:
		b.int(i, v.Int64At(i))
	}
}

func (b *builder) vector() columnar.Vector {
	switch {
	case b.off != nil:
		b.begin(b.r.n)
		b.v.Data, b.v.Bytes = columnar.BytesOf(b.off), b.bytes
	case b.wide != nil:
		b.v.Width, b.v.Data = narrow(b.wide, b.r.s)
	}
	return b.v
}

// narrow stores decimals as narrow as they allow (I6 of columnar).
func narrow(xs []columnar.Int128, s *memory.Scratch) (uint8, []byte) {
	for _, x := range xs {
		if !x.FitsInt64() {
			return 16, columnar.BytesOf(xs)
		}
	}
	ys := memory.Slice[int64](s, len(xs))
	for i, x := range xs {
		ys[i] = int64(x.Lo)
	}
	return 8, columnar.BytesOf(ys)
}

// perRow wraps a function of single rows: strict in nulls, called for the rows
// that count only.
func perRow(t columnar.Type, f func(b *builder, args []*columnar.Vector, i int) error) function {
	var buffer []byte // strings of the last batch; the next one overwrites them
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(t, r.n), nil
		}
		b := newBuilder(r, t)
		if r.s != nil {
			b.bytes = buffer[:0]
		}
		if valid != nil {
			b.v.Valid = r.bitmap()
			copy(b.v.Valid, valid)
		}
		err := r.each(func(i int) error {
			if valid != nil && !valid.Get(i) {
				return nil
			}
			if len(b.bytes) > math.MaxInt32 {
				return diag.New(diag.InvalidArgument, "the strings made for a batch of %d rows exceed 2 GiB", r.n)
			}
			return f(b, args, i)
		})
		if err == nil && len(b.bytes) > math.MaxInt32 {
			err = diag.New(diag.InvalidArgument, "the strings made for a batch of %d rows exceed 2 GiB", r.n)
		}
		if err != nil {
			return columnar.Vector{}, err
		}
		if r.s != nil {
			buffer = b.bytes
		}
		return b.vector(), nil
	}
}
