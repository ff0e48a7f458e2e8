package window

import (
	"context"

	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/plan/expr"
)

// limit finds one end of the frames of a spool's rows, which only moves on. Where
// keys decide it, or somebody watches the rows that it passes, it has a place that
// moves along.
type limit struct {
	bound expr.Expr // nil: the partition's
	rows  bool
	start bool
	away  int64  // ROWS: how many rows away
	key   int    // RANGE with a distance: the column
	nulls bool   // they come last in it
	ruler *ruler // RANGE with a distance
	at    *place
	pass  func() // called at each row that it passes
}

// far bounds distances, which would wrap around.
const far = 1 << 62

// limit returns an end of a frame; watched says that pass will be set, which the
// start of a partition has no use for.
func (s *spool) limit(ctx context.Context, f *expr.Frame, start, watched bool) (l *limit, err error) {
	l = &limit{bound: f.End, rows: f.Rows, start: start}
	follow := f.EndFollow
	if start {
		l.bound, follow = f.Start, f.StartFollow
	}
	keyed := false
	switch {
	case l.bound == nil:
		watched = watched && !start
	case l.rows:
		l.away = max(min(distance(l.bound, follow), far), -far)
		if !start {
			l.away++
		}
	case !zero(l.bound):
		o := s.node.Order[0]
		l.key, l.nulls = column(o.Expr), o.NullsLast
		l.ruler = newRuler(o, o.Expr.Type(), l.bound.(*expr.Literal), follow)
		keyed = true
	default:
		keyed = !start
	}
	if keyed || watched {
		l.at, err = s.place(ctx, keyed)
	}
	return l, err
}

// find returns where the frame of row i of a stretch begins or ends.
func (l *limit) find(ctx context.Context, x *stretch, i int) (int64, error) {
	at := x.first + int64(i)
	measured := l.ruler != nil && !x.b.Cols[l.key].NullAt(i) // rows with a null key keep those of their equals
	switch {
	case l.bound == nil && l.start:
		return 0, nil
	case l.bound == nil:
		return x.all, l.reach(ctx, x.all)
	case l.rows:
		to := max(min(at+l.away, x.all), 0)
		return to, l.reach(ctx, to)
	case measured:
		for l.at.b != nil && l.before(x, i) {
			if err := l.step(ctx); err != nil {
				return 0, err
			}
		}
		return l.at.number(), nil
	case l.start:
		return x.peers[i], l.reach(ctx, x.peers[i])
	}
	for l.at.b != nil && (l.at.number() <= at || row.Compare(l.at.keys, l.at.at, x.keys, i) == 0) {
		if err := l.step(ctx); err != nil {
			return 0, err
		}
	}
	return l.at.number(), nil
}

// before reports whether the frame of row i begins, or ends, behind the row at the
// place.
func (l *limit) before(x *stretch, i int) bool {
	v := &l.at.b.Cols[l.key]
	if v.NullAt(l.at.at) {
		return !l.nulls
	}
	return l.ruler.before(v, l.at.at, &x.b.Cols[l.key], i, l.start)
}

func (l *limit) step(ctx context.Context) error {
	if l.pass != nil {
		l.pass()
	}
	return l.at.step(ctx)
}

// reach moves the place, if there is one, to a row.
func (l *limit) reach(ctx context.Context, to int64) error {
	for l.at != nil && l.at.number() < to {
		if err := l.step(ctx); err != nil {
			return err
		}
	}
	return nil
}
