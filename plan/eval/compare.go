package eval

import (
	"bytes"
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// An operator of comparison, and what it becomes when its sides are swapped.
const (
	eq = iota
	ne
	lt
	le
	gt
	ge
)

var operators = map[string]int{"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
var swapped = [...]int{eq, ne, gt, ge, lt, le}

type ordered interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// less writes a < c for all values, eight to a byte.
func less[T ordered](a []T, c T, out columnar.Bitmap) {
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		p := a[i : i+8 : i+8]
		out[i>>3] = byte(bit(p[0] < c) | bit(p[1] < c)<<1 | bit(p[2] < c)<<2 | bit(p[3] < c)<<3 |
			bit(p[4] < c)<<4 | bit(p[5] < c)<<5 | bit(p[6] < c)<<6 | bit(p[7] < c)<<7)
	}
	if n < len(a) {
		out[n>>3] = 0
	}
	for i := n; i < len(a); i++ {
		out[i>>3] |= byte(bit(a[i] < c) << (i & 7))
	}
}

// more writes a > c.
func more[T ordered](a []T, c T, out columnar.Bitmap) {
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		p := a[i : i+8 : i+8]
		out[i>>3] = byte(bit(p[0] > c) | bit(p[1] > c)<<1 | bit(p[2] > c)<<2 | bit(p[3] > c)<<3 |
			bit(p[4] > c)<<4 | bit(p[5] > c)<<5 | bit(p[6] > c)<<6 | bit(p[7] > c)<<7)
	}
	if n < len(a) {
		out[n>>3] = 0
	}
	for i := n; i < len(a); i++ {
		out[i>>3] |= byte(bit(a[i] > c) << (i & 7))
	}
}

// equal writes a = c.
func equal[T ordered](a []T, c T, out columnar.Bitmap) {
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		p := a[i : i+8 : i+8]
		out[i>>3] = byte(bit(p[0] == c) | bit(p[1] == c)<<1 | bit(p[2] == c)<<2 | bit(p[3] == c)<<3 |
			bit(p[4] == c)<<4 | bit(p[5] == c)<<5 | bit(p[6] == c)<<6 | bit(p[7] == c)<<7)
	}
	if n < len(a) {
		out[n>>3] = 0
	}
	for i := n; i < len(a); i++ {
		out[i>>3] |= byte(bit(a[i] == c) << (i & 7))
	}
}

// lessVec writes a < b, equalVec a = b.
func lessVec[T ordered](a, b []T, out columnar.Bitmap) {
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		p, q := a[i:i+8:i+8], b[i:i+8:i+8]
		out[i>>3] = byte(bit(p[0] < q[0]) | bit(p[1] < q[1])<<1 | bit(p[2] < q[2])<<2 | bit(p[3] < q[3])<<3 |
			bit(p[4] < q[4])<<4 | bit(p[5] < q[5])<<5 | bit(p[6] < q[6])<<6 | bit(p[7] < q[7])<<7)
	}
	if n < len(a) {
		out[n>>3] = 0
	}
	for i := n; i < len(a); i++ {
		out[i>>3] |= byte(bit(a[i] < b[i]) << (i & 7))
	}
}

func equalVec[T ordered](a, b []T, out columnar.Bitmap) {
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		p, q := a[i:i+8:i+8], b[i:i+8:i+8]
		out[i>>3] = byte(bit(p[0] == q[0]) | bit(p[1] == q[1])<<1 | bit(p[2] == q[2])<<2 | bit(p[3] == q[3])<<3 |
			bit(p[4] == q[4])<<4 | bit(p[5] == q[5])<<5 | bit(p[6] == q[6])<<6 | bit(p[7] == q[7])<<7)
	}
	if n < len(a) {
		out[n>>3] = 0
	}
	for i := n; i < len(a); i++ {
		out[i>>3] |= byte(bit(a[i] == b[i]) << (i & 7))
	}
}

// compareConst writes a op c: the other three operators are the opposites.
func compareConst[T ordered](op int, a []T, c T, out columnar.Bitmap) {
	switch op {
	case eq, ne:
		equal(a, c, out)
	case lt, ge:
		less(a, c, out)
	default:
		more(a, c, out)
	}
	if op == ne || op == ge || op == le {
		kernel.Not(out, out, len(a))
	}
}

func compareVec[T ordered](op int, a, b []T, out columnar.Bitmap) {
	b = b[:len(a)]
	switch op {
	case eq, ne:
		equalVec(a, b, out)
	case lt, ge:
		lessVec(a, b, out)
	default:
		lessVec(b, a, out)
	}
	if op == ne || op == ge || op == le {
		kernel.Not(out, out, len(a))
	}
}

func compareInts[T interface {
	ordered
	columnar.Fixed
}](op int, a, b *columnar.Vector, out columnar.Bitmap) {
	switch {
	case b.Enc == columnar.Const:
		compareConst(op, columnar.Values[T](a), columnar.Values[T](b)[0], out)
	case a.Enc == columnar.Const:
		compareConst(swapped[op], columnar.Values[T](b), columnar.Values[T](a)[0], out)
	default:
		compareVec(op, columnar.Values[T](a), columnar.Values[T](b), out)
	}
}

// compareFloats writes a op b for floats, of which b may be one value. Order is
// SQL's: NaN equals itself and is greatest, −0 is 0.
func compareFloats[T ~float32 | ~float64](op int, a, b []T, out columnar.Bitmap) {
	one := len(b) == 1
	for base := 0; base < len(a); base += 64 {
		p := a[base:min(base+64, len(a))]
		var w uint64
		for j, x := range p {
			y := b[0]
			if !one {
				y = b[base+j]
			}
			nx, ny := bit(x != x), bit(y != y)
			same := bit(x == y) | nx&ny
			less := bit(x < y) | ny&^nx
			var z uint64
			switch op {
			case eq:
				z = same
			case ne:
				z = same ^ 1
			case lt:
				z = less
			case le:
				z = less | same
			case gt:
				z = (less | same) ^ 1
			default:
				z = less ^ 1
			}
			w |= z << (j & 63)
		}
		binary.LittleEndian.PutUint64(out[base>>3:], w)
	}
}

// compareText writes a op c for strings.
func compareText(op int, a *columnar.Vector, c []byte, out columnar.Bitmap) {
	off, data := a.Offsets(), a.Bytes
	for base := 0; base < a.Len; base += 64 {
		var w uint64
		for j := range min(64, a.Len-base) {
			s := data[off[base+j]:off[base+j+1]]
			var hit bool
			switch op {
			case eq:
				hit = string(s) == string(c)
			case ne:
				hit = string(s) != string(c)
			default:
				hit = holds(op, bytes.Compare(s, c))
			}
			w |= bit(hit) << (j & 63)
		}
		binary.LittleEndian.PutUint64(out[base>>3:], w)
	}
}

// holds reports whether an order (−1, 0, 1) satisfies an operator.
func holds(op, c int) bool {
	switch op {
	case eq:
		return c == 0
	case ne:
		return c != 0
	case lt:
		return c < 0
	case le:
		return c <= 0
	case gt:
		return c > 0
	}
	return c >= 0
}

func order[T ordered | ~string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// orderFloats is SQL's order: NaN equals itself and is greatest.
func orderFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b || a != a && b != b:
		return 0
	case a != a:
		return 1
	}
	return -1
}

func orderWide(a, b columnar.Int128) int {
	if a.Hi != b.Hi {
		return order(a.Hi, b.Hi)
	}
	return order(a.Lo, b.Lo)
}

// orderAt compares row i of a with row j of b; both are of one type and valid.
func orderAt(a *columnar.Vector, i int, b *columnar.Vector, j int) int {
	switch {
	case a.Type.IsBytes():
		return bytes.Compare(a.BytesAt(i), b.BytesAt(j))
	case a.Type.IsFloat():
		return orderFloats(a.Float64At(i), b.Float64At(j))
	case a.Type.Kind == columnar.Decimal:
		return orderWide(a.Int128At(i), b.Int128At(j))
	case a.Type.Kind == columnar.Uint64:
		return order(uint64(a.Int64At(i)), uint64(b.Int64At(j)))
	}
	return order(a.Int64At(i), b.Int64At(j))
}

// EqualAt reports whether row i of a equals row j of b: rows of one type that
// are not null.
func EqualAt(a *columnar.Vector, i int, b *columnar.Vector, j int) bool {
	return orderAt(a, i, b, j) == 0
}

func compare(op int) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(columnar.BoolType, r.n), nil
		}
		out := r.bitmap()
		v := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: out, Valid: valid}
		compareInto(op, args[0], args[1], out, r, valid)
		return v, nil
	}
}

// compareInto picks the loop for the shapes of two vectors of one type.
func compareInto(op int, a, b *columnar.Vector, out columnar.Bitmap, r *rows, valid columnar.Bitmap) {
	t := a.Type
	if a.Enc == columnar.Const {
		a, b, op = b, a, swapped[op]
	}
	switch {
	case a.Enc == columnar.Const: // both
		out.Fill(8*len(out), holds(op, orderAt(a, 0, b, 0)))
		return
	case a.Enc == columnar.Dict && b.Enc == columnar.Dict && a.Dict == b.Dict && a.Dict.Unique && op <= ne:
		compareVec(op, a.Codes(), b.Codes(), out)
		return
	case t.IsBytes() && b.Enc == columnar.Const && a.Enc == columnar.Flat:
		compareText(op, a, b.BytesAt(0), out)
		return
	case t.IsBytes() || t.Kind == columnar.Bool || narrowest(a) != narrowest(b) || narrowest(a) == 16:
		clear(out)
		_ = r.each(func(i int) error {
			if valid == nil || valid.Get(i) {
				if holds(op, orderAt(a, i, b, i)) {
					out.Set(i)
				}
			}
			return nil
		})
		return
	}
	a, b = shape(a, r), shape(b, r)
	unsigned := t.Kind >= columnar.Uint8 && t.Kind <= columnar.Uint64
	switch {
	case t.Kind == columnar.Float32:
		compareFloats(op, columnar.Values[float32](a), columnar.Values[float32](b), out)
	case t.IsFloat():
		compareFloats(op, columnar.Values[float64](a), columnar.Values[float64](b), out)
	case a.Width == 1 && unsigned:
		compareInts[uint8](op, a, b, out)
	case a.Width == 2 && unsigned:
		compareInts[uint16](op, a, b, out)
	case a.Width == 4 && unsigned:
		compareInts[uint32](op, a, b, out)
	case unsigned:
		compareInts[uint64](op, a, b, out)
	case a.Width == 1:
		compareInts[int8](op, a, b, out)
	case a.Width == 2:
		compareInts[int16](op, a, b, out)
	case a.Width == 4:
		compareInts[int32](op, a, b, out)
	default:
		compareInts[int64](op, a, b, out)
	}
}

// same is <=>: nulls are equal.
func same(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	a, b := args[0], args[1]
	out := r.bitmap()
	clear(out)
	err := r.each(func(i int) error {
		an, bn := a.NullAt(i), b.NullAt(i)
		if an && bn || !an && !bn && orderAt(a, i, b, i) == 0 {
			out.Set(i)
		}
		return nil
	})
	return columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: out}, err
}

func nullIf(t columnar.Type) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		b := newBuilder(r, t)
		err := r.each(func(i int) error {
			if args[0].NullAt(i) || !args[1].NullAt(i) && orderAt(args[0], i, args[1], i) == 0 {
				b.null(i)
			} else {
				b.copy(args[0], i)
			}
			return nil
		})
		return b.vector(), err
	}
}

// between is not strict: a value below the lower bound is not between, whatever
// the upper one.
func between(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	lo, err := compare(ge)(r, []*columnar.Vector{args[0], args[1]})
	if err != nil {
		return lo, err
	}
	hi, err := compare(le)(r, []*columnar.Vector{args[0], args[2]})
	if err != nil {
		return hi, err
	}
	return logic("and")(r, []*columnar.Vector{&lo, &hi})
}
