package window

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// blockRows bounds the rows of a block; blockBytes is about what one takes.
const (
	blockRows  = 2048
	blockBytes = 400
)

// partial is a partial result over rows of a spool.
type partial struct {
	cell
	best  *columnar.Vector // that the extreme lies in, at at
	at    int
	order *row.Keys // of best
	own   bool      // best is a copy
}

// block is the partial result of some neighbouring rows, of one chunk. In front it
// is that of these rows and of all blocks behind.
type block struct {
	from, to int64
	partial
}

// slide computes an aggregate over frames that only move on, as a queue of two
// stacks (Tangwongsan, Hirzel, Schneider: Low-Latency Sliding-Window Aggregation
// in Worst-Case Constant Time, 2017, section 2) whose elements are blocks of rows:
//
//	         lo                                        hi
//	┌────────┬──────────┬─────────┐┌─────────┬─────────┐
//	│  inner │ front[1] │   …     ││ back[0] │ back[1] │
//	└────────┴──────────┴─────────┘└─────────┴─────────┘
//	 front[0], row by  suffixes          their total
//	 row from disk
//
// Rows come in at hi. When front is used up, back becomes front. So a frame is at
// most three partial results, each row is read twice and no partial result is ever
// taken back, which sums of doubles and extremes could not.
type slide struct {
	call    *physical.WindowCall
	spool   *spool
	lo, hi  *limit
	moves   bool       // the start does
	in      *aggregate // bound to the rows at hi
	total   partial    // of back; of all rows before hi if the start does not move
	back    []block
	settled int  // blocks of back that do not refer to the rows at hi
	full    bool // the next row begins a block
	front   []block
	reread  *place     // of inner
	out     *aggregate // bound to the rows at reread
	inner   []partial  // from each row of front[0] to its end; empty: not read
	picked  *picked    // extremes
	held    int64
}

func (s *spool) newSlide(ctx context.Context, c *physical.WindowCall) (f *slide, err error) {
	f = &slide{call: c, spool: s, moves: c.Frame.Start != nil, in: newAggregate(c), out: newAggregate(c), picked: newPicked(c.Result)}
	if f.lo, err = s.limit(ctx, c.Frame, true, false); err != nil {
		return nil, err
	}
	if f.hi, err = s.limit(ctx, c.Frame, false, true); err != nil {
		return nil, err
	}
	at := f.hi.at
	at.enter = func() { f.in.bind(at.b.Cols, at.b.Rows) }
	at.leave = f.settle
	f.hi.pass = f.push
	if f.moves {
		if f.reread, err = s.place(ctx, false); err != nil {
			return nil, err
		}
		f.reread.enter = func() { f.out.bind(f.reread.b.Cols, f.reread.b.Rows) }
		f.reread.leave = f.picked.flush
	}
	return f, nil
}

// push takes the row at hi.
func (f *slide) push() {
	at := f.hi.at
	f.in.take(&f.total, at.at)
	if !f.moves {
		return
	}
	if len(f.back) == 0 || f.full {
		f.back = append(f.back, block{from: at.number()})
	}
	b := &f.back[len(f.back)-1]
	f.in.take(&b.partial, at.at)
	b.to = at.number() + 1
	f.full = b.to-b.from == blockRows
}

// settle makes the partial results independent of the rows at hi.
func (f *slide) settle() error {
	f.full = true
	f.total.settle()
	for ; f.settled < len(f.back); f.settled++ {
		f.back[f.settled].settle()
	}
	return f.picked.flush()
}

// settle copies the extreme of a partial result.
func (p *partial) settle() {
	if p.best == nil || p.own {
		return
	}
	one := copyRow([]columnar.Vector{*p.best}, p.at)
	p.best, p.at, p.own = &one[0], 0, true
	p.order = row.Encode([]row.Key{{}}, one, 1)
}

// take adds row i of those that the aggregate is bound to.
func (a *aggregate) take(p *partial, i int) {
	if a.kind != extremes {
		a.add(&p.cell, i)
		return
	}
	if a.skip != nil && a.skip[i] {
		return
	}
	if p.n++; p.n == 1 || row.Compare(a.order, i, p.order, p.at) == a.less {
		p.best, p.at, p.order, p.own = a.arg, i, a.order, false
	}
}

// join adds what o holds, of rows behind those of p.
func (a *aggregate) join(p, o *partial) {
	switch {
	case o.n == 0:
	case p.n == 0:
		*p = *o
	case a.kind != extremes:
		a.merge(&p.cell, &o.cell)
	default:
		n := p.n + o.n
		if row.Compare(o.order, o.at, p.order, p.at) == a.less {
			*p = *o
		}
		p.n = n
	}
}

// frame returns what the rows from lo on hold, which must be pushed up to the
// frame's end.
func (f *slide) frame(ctx context.Context, lo int64) (p partial, err error) {
	for {
		for len(f.front) > 0 && f.front[0].to <= lo {
			f.front, f.inner = f.front[1:], f.inner[:0]
		}
		if len(f.front) > 0 || len(f.back) == 0 || f.back[0].from >= lo {
			break
		}
		if err := f.turn(ctx); err != nil {
			return p, err
		}
	}
	switch {
	case len(f.front) == 0:
	case f.front[0].from == lo:
		p = f.front[0].partial
	default:
		if len(f.inner) == 0 {
			if err := f.open(ctx); err != nil {
				return p, err
			}
		}
		p = f.inner[lo-f.front[0].from]
		if len(f.front) > 1 {
			f.in.join(&p, &f.front[1].partial)
		}
	}
	f.in.join(&p, &f.total)
	return p, nil
}

// turn makes back front.
func (f *slide) turn(ctx context.Context) error {
	if err := f.settle(); err != nil {
		return err
	}
	if n := int64(2 * len(f.back) * blockBytes); n > f.held {
		if err := op.Reserve(ctx, f.spool.memory, n-f.held, "the frame of a window function"); err != nil {
			return err
		}
		f.held = n
	}
	f.front, f.back, f.settled, f.total = append([]block(nil), f.back...), f.back[:0], 0, partial{}
	for i := len(f.front) - 2; i >= 0; i-- {
		f.in.join(&f.front[i].partial, &f.front[i+1].partial)
	}
	return nil
}

// open reads the rows of the first block of front.
func (f *slide) open(ctx context.Context) error {
	b := &f.front[0]
	if err := f.reread.reach(ctx, b.from); err != nil {
		return err
	}
	n := int(b.to - b.from)
	if cap(f.inner) < n {
		f.inner = make([]partial, 0, blockRows)
	}
	f.inner = f.inner[:n]
	for i := n - 1; i >= 0; i-- {
		p := partial{}
		f.out.take(&p, f.reread.at+i)
		if i+1 < n {
			f.out.join(&p, &f.inner[i+1])
		}
		f.inner[i] = p
	}
	return nil
}

func (f *slide) next(ctx context.Context, x *stretch) (columnar.Vector, error) {
	out := newOutput(f.in, x.b.Rows)
	for i := range x.b.Rows {
		lo, err := f.lo.find(ctx, x, i)
		if err != nil {
			return columnar.Vector{}, err
		}
		hi, err := f.hi.find(ctx, x, i)
		if err != nil {
			return columnar.Vector{}, err
		}
		p := f.total
		switch {
		case hi <= lo:
			p = partial{}
		case f.moves:
			if p, err = f.frame(ctx, lo); err != nil {
				return columnar.Vector{}, err
			}
		}
		switch {
		case f.in.kind != extremes:
			err = out.put(i, &p.cell)
		case p.n == 0:
			err = f.picked.null()
		default:
			err = f.picked.put(p.best, p.at)
		}
		if err != nil {
			return columnar.Vector{}, err
		}
	}
	if f.in.kind == extremes {
		return f.picked.take()
	}
	return out.vector(), nil
}
