package join

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/logical"
)

// enough is the number of candidates after which rows that need no more matches
// are let go.
const enough = 1024

// prober meets probe batches with a table and makes the join's output of them.
// Batches go through three phases: the pairs, then what comes out once per probe
// row, then the next batch. It is one goroutine's.
type prober struct {
	*shape
	table    *table
	whole    totals // of the build side, of which the table may be a part
	aside    *aside // takes rows whose build rows are on disk; nil: none are
	pass     *pass  // not nil where the table is one of several chunks of the build rows
	keys     *eval.Program
	residual *residual

	scratch     *memory.Scratch // of a probe batch
	pairScratch *memory.Scratch // of an output batch

	batch   *columnar.Batch
	vectors []columnar.Vector // its keys
	words   []uint64
	live    []uint16        // its rows that may match
	matched columnar.Bitmap // its rows that did; where that matters
	phase   phase
	row, at []uint32 // chains to follow: probe row, build row + 1
	chains  int
	first   bool // no chain has advanced

	probe, build []uint32 // pairs
	pairSel      []uint16
	sel          []uint16
	out          columnar.Batch
}

type phase uint8

const (
	idle phase = iota // there is no batch
	pairing
	finishing
)

// totals is what is known of the whole build side.
type totals struct {
	rows    int64
	hasNull bool // some row had a null in a key that is not null-safe
}

// pass is one of several passes over the same probe rows, each with another
// chunk of the build rows.
type pass struct {
	seen columnar.Bitmap // probe rows, by their place in the pass, that matched so far
	at   int             // of the batch's first row
	last bool
}

func newProber(s *shape, t *op.TaskContext, r memory.Reservation) (*prober, error) {
	p := &prober{shape: s, scratch: memory.NewScratch(r), pairScratch: memory.NewScratch(r)}
	var err error
	if p.keys, err = eval.Compile(s.probeKeys, t.EvalOptions()); err != nil {
		return nil, err
	}
	if s.node.Residual != nil {
		if p.residual, err = newResidual(s.node.Residual, s.left, t.EvalOptions()); err != nil {
			return nil, err
		}
	}
	pairs := make([]uint32, 4*columnar.MaxRows)
	p.row, p.at = pairs[:columnar.MaxRows], pairs[columnar.MaxRows:2*columnar.MaxRows]
	p.probe, p.build = pairs[2*columnar.MaxRows:3*columnar.MaxRows], pairs[3*columnar.MaxRows:]
	sels := make([]uint16, 3*columnar.MaxRows)
	p.live, p.pairSel, p.sel = sels[:0:columnar.MaxRows], sels[columnar.MaxRows:columnar.MaxRows:2*columnar.MaxRows], sels[2*columnar.MaxRows:2*columnar.MaxRows]
	p.out = columnar.Batch{Schema: s.node.Out, Cols: make([]columnar.Vector, len(s.node.Output))}
	return p, nil
}

func (p *prober) close() {
	p.scratch.Close()
	p.pairScratch.Close()
	p.batch, p.table, p.phase = nil, nil, idle
}

// next returns the next output over the probe batches that read yields, and
// read's error at their end.
func (p *prober) next(ctx context.Context, read func(context.Context) (*columnar.Batch, error)) (*columnar.Batch, error) {
	for {
		for p.phase != idle {
			if b, err := p.step(ctx); b != nil || err != nil {
				return b, err
			}
		}
		if p.pass != nil && p.batch != nil {
			p.pass.at += p.batch.Rows
		}
		b, err := read(ctx)
		if err != nil {
			p.batch = nil
			return nil, err
		}
		if err := p.start(ctx, b); err != nil {
			return nil, err
		}
	}
}

// start takes a probe batch in.
func (p *prober) start(ctx context.Context, b *columnar.Batch) error {
	p.scratch.Reset()
	if b.Sel != nil && len(b.Sel)*4 < b.Rows {
		b = kernel.Compact(b, p.scratch)
	}
	vs, err := p.keys.Eval(b, p.scratch)
	if err != nil {
		return err
	}
	p.vectors, p.live = vs, p.matchable(b, vs, p.live[:0])
	var hashes []uint64
	if p.exact && p.table.dir == nil && p.aside == nil {
		p.words = keyset.Words(&vs[0], p.scratch)
	} else {
		p.words, hashes = p.hash(vs, b.Rows, p.scratch)
	}
	if p.aside != nil {
		if b, p.live, err = p.aside.divert(ctx, b, hashes, p.live, p.scratch); err != nil {
			return err
		}
	}
	p.batch, p.phase, p.first = b, pairing, true
	if b.Selected() == 0 {
		p.phase = idle
		return nil
	}
	p.chains = p.table.seek(p.words, hashes, p.live, p.row, p.at)
	if p.keeps || p.once || p.node.Kind == logical.LeftSingle {
		p.matched = columnar.Bitmap(p.scratch.Bytes(columnar.BitmapBytes(b.Rows)))
		clear(p.matched)
	}
	return nil
}

// step makes the next output of the batch, nil when there was none.
func (p *prober) step(ctx context.Context) (*columnar.Batch, error) {
	p.pairScratch.Reset()
	if p.phase == finishing {
		p.phase = idle
		return p.finish(), nil
	}
	var n int
	var err error
	if p.once {
		err = p.decide(ctx)
	} else {
		n, err = p.collect(ctx)
	}
	if err != nil {
		return nil, err
	}
	single := p.first && p.chains == 0                 // every probe row is in one pair at most
	all := single && p.keeps && p.pass == nil && n > 0 // the others come along
	if p.chains == 0 {
		p.phase = idle
		if p.once || p.keeps && !all {
			p.phase = finishing
		}
	}
	if n == 0 || !p.pairs {
		return nil, nil
	}
	return p.pairsOut(n, single, all), nil
}

// collect follows chains until they end or there is no room for another pair
// of each; it returns the number of pairs that match and notes them.
func (p *prober) collect(ctx context.Context) (n int, err error) {
	for p.chains > 0 && n+p.chains <= columnar.MaxRows {
		// The pairs of one batch may be any number, and none of them may match.
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		from := n
		for p.chains > 0 && n+p.chains <= columnar.MaxRows {
			n += p.round(n)
		}
		if n, err = p.test(from, n); err != nil {
			return 0, err
		}
	}
	if p.marks {
		for _, b := range p.build[:n] {
			p.table.marks.set(b)
		}
		if !p.pairs {
			return 0, nil
		}
	}
	return n, p.note(n)
}

// round writes the next pair of each chain behind the first n pairs.
func (p *prober) round(n int) int {
	row, at := p.row[:p.chains], p.at[:p.chains]
	k := p.table.match(p.words, row, at, p.probe[n:], p.build[n:])
	if p.chains = p.table.advance(row, at); p.chains > 0 {
		p.first = false
	}
	return k
}

// test keeps the pairs from … n−1 whose keys are equal and for which the
// residual is true.
func (p *prober) test(from, n int) (int, error) {
	n = p.equalKeys(p.vectors, p.table, p.probe[:n], p.build[:n], from, p.pairSel)
	if p.marks && !p.pairs { // one match is enough for a build row, too
		k := from
		for i := from; i < n; i++ {
			b := p.build[i]
			p.probe[k], p.build[k] = p.probe[i], b
			if !p.table.marks.get(b) {
				k++
			}
		}
		n = k
	}
	if p.residual == nil || n == from {
		return n, nil
	}
	p.pairScratch.Reset() // nothing has come out of this step yet
	k, err := p.residual.filter(p, p.probe[from:n], p.build[from:n])
	return from + k, err
}

// note sets the matched bits of the first n pairs.
func (p *prober) note(n int) error {
	switch {
	case p.matched == nil:
	case p.node.Kind == logical.LeftSingle:
		for _, r := range p.probe[:n] {
			if p.matched.Get(int(r)) || p.pass != nil && p.pass.seen.Get(p.pass.at+int(r)) {
				return tooManyRows(p.node.Place)
			}
			p.matched.Set(int(r))
		}
	default:
		for _, r := range p.probe[:n] {
			p.matched[r>>3] |= 1 << (r & 7)
		}
	}
	return nil
}

// decide finds out which probe rows match at all: chains of those that do are
// not followed further.
func (p *prober) decide(ctx context.Context) error {
	for p.chains > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 0
		for p.chains > 0 && n < enough && n+p.chains <= columnar.MaxRows {
			n += p.round(n)
		}
		n, err := p.test(0, n)
		if err != nil {
			return err
		}
		if err = p.note(n); err != nil {
			return err
		}
		k := 0
		for i, r := range p.row[:p.chains] {
			p.row[k], p.at[k] = r, p.at[i]
			if p.matched[r>>3]>>(r&7)&1 == 0 {
				k++
			}
		}
		p.chains = k
	}
	return nil
}

func tooManyRows(at diag.Pos) error {
	return diag.NewAt(at, diag.ScalarSubquery, "a scalar subquery returned more than one row").
		WithRemedy("add LIMIT 1 or an aggregate function to the subquery")
}
