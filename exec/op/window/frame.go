package window

import (
	"math"

	"github.com/millrace-engine/millrace/plan/expr"
)

// frame is the rows that a function sees, for each row: from lo up to hi, both
// within its partition, hi never less than lo. hi grows along a partition, and lo.
type frame struct {
	text   string
	lo, hi []int32
	whole  bool // lo is always the partition's start
	width  int  // of ROWS between distances, else 0
}

// frameOf returns the frames of all rows; calls with equal ones share them.
func (r *run) frameOf(f *expr.Frame) *frame {
	text := f.String()
	for _, x := range r.frames {
		if x.text == text {
			return x
		}
	}
	x := &frame{text: text, lo: make([]int32, r.n), hi: make([]int32, r.n), whole: f.Start == nil}
	r.edge(f, f.Start, f.StartFollow, true, x.lo)
	r.edge(f, f.End, f.EndFollow, false, x.hi)
	for i := range x.hi {
		x.hi[i] = max(x.hi[i], x.lo[i])
	}
	if f.Rows && f.Start != nil && f.End != nil {
		a, b := distance(f.Start, f.StartFollow), distance(f.End, f.EndFollow)
		if w := float64(b) - float64(a) + 1; w < 1<<20 {
			x.width = int(w)
		}
	}
	r.frames = append(r.frames, x)
	return x
}

// distance is how many rows away a bound is, negative before the row.
func distance(e expr.Expr, follow bool) int64 {
	n, _ := e.(*expr.Literal).Value.(int64)
	if !follow {
		return -n
	}
	return n
}

func zero(e expr.Expr) bool {
	v := e.(*expr.Literal).Value
	return v == int64(0) || v == float64(0)
}

// edge computes one end of the frames.
func (r *run) edge(f *expr.Frame, bound expr.Expr, follow, start bool, out []int32) {
	peer := 0
	for p := 0; p+1 < len(r.starts); p++ {
		from, to := r.starts[p], r.starts[p+1]
		switch {
		case bound == nil:
			at := to
			if start {
				at = from
			}
			for i := from; i < to; i++ {
				out[i] = at
			}
		case f.Rows:
			d := distance(bound, follow)
			if !start {
				d++
			}
			for i := from; i < to; i++ {
				// Far bounds would wrap around.
				at := max(min(int64(i)+max(min(d, math.MaxInt32), -math.MaxInt32), int64(to)), int64(from))
				out[i] = int32(at)
			}
		default:
			for ; peer+1 < len(r.peers) && r.peers[peer] < to; peer++ {
				at := r.peers[peer+1]
				if start {
					at = r.peers[peer]
				}
				for i := r.peers[peer]; i < r.peers[peer+1]; i++ {
					out[i] = at
				}
			}
			if !zero(bound) {
				r.reach(bound.(*expr.Literal), follow, start, from, to, out)
			}
		}
	}
}

// reach moves the ends of RANGE frames with a distance. Rows with a null key keep
// those of their equals.
func (r *run) reach(bound *expr.Literal, follow, start bool, from, to int32, out []int32) {
	o := r.node.Order[0]
	v := r.argument(o.Expr)
	for from < to && v.NullAt(int(from)) {
		from++
	}
	for from < to && v.NullAt(int(to-1)) {
		to--
	}
	u := newRuler(o, v.Type, bound, follow)
	if u.float {
		sweep(from, to, start, out, func(i int32) float64 { return u.floatAt(v, int(i)) }, u.farFloat)
	} else {
		sweep(from, to, start, out, func(i int32) int64 { return u.intAt(v, int(i)) }, u.farInt)
	}
}

// sweep finds for each row the first row whose key is not less (start), or is
// greater, than the row's moved key. Keys ascend, so it only ever goes on.
func sweep[K int64 | float64](from, to int32, start bool, out []int32, key func(int32) K, moved func(K) K) {
	at := from
	for i := from; i < to; i++ {
		want := moved(key(i))
		for at < to && (key(at) < want || !start && key(at) == want) {
			at++
		}
		out[i] = at
	}
}
