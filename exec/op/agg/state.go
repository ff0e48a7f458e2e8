package agg

import (
	"math"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// state holds one aggregate's values by group number. Vectors passed in are
// flat and without nulls that count: rows with a null argument have group 0.
type state interface {
	// grow makes room for groups below n.
	grow(n int)
	// update adds rows.
	update(args []columnar.Vector, groups []uint32)
	// merge adds states, in the columns of physical.StateTypes; nulls are the
	// state's own business here.
	merge(states []columnar.Vector, groups []uint32)
	// states and result return the columns of groups [from, from+n).
	states(from, n int) ([]columnar.Vector, error)
	result(from, n int) (columnar.Vector, error)
	reset()
	bytes() int64
}

// newState returns the state of a call, or an error for a function that is not
// there yet.
func newState(c physical.AggCall) (state, error) {
	arg := columnar.NullType
	if len(c.ArgTypes) > 0 {
		arg = c.ArgTypes[0]
	}
	switch c.Fn {
	case "count":
		return &countState{}, nil
	case "count_if":
		return &countState{when: true}, nil
	case "sum":
		if c.Result.IsFloat() {
			return &floatSum{}, nil
		}
		return &exactSum{call: c}, nil
	case "avg":
		if arg.Kind == columnar.Decimal {
			return &exactSum{call: c, avg: true}, nil
		}
		return &floatSum{avg: true}, nil
	case "min", "max":
		return newExtreme(c.Fn == "max", c.Result), nil
	case "first", "last", "any_value":
		return &pick{last: c.Fn == "last", seenColumn: c.Fn != "any_value", typ: c.Result}, nil
	case "bool_and", "bool_or":
		return &boolState{or: c.Fn == "bool_or"}, nil
	case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return &moments{fn: c.Fn}, nil
	}
	return nil, diag.NewAt(c.Place, diag.Unsupported, "the aggregate function %s is not supported yet", c.Fn)
}

func extend[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	if n > cap(s) {
		s = append(make([]T, 0, max(n, 2*cap(s))), s...)
	}
	return s[:n] // what lies beyond the length is zero: reset clears
}

// ---- count ----

type countState struct {
	n    []int64
	when bool // count_if
}

func (s *countState) grow(n int) { s.n = extend(s.n, n) }
func (s *countState) update(args []columnar.Vector, groups []uint32) {
	if s.when {
		b := args[0].Bits()
		for i, g := range groups {
			s.n[g] += int64(b[i>>3] >> (i & 7) & 1)
		}
		return
	}
	n := s.n
	for _, g := range groups {
		n[g]++
	}
}
func (s *countState) merge(st []columnar.Vector, groups []uint32) {
	for i, x := range columnar.Values[int64](&st[0]) {
		s.n[groups[i]] += x
	}
}
func (s *countState) result(from, n int) (columnar.Vector, error) {
	return fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...)), nil
}
func (s *countState) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}
func (s *countState) reset()       { clear(s.n); s.n = s.n[:0] }
func (s *countState) bytes() int64 { return int64(8 * cap(s.n)) }

func fixed[T columnar.Fixed](t columnar.Type, xs []T) columnar.Vector {
	return columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Len: len(xs), Data: columnar.BytesOf(xs), Stable: true}
}

// valid returns the bitmap of groups that saw a value, nil if all did.
func valid(n int, seen func(i int) bool) columnar.Bitmap {
	var b columnar.Bitmap
	for i := range n {
		if !seen(i) {
			if b == nil {
				b = columnar.NewBitmap(n)
				b.Fill(n, true)
			}
			b.Clear(i)
		}
	}
	return b
}

// ---- sums of integers and decimals, 128 bits wide ----

type exactSum struct {
	call physical.AggCall
	avg  bool
	sum  []columnar.Int128
	n    []int64
}

func (s *exactSum) grow(n int) { s.sum, s.n = extend(s.sum, n), extend(s.n, n) }

func addTo[T int8 | int16 | int32 | int64](sum []columnar.Int128, n []int64, vs []T, groups []uint32) {
	for i, g := range groups {
		x := int64(vs[i])
		p := &sum[g]
		lo, c := bits.Add64(p.Lo, uint64(x), 0)
		p.Lo = lo
		p.Hi += x>>63 + int64(c)
		n[g]++
	}
}

func addWide(sum []columnar.Int128, vs []columnar.Int128, groups []uint32) {
	for i, g := range groups {
		p := &sum[g]
		lo, c := bits.Add64(p.Lo, vs[i].Lo, 0)
		p.Lo = lo
		p.Hi += vs[i].Hi + int64(c)
	}
}

func (s *exactSum) update(args []columnar.Vector, groups []uint32) {
	switch v := &args[0]; v.Width {
	case 1:
		addTo(s.sum, s.n, columnar.Values[int8](v), groups)
	case 2:
		addTo(s.sum, s.n, columnar.Values[int16](v), groups)
	case 4:
		addTo(s.sum, s.n, columnar.Values[int32](v), groups)
	case 8:
		addTo(s.sum, s.n, columnar.Values[int64](v), groups)
	case 16:
		addWide(s.sum, columnar.Values[columnar.Int128](v), groups)
		for _, g := range groups {
			s.n[g]++
		}
	}
}

func (s *exactSum) merge(st []columnar.Vector, groups []uint32) {
	if !s.avg { // null: no value seen; its group is the bin
		s.update(st, groups)
		return
	}
	if st[0].Width == 16 {
		addWide(s.sum, columnar.Values[columnar.Int128](&st[0]), groups)
	} else {
		for i, x := range columnar.Values[int64](&st[0]) {
			p := &s.sum[groups[i]]
			lo, c := bits.Add64(p.Lo, uint64(x), 0)
			p.Lo = lo
			p.Hi += x>>63 + int64(c)
		}
	}
	for i, x := range columnar.Values[int64](&st[1]) {
		s.n[groups[i]] += x
	}
}

func (s *exactSum) overflow(t columnar.Type) error {
	if t.Kind == columnar.Decimal {
		return diag.NewAt(s.call.Place, diag.NumericOutOfRange, "a sum does not fit %s", t).
			WithRemedy("cast the argument to a decimal of smaller scale, or to double")
	}
	return diag.NewAt(s.call.Place, diag.Overflow, "a sum of integers does not fit %s", t).
		WithRemedy("cast the argument to decimal(38, 0) or double")
}

// sums returns the sums as a vector of a type, null where no value was seen.
func (s *exactSum) sums(t columnar.Type, from, n int) (columnar.Vector, error) {
	v := columnar.Vector{Type: t, Len: n, Stable: true}
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	if t.Kind != columnar.Decimal {
		xs := make([]int64, n)
		for i := range xs {
			x := s.sum[from+i]
			if x.Hi != int64(x.Lo)>>63 {
				return v, s.overflow(t)
			}
			xs[i] = int64(x.Lo)
		}
		v.Width, v.Data = 8, columnar.BytesOf(xs)
		return v, nil
	}
	xs := append([]columnar.Int128{}, s.sum[from:from+n]...)
	limit := pow10(int(t.Precision))
	for _, x := range xs {
		if !within(x, limit) {
			return v, s.overflow(t)
		}
	}
	v.Width, v.Data = decimals(xs)
	return v, nil
}

func (s *exactSum) states(from, n int) ([]columnar.Vector, error) {
	if !s.avg {
		v, err := s.sums(s.call.Result, from, n)
		return []columnar.Vector{v}, err
	}
	v, err := s.sums(columnar.DecimalType(columnar.MaxPrecision, int(s.call.ArgTypes[0].Scale)), from, n)
	v.Valid = nil // the count tells
	return []columnar.Vector{v, fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...))}, err
}

func (s *exactSum) result(from, n int) (columnar.Vector, error) {
	if !s.avg {
		return s.sums(s.call.Result, from, n)
	}
	t := s.call.Result
	v := columnar.Vector{Type: t, Len: n, Stable: true}
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	xs := make([]columnar.Int128, n)
	up := pow10(int(t.Scale) - int(s.call.ArgTypes[0].Scale))
	limit := pow10(int(t.Precision))
	for i := range xs {
		if c := s.n[from+i]; c > 0 {
			x, ok := mulDivHalfUp(s.sum[from+i], up, uint64(c))
			if !ok || !within(x, limit) {
				return v, s.overflow(t)
			}
			xs[i] = x
		}
	}
	v.Width, v.Data = decimals(xs)
	return v, nil
}

func (s *exactSum) reset() {
	clear(s.sum)
	clear(s.n)
	s.sum, s.n = s.sum[:0], s.n[:0]
}
func (s *exactSum) bytes() int64 { return int64(16*cap(s.sum) + 8*cap(s.n)) }

// ---- sums and averages as double ----

type floatSum struct {
	avg bool
	sum []float64
	n   []int64
}

func (s *floatSum) grow(n int) { s.sum, s.n = extend(s.sum, n), extend(s.n, n) }

func addFloat[T int8 | int16 | int32 | int64 | float32 | float64](sum []float64, n []int64, vs []T, groups []uint32) {
	for i, g := range groups {
		sum[g] += float64(vs[i])
		n[g]++
	}
}

func (s *floatSum) update(args []columnar.Vector, groups []uint32) {
	v := &args[0]
	switch {
	case v.Type.Kind == columnar.Float64:
		addFloat(s.sum, s.n, columnar.Values[float64](v), groups)
	case v.Type.Kind == columnar.Float32:
		addFloat(s.sum, s.n, columnar.Values[float32](v), groups)
	case v.Width == 1:
		addFloat(s.sum, s.n, columnar.Values[int8](v), groups)
	case v.Width == 2:
		addFloat(s.sum, s.n, columnar.Values[int16](v), groups)
	case v.Width == 4:
		addFloat(s.sum, s.n, columnar.Values[int32](v), groups)
	default:
		addFloat(s.sum, s.n, columnar.Values[int64](v), groups)
	}
}

func (s *floatSum) merge(st []columnar.Vector, groups []uint32) {
	for i, x := range columnar.Values[float64](&st[0]) {
		s.sum[groups[i]] += x
	}
	if s.avg {
		for i, x := range columnar.Values[int64](&st[1]) {
			s.n[groups[i]] += x
		}
		return
	}
	for _, g := range groups {
		s.n[g]++
	}
}

func (s *floatSum) states(from, n int) ([]columnar.Vector, error) {
	sum := fixed(columnar.Float64Type, append([]float64{}, s.sum[from:from+n]...))
	if s.avg {
		return []columnar.Vector{sum, fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...))}, nil
	}
	sum.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	return []columnar.Vector{sum}, nil
}

func (s *floatSum) result(from, n int) (columnar.Vector, error) {
	xs := append([]float64{}, s.sum[from:from+n]...)
	if s.avg {
		for i := range xs {
			xs[i] /= float64(s.n[from+i])
		}
	}
	v := fixed(columnar.Float64Type, xs)
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	return v, nil
}

func (s *floatSum) reset() {
	clear(s.sum)
	clear(s.n)
	s.sum, s.n = s.sum[:0], s.n[:0]
}
func (s *floatSum) bytes() int64 { return int64(8*cap(s.sum) + 8*cap(s.n)) }

// ---- bool_and, bool_or ----

type boolState struct {
	or bool
	v  []uint8 // 0 none, 1 false, 2 true
}

func (s *boolState) grow(n int) { s.v = extend(s.v, n) }
func (s *boolState) update(args []columnar.Vector, groups []uint32) {
	b := args[0].Bits()
	for i, g := range groups {
		x := 1 + b[i>>3]>>(i&7)&1
		old := s.v[g]
		if old == 0 || s.or == (x > old) && x != old {
			s.v[g] = x
		}
	}
}
func (s *boolState) merge(st []columnar.Vector, groups []uint32) { s.update(st, groups) }
func (s *boolState) result(from, n int) (columnar.Vector, error) {
	b := columnar.NewBitmap(n)
	for i := range n {
		b.SetTo(i, s.v[from+i] == 2)
	}
	return columnar.Vector{Type: columnar.BoolType, Len: n, Data: b, Stable: true,
		Valid: valid(n, func(i int) bool { return s.v[from+i] != 0 })}, nil
}
func (s *boolState) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}
func (s *boolState) reset()       { clear(s.v); s.v = s.v[:0] }
func (s *boolState) bytes() int64 { return int64(cap(s.v)) }

// ---- variance and standard deviation, by Chan et al.'s update ----

type moments struct {
	fn          string
	n, mean, m2 []float64
}

func (s *moments) grow(n int) {
	s.n, s.mean, s.m2 = extend(s.n, n), extend(s.mean, n), extend(s.m2, n)
}
func (s *moments) update(args []columnar.Vector, groups []uint32) {
	for i, g := range groups {
		x := args[0].Float64At(i)
		s.n[g]++
		d := x - s.mean[g]
		s.mean[g] += d / s.n[g]
		s.m2[g] += d * (x - s.mean[g])
	}
}
func (s *moments) merge(st []columnar.Vector, groups []uint32) {
	n, mean, m2 := columnar.Values[float64](&st[0]), columnar.Values[float64](&st[1]), columnar.Values[float64](&st[2])
	for i, g := range groups {
		if n[i] == 0 {
			continue
		}
		total := s.n[g] + n[i]
		d := mean[i] - s.mean[g]
		s.m2[g] += m2[i] + d*d*s.n[g]*n[i]/total
		s.mean[g] += d * n[i] / total
		s.n[g] = total
	}
}
func (s *moments) states(from, n int) ([]columnar.Vector, error) {
	out := make([]columnar.Vector, 3)
	for i, xs := range [][]float64{s.n, s.mean, s.m2} {
		out[i] = fixed(columnar.Float64Type, append([]float64{}, xs[from:from+n]...))
	}
	return out, nil
}
func (s *moments) result(from, n int) (columnar.Vector, error) {
	xs := make([]float64, n)
	least := 1.0
	if s.fn == "stddev_samp" || s.fn == "var_samp" {
		least = 2
	}
	for i := range xs {
		c := s.n[from+i]
		if c < least {
			continue
		}
		x := s.m2[from+i] / (c - least + 1)
		if s.fn == "stddev_samp" || s.fn == "stddev_pop" {
			x = math.Sqrt(x)
		}
		xs[i] = x
	}
	v := fixed(columnar.Float64Type, xs)
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] >= least })
	return v, nil
}
func (s *moments) reset() {
	for _, p := range []*[]float64{&s.n, &s.mean, &s.m2} {
		clear(*p)
		*p = (*p)[:0]
	}
}
func (s *moments) bytes() int64 { return int64(24 * cap(s.n)) }
