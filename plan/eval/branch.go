package eval

import (
	"bytes"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// lazy reports calls whose arguments are computed on demand (E3).
func lazy(c *expr.Call) bool {
	switch c.Fn.Name {
	case "and", "or":
		return expr.Fallible(c.Args[1])
	case "if", "coalesce":
		return true
	}
	return false
}

// branch is an expression that is computed on demand for some of the rows.
type branch struct {
	q       *Program
	columns []int // what it needs of the batch,
	outer   []int // and of the enclosing program
	simple  bool  // nothing is computed
	// Where few rows are asked for, what is needed is brought together first.
	batch  columnar.Batch
	values []columnar.Vector
	inner  rows // of the run at hand
}

// choice is a value for some of the rows: of as many rows as the batch, or, if
// dense, of those rows alone.
type choice struct {
	v     columnar.Vector
	rows  []uint16
	dense bool
}

func (p *Program) branch(e expr.Expr) (*branch, error) {
	q, err := compile([]expr.Expr{e}, p.opts, p)
	if err != nil {
		return nil, err
	}
	b := &branch{q: q, simple: true}
	b.needs(q)
	for i := range q.nodes {
		b.simple = b.simple && q.nodes[i].source != computed
	}
	p.branches = append(p.branches, b)
	return b, nil
}

// needs lists the columns and outer values that the programs of a branch read.
func (b *branch) needs(q *Program) {
	for i := range q.nodes {
		switch n := &q.nodes[i]; n.source {
		case fromColumn:
			b.columns = include(b.columns, n.at)
		case fromOuter:
			if q == b.q {
				b.outer = include(b.outer, n.at)
			}
		}
	}
	for _, inner := range q.branches {
		b.needs(inner.q)
	}
}

func include(list []int, x int) []int {
	for _, y := range list {
		if x == y {
			return list
		}
	}
	return append(list, x)
}

// run computes the branch for the rows of sel, of which there is at least one.
func (b *branch) run(r *rows, sel []uint16) (choice, error) {
	b.inner = rows{n: r.n, sel: sel, s: r.s, batch: r.batch, outer: b.q.parent.vals}
	dense := !b.simple && sel != nil && r.n >= 256 && 4*len(sel) < r.n
	if dense {
		b.gather(r, sel)
		b.inner = rows{n: len(sel), s: r.s, batch: &b.batch, outer: b.values}
	}
	vs, err := b.q.run(&b.inner)
	if err != nil {
		return choice{}, err
	}
	return choice{vs[0], sel, dense}, nil
}

// gather brings the rows of sel of everything needed together.
func (b *branch) gather(r *rows, sel []uint16) {
	if b.batch.Cols == nil || len(b.batch.Cols) != len(r.batch.Cols) {
		b.batch.Cols = make([]columnar.Vector, len(r.batch.Cols))
	}
	b.batch.Schema, b.batch.Rows = r.batch.Schema, len(sel)
	for _, c := range b.columns {
		b.batch.Cols[c] = kernel.TakeSel(&r.batch.Cols[c], sel, r.s)
	}
	vals := b.q.parent.vals
	if len(b.values) != len(vals) {
		b.values = make([]columnar.Vector, len(vals))
	}
	for _, o := range b.outer {
		b.values[o] = kernel.TakeSel(&vals[o], sel, r.s)
	}
}

// full is run with a value of as many rows as the batch.
func (b *branch) full(r *rows, sel []uint16) (columnar.Vector, error) {
	c, err := b.run(r, sel)
	if err != nil || !c.dense {
		return c.v, err
	}
	return merge(r, b.q.nodes[b.q.outs[0]].e.Type(), []choice{c})
}

// pick returns the rows of sel whose bit is set.
func (r *rows) pick(bits columnar.Bitmap, sel []uint16) []uint16 {
	return kernel.SelectBits(bits, nil, r.n, sel, memory.Slice[uint16](r.s, r.n)[:0])
}

// all returns the rows that count.
func (r *rows) all() []uint16 {
	if r.sel != nil {
		return r.sel
	}
	out := memory.Slice[uint16](r.s, r.n)
	for i := range out {
		out[i] = uint16(i)
	}
	return out
}

// split returns which of the rows of sel have their bit set in a boolean value,
// and which do not (null or false).
func (r *rows) split(c *choice, sel []uint16) (yes, no []uint16) {
	v := &c.v
	if v.Type.Kind == columnar.Null || v.Enc == columnar.Const {
		if v.Type.Kind != columnar.Null && !v.NullAt(0) && v.Bits().Get(0) {
			return sel, nil
		}
		return nil, sel
	}
	v = flat(v, r.s)
	both := memory.Slice[uint16](r.s, 2*len(sel))
	yes, no = both[:len(sel)], both[len(sel):]
	y, n := 0, 0
	bits, valid := v.Bits(), v.Valid
	for k, row := range sel {
		at := row
		if c.dense {
			at = uint16(k)
		}
		b := bits[at>>3] >> (at & 7) & 1
		if valid != nil {
			b &= valid[at>>3] >> (at & 7)
		}
		yes[y], no[n] = row, row
		y += int(b)
		n += int(b ^ 1)
	}
	return yes[:y], no[:n]
}

// caseWhen computes each condition for the rows that no earlier one took, and
// each value for the rows of its condition.
func (p *Program) caseWhen(c *expr.Case) (function, error) {
	whens := make([]when, len(c.Whens))
	t := c.Type()
	easy := t.FixedWidth() > 0 && len(whens) <= 8
	var err error
	for i, w := range c.Whens {
		if whens[i].cond, err = p.branch(w.Cond); err != nil {
			return nil, err
		}
		if whens[i].then, err = p.branch(w.Then); err != nil {
			return nil, err
		}
		easy = easy && whens[i].then.simple && !expr.Fallible(w.Cond)
	}
	var other *branch
	if c.Else != nil {
		if other, err = p.branch(c.Else); err != nil {
			return nil, err
		}
		easy = easy && other.simple
	}
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		if easy {
			if v, ok, err := blend(r, t, whens, other); ok || err != nil {
				return v, err
			}
		}
		left := r.all()
		var parts []choice
		for _, w := range whens {
			if len(left) == 0 {
				break
			}
			is, err := w.cond.run(r, left)
			if err != nil {
				return is.v, err
			}
			taken, rest := r.split(&is, left)
			left = rest
			if len(taken) == 0 {
				continue
			}
			v, err := w.then.run(r, taken)
			if err != nil {
				return v.v, err
			}
			parts = append(parts, v)
		}
		if other != nil && len(left) > 0 {
			v, err := other.run(r, left)
			if err != nil {
				return v.v, err
			}
			parts = append(parts, v)
		}
		return merge(r, t, parts)
	}, nil
}

// coalesce computes each argument for the rows that are null so far.
func (p *Program) coalesce(c *expr.Call) (function, error) {
	subs := make([]*branch, len(c.Args))
	for i, a := range c.Args {
		s, err := p.branch(a)
		if err != nil {
			return nil, err
		}
		subs[i] = s
	}
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		left := r.all()
		var parts []choice
		for _, s := range subs {
			if len(left) == 0 {
				break
			}
			v, err := s.run(r, left)
			if err != nil {
				return v.v, err
			}
			if v.dense { // rows and values would no longer go together
				if v.v, err = merge(r, c.Typ, []choice{v}); err != nil {
					return v.v, err
				}
				v.dense = false
			}
			if !v.v.HasNulls() {
				parts = append(parts, v)
				break
			}
			lists := memory.Slice[uint16](r.s, 2*len(left))
			have, rest := lists[:0:len(left)], lists[len(left):][:0]
			for _, i := range left {
				if v.v.NullAt(int(i)) {
					rest = append(rest, i)
				} else {
					have = append(have, i)
				}
			}
			left = rest
			if len(have) > 0 {
				v.rows = have
				parts = append(parts, v)
			}
		}
		return merge(r, c.Typ, parts)
	}, nil
}

// merge assembles a vector of a type out of choices for disjoint rows; other
// rows are null.
func merge(r *rows, t columnar.Type, parts []choice) (columnar.Vector, error) {
	if t.Kind == columnar.Null {
		return allNull(t, r.n), nil
	}
	kept := parts[:0]
	for _, p := range parts { // what is null throughout is what is missing
		if p.v.Type.Kind != columnar.Null && !(p.v.Enc == columnar.Const && p.v.NullAt(0)) {
			kept = append(kept, p)
		}
	}
	parts = kept
	if len(parts) == 0 {
		return allNull(t, r.n), nil
	}
	count, nulls := 0, false
	for i := range parts {
		p := &parts[i]
		if p.rows == nil && !p.dense {
			p.rows = r.all()
		}
		count += len(p.rows)
		nulls = nulls || p.v.Valid != nil && p.v.Enc != columnar.Const
	}
	wanted := r.n
	if r.sel != nil {
		wanted = len(r.sel)
	}
	if len(parts) == 1 && count == wanted && !parts[0].dense {
		return parts[0].v, nil
	}
	out := columnar.Vector{Type: t, Len: r.n, Width: uint8(t.FixedWidth())}
	if nulls || count < wanted {
		out.Valid = r.bitmap()
		out.Valid.Fill(8*len(out.Valid), false)
		for i := range parts {
			markValid(&parts[i], out.Valid)
		}
	}
	switch {
	case t.IsBytes():
		mergeText(r, &out, parts)
	case t.Kind == columnar.Bool:
		bits := r.bitmap()
		clear(bits)
		for i := range parts {
			p := &parts[i]
			for k, row := range p.rows {
				if p.v.Int64At(p.at(k)) != 0 {
					bits.Set(int(row))
				}
			}
		}
		out.Data = bits
	case t.Kind == columnar.Decimal:
		out.Width = 8
		for i := range parts {
			out.Width = max(out.Width, narrowest(&parts[i].v))
		}
		if out.Width == 16 {
			wide := memory.Slice[columnar.Int128](r.s, r.n)
			for i := range parts {
				p := &parts[i]
				for k, row := range p.rows {
					wide[row] = p.v.Int128At(p.at(k))
				}
			}
			out.Data = columnar.BytesOf(wide)
			break
		}
		out.Data = scatterAll[int64](r, parts)
	default:
		switch out.Width {
		case 1:
			out.Data = scatterAll[int8](r, parts)
		case 2:
			out.Data = scatterAll[int16](r, parts)
		case 4:
			out.Data = scatterAll[int32](r, parts)
		default:
			out.Data = scatterAll[int64](r, parts)
		}
	}
	return out, nil
}

// at returns where the k-th row of a choice is in its vector.
func (p *choice) at(k int) int {
	if p.dense {
		return k
	}
	return int(p.rows[k])
}

func markValid(p *choice, valid columnar.Bitmap) {
	if p.v.Valid == nil || p.v.Enc == columnar.Const {
		for _, row := range p.rows {
			valid.Set(int(row))
		}
		return
	}
	for k, row := range p.rows {
		if p.v.Valid.Get(p.at(k)) {
			valid.Set(int(row))
		}
	}
}

func scatterAll[T columnar.Fixed](r *rows, parts []choice) []byte {
	out := memory.Slice[T](r.s, r.n)
	for i := range parts {
		p := &parts[i]
		switch {
		case p.v.Enc == columnar.Const:
			c := columnar.View[T](p.v.Data, 1)[0]
			for _, row := range p.rows {
				out[row] = c
			}
		case p.v.Enc == columnar.Dict:
			codes, values := p.v.Codes(), columnar.Values[T](&p.v.Dict.Values)
			for k, row := range p.rows {
				out[row] = values[codes[p.at(k)]]
			}
		case p.dense:
			src := columnar.Values[T](&p.v)
			for k, row := range p.rows {
				out[row] = src[k]
			}
		default:
			src := columnar.Values[T](&p.v)
			for _, row := range p.rows {
				out[row] = src[row]
			}
		}
	}
	return columnar.BytesOf(out)
}

// mergeText makes a dictionary of constants where the choices are constants,
// else copies the strings.
func mergeText(r *rows, out *columnar.Vector, parts []choice) {
	constants := true
	for i := range parts {
		constants = constants && parts[i].v.Enc == columnar.Const
	}
	if constants {
		d := &columnar.Dictionary{Unique: true}
		d.Values = columnar.Vector{Type: out.Type, Len: len(parts), Stable: true}
		off := make([]int32, len(parts)+1)
		codes := memory.Slice[uint32](r.s, r.n)
		clear(codes)
		for i := range parts {
			p := &parts[i]
			x := p.v.BytesAt(0)
			code := i
			for j := range i {
				if bytes.Equal(x, parts[j].v.BytesAt(0)) {
					d.Unique = false
				}
			}
			d.Values.Bytes = append(d.Values.Bytes, x...)
			off[i+1] = int32(len(d.Values.Bytes))
			for _, row := range p.rows {
				codes[row] = uint32(code)
			}
		}
		d.Values.Data = columnar.BytesOf(off)
		out.Enc, out.Data, out.Dict = columnar.Dict, columnar.BytesOf(codes), d
		return
	}
	from, at := memory.Slice[int16](r.s, r.n), memory.Slice[uint16](r.s, r.n)
	for i := range from {
		from[i] = -1
	}
	total := 0
	for k := range parts {
		p := &parts[k]
		for j, row := range p.rows {
			from[row], at[row] = int16(k), uint16(p.at(j))
		}
		total += len(p.rows)
	}
	off := memory.Slice[int32](r.s, r.n+1)
	off[0] = 0
	size := 0
	for i := range r.n {
		if k := from[i]; k >= 0 && (out.Valid == nil || out.Valid.Get(i)) {
			size += len(parts[k].v.BytesAt(int(at[i])))
		}
		off[i+1] = int32(size)
	}
	data := r.s.Bytes(size)
	for i := range r.n {
		if off[i] != off[i+1] {
			copy(data[off[i]:], parts[from[i]].v.BytesAt(int(at[i])))
		}
	}
	out.Data, out.Bytes = columnar.BytesOf(off), data
}
