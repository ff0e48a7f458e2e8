package kernel

import (
	"bytes"

	"github.com/millrace-engine/millrace/columnar"
)

// EqualRows keeps the candidate pairs whose rows are equal: of the positions in
// sel, those k for which row ai[k] of a equals row bi[k] of b. The result is sel,
// shortened, in its order; for keys of several columns call it column by column.
// Values are compared as the key hash does (K1): whatever their encoding or
// decimal width, −0.0 equals 0.0 and NaN equals NaN. Null equals null if
// nullsEqual (grouping), else nothing (joins). Both vectors have the same type.
func EqualRows(a *columnar.Vector, ai []uint32, b *columnar.Vector, bi []uint32, sel []uint16, nullsEqual bool) []uint16 {
	if a.HasNulls() || b.HasNulls() {
		var both []uint16
		sel, both = splitNulls(a, ai, b, bi, sel)
		if !nullsEqual {
			both = nil
		}
		if a.Type.Kind == columnar.Null || b.Type.Kind == columnar.Null {
			return append(sel[:0], both...)
		}
		return mergeSorted(equalValues(a, ai, b, bi, sel), both)
	}
	return equalValues(a, ai, b, bi, sel)
}

// splitNulls returns the positions where no row is null and those where both
// are.
func splitNulls(a *columnar.Vector, ai []uint32, b *columnar.Vector, bi []uint32, sel []uint16) (none, both []uint16) {
	none = sel[:0]
	for _, k := range sel {
		switch x, y := a.NullAt(int(ai[k])), b.NullAt(int(bi[k])); {
		case x && y:
			both = append(both, k)
		case !x && !y:
			none = append(none, k)
		}
	}
	return none, both
}

// mergeSorted merges b into a, both ascending.
func mergeSorted(a, b []uint16) []uint16 {
	n := len(a)
	a = append(a, b...)
	i, j := n-1, len(b)-1
	for k := len(a) - 1; j >= 0; k-- {
		if i >= 0 && a[i] > b[j] {
			a[k] = a[i]
			i--
		} else {
			a[k] = b[j]
			j--
		}
	}
	return a
}

// equalValues is EqualRows of rows that are not null.
func equalValues(a *columnar.Vector, ai []uint32, b *columnar.Vector, bi []uint32, sel []uint16) []uint16 {
	if len(sel) == 0 {
		return sel
	}
	x, y := sideOf(a, ai), sideOf(b, bi)
	if x.v == y.v && x.codes != nil && y.codes != nil && a.Dict.Unique { // equal codes, equal values
		return equalFixed[uint32](side{v: x.v, data: a.Data, n: a.Len, rows: ai}, side{v: y.v, data: b.Data, n: b.Len, rows: bi}, sel)
	}
	t := a.Type
	switch {
	case t.IsBytes():
		return equalBytes(x, y, sel)
	case t.Kind == columnar.Float64:
		return equalFloats[float64](x, y, sel)
	case t.Kind == columnar.Float32:
		return equalFloats[float32](x, y, sel)
	case t.Kind == columnar.Bool:
		return equalBits(x, y, sel)
	case t.IsNested():
		return equalNested(x, y, sel)
	case x.v.Width != y.v.Width:
		return equalWide(x, y, sel)
	}
	switch x.v.Width {
	case 1:
		return equalFixed[uint8](x, y, sel)
	case 2:
		return equalFixed[uint16](x, y, sel)
	case 4:
		return equalFixed[uint32](x, y, sel)
	case 8:
		return equalFixed[uint64](x, y, sel)
	}
	return equalFixed[columnar.Int128](x, y, sel)
}

// side is one side of the pairs: the vector with the values and how a pair's
// position leads to one of them.
type side struct {
	v     *columnar.Vector
	data  []byte
	n     int
	rows  []uint32
	codes []uint32 // Dict: by row
	one   bool     // Const: always value 0
}

func sideOf(v *columnar.Vector, rows []uint32) side {
	switch v.Enc {
	case columnar.Dict:
		d := &v.Dict.Values
		return side{v: d, data: d.Data, n: d.Len, rows: rows, codes: v.Codes()}
	case columnar.Const:
		return side{v: v, data: v.Data, n: 1, rows: rows, one: true}
	}
	return side{v: v, data: v.Data, n: v.Len, rows: rows}
}

func (s *side) at(k uint16) uint32 {
	switch {
	case s.one:
		return 0
	case s.codes != nil:
		return s.codes[s.rows[k]]
	}
	return s.rows[k]
}

// plain reports that positions lead to values by rows alone.
func (s *side) plain() bool { return !s.one && s.codes == nil }

func equalFixed[T uint8 | uint16 | uint32 | uint64 | columnar.Int128](x, y side, sel []uint16) []uint16 {
	xs, ys := columnar.View[T](x.data, x.n), columnar.View[T](y.data, y.n)
	n := 0
	if x.plain() && y.plain() {
		for _, k := range sel {
			sel[n] = k
			if xs[x.rows[k]] == ys[y.rows[k]] {
				n++
			}
		}
		return sel[:n]
	}
	for _, k := range sel {
		sel[n] = k
		if xs[x.at(k)] == ys[y.at(k)] {
			n++
		}
	}
	return sel[:n]
}

func equalFloats[T float32 | float64](x, y side, sel []uint16) []uint16 {
	xs, ys := columnar.View[T](x.data, x.n), columnar.View[T](y.data, y.n)
	n := 0
	for _, k := range sel {
		p, q := xs[x.at(k)], ys[y.at(k)]
		sel[n] = k
		if p == q || p != p && q != q {
			n++
		}
	}
	return sel[:n]
}

func equalBits(x, y side, sel []uint16) []uint16 {
	xs, ys := columnar.Bitmap(x.data), columnar.Bitmap(y.data)
	n := 0
	for _, k := range sel {
		sel[n] = k
		if xs.Get(int(x.at(k))) == ys.Get(int(y.at(k))) {
			n++
		}
	}
	return sel[:n]
}

// equalWide compares decimals of 8 with ones of 16 bytes.
func equalWide(x, y side, sel []uint16) []uint16 {
	n := 0
	for _, k := range sel {
		sel[n] = k
		if x.v.Int128At(int(x.at(k))) == y.v.Int128At(int(y.at(k))) {
			n++
		}
	}
	return sel[:n]
}

func equalBytes(x, y side, sel []uint16) []uint16 {
	xo, yo := columnar.View[int32](x.data, x.n+1), columnar.View[int32](y.data, y.n+1)
	n := 0
	for _, k := range sel {
		i, j := x.at(k), y.at(k)
		p, q := x.v.Bytes[xo[i]:xo[int(i)+1]], y.v.Bytes[yo[j]:yo[int(j)+1]]
		sel[n] = k
		if bytes.Equal(p, q) {
			n++
		}
	}
	return sel[:n]
}

func equalNested(x, y side, sel []uint16) []uint16 {
	n := 0
	for _, k := range sel {
		sel[n] = k
		if nestedEqual(x.v, int(x.at(k)), y.v, int(y.at(k))) {
			n++
		}
	}
	return sel[:n]
}

// nestedEqual compares rows of two nested vectors that are not null; within them
// null equals null.
func nestedEqual(a *columnar.Vector, i int, b *columnar.Vector, j int) bool {
	n := 1
	if a.Type.Kind != columnar.Struct {
		x, y := columnar.View[int32](a.Data, i+2), columnar.View[int32](b.Data, j+2)
		n = int(x[i+1] - x[i])
		if n != int(y[j+1]-y[j]) {
			return false
		}
		i, j = int(x[i]), int(y[j])
	}
	for k := range n {
		for f := range a.Kids {
			sel := []uint16{0}
			if len(EqualRows(&a.Kids[f], []uint32{uint32(i + k)}, &b.Kids[f], []uint32{uint32(j + k)}, sel, true)) == 0 {
				return false
			}
		}
	}
	return true
}
