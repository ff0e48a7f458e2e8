package harness

import (
	"math"
	"slices"
)

// Median returns the middle of the values, or the mean of the two middle ones;
// 0 of none.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// MAD returns the median of the distances from the median: a measure of spread
// that a few disturbed runs do not move.
func MAD(values []float64) float64 {
	m := Median(values)
	d := make([]float64, len(values))
	for i, v := range values {
		d[i] = math.Abs(v - m)
	}
	return Median(d)
}

// Geomean returns the geometric mean of positive values; 0 of none.
func Geomean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// Digits keeps four that count; it is 0 of what is no number.
func Digits(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
