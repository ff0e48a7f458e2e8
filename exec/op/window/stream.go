package window

import (
	"context"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

func column(e expr.Expr) int { return e.(*expr.Column).Index }

// ranks numbers rows: their own numbers and those of their first peers are enough.
type ranks struct {
	call  *physical.WindowCall
	tiles int64
	dense int64
}

func newRanks(c *physical.WindowCall) *ranks {
	r := &ranks{call: c}
	if c.Fn == "ntile" {
		r.tiles, _ = number(c.Args, 0, 1)
	}
	return r
}

func (r *ranks) next(_ context.Context, x *stretch) (columnar.Vector, error) {
	if r.call.Fn == "percent_rank" {
		out := make([]float64, x.b.Rows)
		for i, p := range x.peers {
			if x.all > 1 {
				out[i] = float64(p) / float64(x.all-1)
			}
		}
		return doubles(out), nil
	}
	if x.first+int64(x.b.Rows) > math.MaxInt32 {
		return columnar.Vector{}, diag.NewAt(r.call.Place, diag.Overflow, "%s of a partition of %d rows does not fit an integer", r.call.Fn, x.all).
			WithRemedy("partition by more columns")
	}
	out := make([]int32, x.b.Rows)
	for i, p := range x.peers {
		at := x.first + int64(i)
		n := at + 1
		switch r.call.Fn {
		case "ntile":
			n = tile(at, x.all, r.tiles)
		case "rank":
			n = p + 1
		case "dense_rank":
			if p == at {
				r.dense++
			}
			n = r.dense
		}
		out[i] = int32(n)
	}
	return columnar.Vector{Type: columnar.Int32Type, Width: 4, Len: len(out), Data: columnar.BytesOf(out)}, nil
}

func doubles(xs []float64) columnar.Vector {
	return columnar.Vector{Type: columnar.Float64Type, Width: 8, Len: len(xs), Data: columnar.BytesOf(xs)}
}

// shares is cume_dist.
type shares struct{ end *limit }

func (s *spool) newShares(ctx context.Context) (*shares, error) {
	peers := &expr.Literal{Typ: columnar.Int64Type, Value: int64(0)}
	l, err := s.limit(ctx, &expr.Frame{End: peers}, false, false)
	return &shares{l}, err
}

func (s *shares) next(ctx context.Context, x *stretch) (columnar.Vector, error) {
	out := make([]float64, x.b.Rows)
	for i := range out {
		to, err := s.end.find(ctx, x, i)
		if err != nil {
			return columnar.Vector{}, err
		}
		out[i] = float64(to) / float64(x.all)
	}
	return doubles(out), nil
}

// seeker finds the rows of a spool that count for a call, in order.
type seeker struct {
	*place
	skip []bool // of the batch; nil: all rows count
	n    int64  // how many that count lie before the place
}

// seeker opens a seeker; values are what must not be null.
func (s *spool) seeker(ctx context.Context, c *physical.WindowCall, values []expr.Expr, out *picked) (*seeker, error) {
	p, err := s.place(ctx, false)
	if err != nil {
		return nil, err
	}
	k := &seeker{place: p}
	p.enter = func() { k.skip = skipped(c, p.b.Cols, values, p.b.Rows) }
	p.leave = out.flush
	return k, nil
}

// seek moves to the row before which n count, and that counts itself. It reports
// that there is one. n does not become less.
func (k *seeker) seek(ctx context.Context, n int64) (bool, error) {
	for k.b != nil {
		if k.skip == nil || !k.skip[k.at] {
			if k.n == n {
				return true, nil
			}
			k.n++
		}
		if err := k.step(ctx); err != nil {
			return false, err
		}
	}
	return false, nil
}

// neighbours is lag and lead.
type neighbours struct {
	call   *physical.WindowCall
	away   int64
	null   bool // the distance is
	values []expr.Expr
	before int64 // rows that count before the next one
	seeker *seeker
	out    *picked
}

func (s *spool) newNeighbours(ctx context.Context, c *physical.WindowCall) (f *neighbours, err error) {
	f = &neighbours{call: c, out: newPicked(c.Result)}
	f.away, f.null = number(c.Args, 1, 1)
	if c.Fn == "lag" {
		f.away = -f.away
	}
	if c.IgnoreNulls {
		f.values = c.Args[:1]
	}
	f.seeker, err = s.seeker(ctx, c, f.values, f.out)
	return f, err
}

func (f *neighbours) next(ctx context.Context, x *stretch) (columnar.Vector, error) {
	own := argument(x.b.Cols, f.call.Args[0])
	skip := skipped(f.call, x.b.Cols, f.values, x.b.Rows)
	for i := range x.b.Rows {
		at := f.before + f.away
		counts := skip == nil || !skip[i]
		if counts {
			f.before++
		} else if f.away > 0 { // the row itself does not count
			at--
		}
		var err error
		found := false
		switch {
		case f.null:
			if err := f.out.null(); err != nil {
				return columnar.Vector{}, err
			}
			continue
		case f.away == 0:
			if err := f.out.put(own, i); err != nil {
				return columnar.Vector{}, err
			}
			continue
		case at >= 0:
			found, err = f.seeker.seek(ctx, at)
		}
		switch {
		case err != nil:
		case found:
			err = f.out.put(argument(f.seeker.b.Cols, f.call.Args[0]), f.seeker.at)
		case len(f.call.Args) > 2: // the default is the row's own
			err = f.out.put(argument(x.b.Cols, f.call.Args[2]), i)
		default:
			err = f.out.null()
		}
		if err != nil {
			return columnar.Vector{}, err
		}
	}
	return f.out.take()
}

// picks is the value of a row of the frame: the first, the last, the n-th that
// counts.
type picks struct {
	call   *physical.WindowCall
	n      int64
	lo, hi *limit
	seeker *seeker
	out    *picked
	counts bool // all rows do not, so those before the frame's ends are counted
	begin  int64
	end    int64
}

func (s *spool) newPicks(ctx context.Context, c *physical.WindowCall) (f *picks, err error) {
	f = &picks{call: c, out: newPicked(c.Result), counts: c.IgnoreNulls || c.Filter != nil}
	f.n, _ = number(c.Args, 1, 1)
	var values []expr.Expr
	if c.IgnoreNulls {
		values = c.Args[:1]
	}
	if f.seeker, err = s.seeker(ctx, c, values, f.out); err != nil {
		return nil, err
	}
	count := func(start bool, n *int64) (*limit, error) {
		l, err := s.limit(ctx, c.Frame, start, f.counts)
		if err == nil && f.counts && l.at != nil {
			var skip []bool
			l.at.enter = func() { skip = skipped(c, l.at.b.Cols, values, l.at.b.Rows) }
			l.pass = func() {
				if skip == nil || !skip[l.at.at] {
					*n++
				}
			}
		}
		return l, err
	}
	if f.lo, err = count(true, &f.begin); err != nil {
		return nil, err
	}
	f.hi, err = count(false, &f.end)
	return f, err
}

func (f *picks) next(ctx context.Context, x *stretch) (columnar.Vector, error) {
	for i := range x.b.Rows {
		lo, err := f.lo.find(ctx, x, i)
		if err != nil {
			return columnar.Vector{}, err
		}
		hi, err := f.hi.find(ctx, x, i)
		if err != nil {
			return columnar.Vector{}, err
		}
		if f.counts {
			lo, hi = f.begin, f.end
		}
		at := lo + f.n - 1
		if f.call.Fn == "last" {
			at = hi - 1
		}
		found := false
		if at >= lo && at < hi {
			if found, err = f.seeker.seek(ctx, at); err != nil {
				return columnar.Vector{}, err
			}
		}
		if found {
			err = f.out.put(argument(f.seeker.b.Cols, f.call.Args[0]), f.seeker.at)
		} else {
			err = f.out.null()
		}
		if err != nil {
			return columnar.Vector{}, err
		}
	}
	return f.out.take()
}
