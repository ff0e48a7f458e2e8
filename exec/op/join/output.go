package join

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/logical"
)

// pairsOut assembles the first n pairs. Where each probe row comes out once at
// most and most do, the probe columns are passed on as they are, with a
// selection; with all, the rows without a match come out with them.
func (p *prober) pairsOut(n int, single, all bool) *columnar.Batch {
	probe, build := p.probe[:n], p.build[:n]
	asIs := all || single && n*2 > p.batch.Rows
	rows := build
	p.out.Rows, p.out.Sel = n, nil
	if asIs {
		p.out.Rows = p.batch.Rows
		if n < p.batch.Rows {
			rows = p.spread(probe, build, all)
			p.out.Sel = p.sel
			if all {
				p.out.Sel = p.batch.Sel
			}
		}
	}
	for i, at := range p.node.Output {
		fromBuild, c := p.fromBuild(at)
		switch {
		case fromBuild:
			p.out.Cols[i] = p.table.take(c, rows, all, p.pairScratch)
		case asIs:
			p.out.Cols[i] = p.batch.Cols[c]
		default:
			p.out.Cols[i] = p.pick(c, probe)
		}
	}
	return &p.out
}

// spread returns the build row of each row of the batch, and for rows without
// one NullRow, or any row if those do not come out. It leaves the rows that have
// one in p.sel.
func (p *prober) spread(probe, build []uint32, null bool) []uint32 {
	rows := memory.Slice[uint32](p.pairScratch, p.batch.Rows)
	clear(rows)
	if null {
		for i := range rows {
			rows[i] = kernel.NullRow
		}
	}
	p.sel = p.sel[:len(probe)]
	for i, r := range probe {
		p.sel[i] = uint16(r)
		rows[r] = build[i]
	}
	return rows
}

// pick returns the given rows of a probe column, strings by pointing at them.
func (p *prober) pick(c int, rows []uint32) columnar.Vector {
	v := &p.batch.Cols[c]
	if v.Enc != columnar.Flat || !v.Type.IsBytes() {
		return kernel.Take(v, rows, p.pairScratch)
	}
	plain := *v
	plain.Valid = nil
	d := &columnar.Dictionary{Values: plain}
	if v.Valid != nil {
		return kernel.IndirectTo(d, v.Valid, rows, p.pairScratch)
	}
	return columnar.Vector{Type: v.Type, Enc: columnar.Dict, Len: len(rows), Data: columnar.BytesOf(rows), Dict: d}
}

// finish yields what comes out once per probe row, when all its matches are
// known.
func (p *prober) finish() *columnar.Batch {
	if p.pass != nil && !p.settle() {
		return nil
	}
	switch p.node.Kind {
	case logical.LeftMark:
		return p.marked()
	case logical.NullAwareAnti:
		if p.whole.rows > 0 {
			if p.whole.hasNull {
				return nil
			}
			p.excuse()
		}
	}
	return p.selected(p.node.Kind == logical.LeftSemi)
}

// settle brings the passes before and this one together; it reports whether the
// probe rows come out now.
func (p *prober) settle() bool {
	seen, at := p.pass.seen, p.pass.at
	for i := range p.batch.Selected() {
		r := p.batch.RowAt(i)
		was, is := seen.Get(at+r), p.matched.Get(r)
		if was {
			p.matched.Set(r)
		} else if is {
			seen.Set(at + r)
		}
	}
	return p.pass.last
}

// excuse takes the rows with a null key out of an anti join: whether they match
// is not known.
func (p *prober) excuse() {
	live := p.liveBits()
	for i := range p.batch.Selected() {
		if r := p.batch.RowAt(i); !live.Get(r) {
			p.matched.Set(r)
		}
	}
}

func (p *prober) liveBits() columnar.Bitmap {
	live := columnar.Bitmap(p.pairScratch.Bytes(columnar.BitmapBytes(p.batch.Rows)))
	clear(live)
	for _, r := range p.live {
		live.Set(int(r))
	}
	return live
}

// selected passes the probe rows on that matched, or did not. Build columns are
// null beside them.
func (p *prober) selected(want bool) *columnar.Batch {
	p.sel = p.sel[:0]
	for i := range p.batch.Selected() {
		if r := p.batch.RowAt(i); p.matched.Get(r) == want {
			p.sel = append(p.sel, uint16(r))
		}
	}
	if len(p.sel) == 0 {
		return nil
	}
	p.out.Rows, p.out.Sel = p.batch.Rows, p.sel
	if len(p.sel) == p.batch.Rows {
		p.out.Sel = nil
	}
	for i, at := range p.node.Output {
		if build, c := p.fromBuild(at); build {
			p.out.Cols[i] = nulls(p.node.Out.Fields[i].Type, p.batch.Rows)
		} else {
			p.out.Cols[i] = p.batch.Cols[c]
		}
	}
	return &p.out
}

// marked passes all probe rows on with the mark.
func (p *prober) marked() *columnar.Batch {
	n := p.batch.Rows
	p.out.Rows, p.out.Sel = n, p.batch.Sel
	for i, at := range p.node.Output {
		if at != p.left {
			p.out.Cols[i] = p.batch.Cols[at]
			continue
		}
		mark := columnar.Vector{Type: columnar.BoolType, Len: n, Data: p.matched}
		if p.node.Out.Fields[i].Nullable && p.whole.rows > 0 {
			if p.whole.hasNull {
				mark.Valid = columnar.Bitmap(p.pairScratch.Bytes(columnar.BitmapBytes(n)))
				copy(mark.Valid, p.matched)
			} else {
				mark.Valid = p.liveBits()
			}
		}
		p.out.Cols[i] = mark
	}
	return &p.out
}

// lone yields the table's rows from row *at on that come out by themselves: the
// unmatched ones, or of a semi join the matched ones. Nil when there are none
// left.
func (p *prober) lone(at *int) *columnar.Batch {
	if !p.marks {
		return nil
	}
	t, want := p.table, p.node.Kind == logical.LeftSemi
	rows := p.build[:0]
	for ; *at < t.rows && len(rows) < columnar.MaxRows; *at++ {
		if *at&31 == 0 && !want && t.marks[*at>>5] == ^uint32(0) {
			*at += 31
			continue
		}
		if t.marks.get(uint32(*at)) == want {
			rows = append(rows, uint32(*at))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	p.pairScratch.Reset()
	p.out.Rows, p.out.Sel = len(rows), nil
	for i, at := range p.node.Output {
		if build, c := p.fromBuild(at); build {
			p.out.Cols[i] = t.take(c, rows, false, p.pairScratch)
		} else {
			p.out.Cols[i] = nulls(p.node.Out.Fields[i].Type, len(rows))
		}
	}
	return &p.out
}
