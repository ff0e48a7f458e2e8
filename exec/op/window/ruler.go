package window

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// ruler measures distances between the keys of a RANGE frame, which ascend along a
// partition once those in descending order are negated.
type ruler struct {
	float, desc, follow bool
	f                   float64 // the distance
	n                   int64
}

func newRuler(o expr.SortOrder, t columnar.Type, bound *expr.Literal, follow bool) *ruler {
	u := &ruler{float: t.IsFloat(), desc: o.Desc, follow: follow}
	switch d := bound.Value.(type) {
	case float64:
		u.f, u.n = d, int64(d)
	case int64:
		u.f, u.n = float64(d), d
	}
	return u
}

func (u *ruler) floatAt(v *columnar.Vector, i int) float64 {
	x := v.Float64At(i)
	if math.IsNaN(x) { // greater than everything, and equal to itself
		x = math.Inf(1)
	}
	if u.desc {
		return -x
	}
	return x
}

func (u *ruler) intAt(v *columnar.Vector, i int) int64 {
	x := v.Int64At(i)
	if u.desc {
		return -max(x, -math.MaxInt64)
	}
	return x
}

// farFloat returns the key that lies the distance away.
func (u *ruler) farFloat(x float64) float64 {
	if u.follow {
		return x + u.f
	}
	return x - u.f
}

// farInt is farFloat for integers, which stop at the ends of their range.
func (u *ruler) farInt(x int64) int64 {
	switch {
	case u.follow && x > math.MaxInt64-u.n:
		return math.MaxInt64
	case u.follow:
		return x + u.n
	case x < math.MinInt64+u.n:
		return math.MinInt64
	}
	return x - u.n
}

// before reports whether row i of v lies before the start (or else not behind the
// end) of the frame of row j of w.
func (u *ruler) before(v *columnar.Vector, i int, w *columnar.Vector, j int, start bool) bool {
	if u.float {
		key, want := u.floatAt(v, i), u.farFloat(u.floatAt(w, j))
		return key < want || !start && key == want
	}
	key, want := u.intAt(v, i), u.farInt(u.intAt(w, j))
	return key < want || !start && key == want
}
