package agg

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
)

// moments are variances and standard deviations, by the update of Chan, Golub and
// LeVeque (Updating Formulae and a Pairwise Algorithm, 1979).
type moments struct {
	fn          string
	n, mean, m2 []float64
}

func (s *moments) grow(n int) {
	s.n, s.mean, s.m2 = extend(s.n, n), extend(s.mean, n), extend(s.m2, n)
}
func (s *moments) track(int) {}
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
func (s *moments) reset()       { s.n, s.mean, s.m2 = wiped(s.n), wiped(s.mean), wiped(s.m2) }
func (s *moments) bytes() int64 { return int64(24 * cap(s.n)) }
