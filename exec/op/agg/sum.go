package agg

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// exactSum is the sum or average of integers and decimals. Sums are 64 bits wide
// while the values seen so far cannot exceed that whatever their groups, 128
// from then on.
type exactSum struct {
	call   physical.AggCall
	avg    bool
	narrow []int64
	wide   []columnar.Int128 // once in use, narrow is empty
	bound  uint64            // no narrow sum is larger
	n      []int64           // avg only
	seen   seen              // sum only
	groups int
}

const mostBound = 1 << 62

func (s *exactSum) grow(n int) {
	s.groups = n
	if s.wide != nil {
		s.wide = extend(s.wide, n)
	} else {
		s.narrow = extend(s.narrow, n)
	}
	if s.avg {
		s.n = extend(s.n, n)
	}
	s.seen.grow(n)
}

func (s *exactSum) track(fresh int) { s.seen.track(fresh, s.groups) }

// widen goes over to 128 bits.
func (s *exactSum) widen() {
	if s.wide != nil {
		return
	}
	s.wide = make([]columnar.Int128, len(s.narrow), max(cap(s.narrow), 1))
	for i, x := range s.narrow {
		s.wide[i] = columnar.Int128Of(x)
	}
	s.narrow = nil
}

// fits reports whether rows values up to most may be added to narrow sums.
func (s *exactSum) fits(rows int, most uint64) bool {
	if s.wide != nil {
		return false
	}
	hi, add := bits.Mul64(uint64(rows), most)
	if hi == 0 && add < mostBound && s.bound < mostBound-add {
		s.bound += add
		return true
	}
	s.widen()
	return false
}

// largest returns the largest absolute value, about.
func largest(vs []int64) uint64 {
	least, most := int64(0), int64(0)
	for _, x := range vs {
		least, most = min(least, x), max(most, x)
	}
	return max(uint64(most), uint64(-(least+1))+1)
}

func addNarrow[T int8 | int16 | int32 | int64](sum []int64, vs []T, groups []uint32) {
	vs = vs[:len(groups)]
	for i, g := range groups {
		sum[g] += int64(vs[i])
	}
}

func add64[T int8 | int16 | int32 | int64](sum []columnar.Int128, vs []T, groups []uint32) {
	vs = vs[:len(groups)]
	for i, g := range groups {
		x := int64(vs[i])
		p := &sum[g]
		lo, c := bits.Add64(p.Lo, uint64(x), 0)
		p.Lo = lo
		p.Hi += x>>63 + int64(c)
	}
}

func add128(sum []columnar.Int128, vs []columnar.Int128, groups []uint32) {
	vs = vs[:len(groups)]
	for i, g := range groups {
		p := &sum[g]
		lo, c := bits.Add64(p.Lo, vs[i].Lo, 0)
		p.Lo = lo
		p.Hi += vs[i].Hi + int64(c)
	}
}

func addInts[T int8 | int16 | int32 | int64](s *exactSum, vs []T, groups []uint32, most uint64) {
	if s.fits(len(groups), most) {
		addNarrow(s.narrow, vs, groups)
	} else {
		add64(s.wide, vs, groups)
	}
}

// add adds a column of numbers.
func (s *exactSum) add(v *columnar.Vector, groups []uint32) {
	switch v.Width {
	case 1:
		addInts(s, columnar.Values[int8](v), groups, 1<<7)
	case 2:
		addInts(s, columnar.Values[int16](v), groups, 1<<15)
	case 4:
		addInts(s, columnar.Values[int32](v), groups, 1<<31)
	case 8:
		vs, most := columnar.Values[int64](v), uint64(0)
		if s.wide == nil {
			most = largest(vs)
		}
		addInts(s, vs, groups, most)
	case 16:
		s.widen()
		add128(s.wide, columnar.Values[columnar.Int128](v), groups)
	}
}

func (s *exactSum) update(args []columnar.Vector, groups []uint32) {
	s.add(&args[0], groups)
	if s.avg {
		countRows(s.n, groups)
	} else {
		s.seen.mark(groups)
	}
}

// merge adds states: a sum, null where no value was seen (its row is in the
// bin), or the sum and count of an average.
func (s *exactSum) merge(st []columnar.Vector, groups []uint32) {
	s.add(&st[0], groups)
	if s.avg {
		addNarrow(s.n, columnar.Values[int64](&st[1]), groups)
	} else {
		s.seen.mark(groups)
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

// at returns a group's sum.
func (s *exactSum) at(g int) columnar.Int128 {
	if s.wide != nil {
		return s.wide[g]
	}
	return columnar.Int128Of(s.narrow[g])
}

// sums returns the sums as a vector of a type.
func (s *exactSum) sums(t columnar.Type, from, n int) (columnar.Vector, error) {
	v := columnar.Vector{Type: t, Len: n, Stable: true}
	if t.Kind != columnar.Decimal {
		xs := make([]int64, n)
		if s.wide == nil {
			copy(xs, s.narrow[from:])
		} else {
			for i := range xs {
				x := s.wide[from+i]
				if !x.FitsInt64() {
					return v, s.overflow(t)
				}
				xs[i] = int64(x.Lo)
			}
		}
		v.Width, v.Data = 8, columnar.BytesOf(xs)
		return v, nil
	}
	if s.wide == nil && t.Precision > 18 { // within 2^62
		v.Width, v.Data = 8, columnar.BytesOf(append([]int64{}, s.narrow[from:from+n]...))
		return v, nil
	}
	xs := make([]columnar.Int128, n)
	limit := pow10(int(t.Precision))
	for i := range xs {
		if xs[i] = s.at(from + i); !within(xs[i], limit) {
			return v, s.overflow(t)
		}
	}
	v.Width, v.Data = decimals(xs)
	return v, nil
}

func (s *exactSum) states(from, n int) ([]columnar.Vector, error) {
	if !s.avg {
		v, err := s.result(from, n)
		return []columnar.Vector{v}, err
	}
	v, err := s.sums(columnar.DecimalType(columnar.MaxPrecision, int(s.call.ArgTypes[0].Scale)), from, n)
	return []columnar.Vector{v, fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...))}, err
}

func (s *exactSum) result(from, n int) (columnar.Vector, error) {
	if !s.avg {
		v, err := s.sums(s.call.Result, from, n)
		v.Valid = s.seen.valid(from, n)
		return v, err
	}
	t := s.call.Result
	v := columnar.Vector{Type: t, Len: n, Stable: true}
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	xs := make([]columnar.Int128, n)
	up := pow10(int(t.Scale) - int(s.call.ArgTypes[0].Scale))
	limit := pow10(int(t.Precision))
	for i := range xs {
		if c := s.n[from+i]; c > 0 {
			x, ok := mulDivHalfUp(s.at(from+i), up, uint64(c))
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
	s.narrow, s.wide, s.bound = wiped(s.narrow), nil, 0
	s.n = wiped(s.n)
	s.seen.reset()
}

func (s *exactSum) bytes() int64 {
	return int64(16*cap(s.wide)+8*cap(s.narrow)+8*cap(s.n)) + s.seen.bytes()
}

// floatSum is the sum or average as double.
type floatSum struct {
	avg    bool
	sum    []float64
	n      []int64 // avg only
	seen   seen    // sum only
	groups int
}

func (s *floatSum) grow(n int) {
	s.groups = n
	s.sum = extend(s.sum, n)
	if s.avg {
		s.n = extend(s.n, n)
	}
	s.seen.grow(n)
}

func (s *floatSum) track(fresh int) { s.seen.track(fresh, s.groups) }

func addFloat[T int8 | int16 | int32 | int64 | float32 | float64](sum []float64, vs []T, groups []uint32) {
	vs = vs[:len(groups)]
	for i, g := range groups {
		sum[g] += float64(vs[i])
	}
}

func (s *floatSum) update(args []columnar.Vector, groups []uint32) {
	v := &args[0]
	switch {
	case v.Type.Kind == columnar.Float64:
		addFloat(s.sum, columnar.Values[float64](v), groups)
	case v.Type.Kind == columnar.Float32:
		addFloat(s.sum, columnar.Values[float32](v), groups)
	case v.Width == 1:
		addFloat(s.sum, columnar.Values[int8](v), groups)
	case v.Width == 2:
		addFloat(s.sum, columnar.Values[int16](v), groups)
	case v.Width == 4:
		addFloat(s.sum, columnar.Values[int32](v), groups)
	default:
		addFloat(s.sum, columnar.Values[int64](v), groups)
	}
	if s.avg {
		countRows(s.n, groups)
	} else {
		s.seen.mark(groups)
	}
}

func (s *floatSum) merge(st []columnar.Vector, groups []uint32) {
	addFloat(s.sum, columnar.Values[float64](&st[0]), groups)
	if s.avg {
		addNarrow(s.n, columnar.Values[int64](&st[1]), groups)
	} else {
		s.seen.mark(groups)
	}
}

func (s *floatSum) states(from, n int) ([]columnar.Vector, error) {
	sum := fixed(columnar.Float64Type, append([]float64{}, s.sum[from:from+n]...))
	if s.avg {
		return []columnar.Vector{sum, fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...))}, nil
	}
	sum.Valid = s.seen.valid(from, n)
	return []columnar.Vector{sum}, nil
}

func (s *floatSum) result(from, n int) (columnar.Vector, error) {
	xs := append([]float64{}, s.sum[from:from+n]...)
	v := fixed(columnar.Float64Type, xs)
	if !s.avg {
		v.Valid = s.seen.valid(from, n)
		return v, nil
	}
	for i := range xs {
		xs[i] /= float64(s.n[from+i])
	}
	v.Valid = valid(n, func(i int) bool { return s.n[from+i] > 0 })
	return v, nil
}

func (s *floatSum) reset() {
	s.sum, s.n = wiped(s.sum), wiped(s.n)
	s.seen.reset()
}

func (s *floatSum) bytes() int64 { return int64(8*cap(s.sum)+8*cap(s.n)) + s.seen.bytes() }
