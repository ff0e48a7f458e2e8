package eval

import (
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Options are what expressions need besides their input.
type Options struct {
	Zone *time.Location // session time zone; nil = UTC
	Now  time.Time
}

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

// rows is what a node is computed on: n rows, of which those in sel count (all
// if sel is nil).
type rows struct {
	n     int
	sel   []uint16
	s     *memory.Scratch
	batch *columnar.Batch
	outer []columnar.Vector // values of the enclosing program
}

// each calls f for the rows that count, until it fails.
func (r *rows) each(f func(i int) error) error {
	if r.sel != nil {
		for _, i := range r.sel {
			if err := f(int(i)); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range r.n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// find reports whether f holds for a row that counts and is valid.
func (r *rows) find(valid columnar.Bitmap, f func(i int) bool) bool {
	if r.sel != nil {
		for _, i := range r.sel {
			if (valid == nil || valid.Get(int(i))) && f(int(i)) {
				return true
			}
		}
		return false
	}
	for i := range r.n {
		if (valid == nil || valid.Get(i)) && f(i) {
			return true
		}
	}
	return false
}

// bitmap returns room for one bit a row, of arbitrary content.
func (r *rows) bitmap() columnar.Bitmap {
	return columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
}

// function computes one node from its arguments.
type function func(r *rows, args []*columnar.Vector) (columnar.Vector, error)

// source tells where a node's value comes from.
type source uint8

const (
	computed   source = iota
	fromColumn        // a column of the batch
	fromOuter         // a value of the enclosing program
	literal
)

type node struct {
	e      expr.Expr
	source source
	at     int // position of the column or outer value
	args   []int
	fn     function
	lit    columnar.Vector
	strict bool             // null in, null out, one row at a time: shapes may be exploited
	safe   bool             // may be computed on values that no row holds
	fixed  bool             // depends on no input
	known  *columnar.Vector // the value of a fixed node, once computed
	varied int              // the only argument that is not fixed, −1 if there are several
	cache  dictCache
}

// Program computes a list of expressions. It is used by one goroutine at a time.
type Program struct {
	opts     Options
	parent   *Program // of a branch of CASE, AND, …
	branches []*branch
	nodes    []node
	outs     []int
	vals     []columnar.Vector
	ptrs     []*columnar.Vector
	rows     rows              // of the call at hand
	results  []columnar.Vector // of the last call
}

// Compile prepares bound expressions. An expression that cannot be computed is a
// *diag.Error at its place.
func Compile(exprs []expr.Expr, opts Options) (*Program, error) {
	return compile(exprs, opts, nil)
}

func compile(exprs []expr.Expr, opts Options, parent *Program) (*Program, error) {
	p := &Program{opts: opts, parent: parent, outs: make([]int, len(exprs))}
	// What is computed in any case comes first, so that branches can use it.
	for _, late := range [2]bool{false, true} {
		for i, e := range exprs {
			if branches(e) != late {
				continue
			}
			n, err := p.add(e)
			if err != nil {
				return nil, err
			}
			p.outs[i] = n
		}
	}
	p.vals = make([]columnar.Vector, len(p.nodes))
	return p, nil
}

// branches reports whether parts of an expression are computed on demand.
func branches(e expr.Expr) bool {
	return expr.Any(e, func(e expr.Expr) bool {
		switch x := e.(type) {
		case *expr.Case:
			return true
		case *expr.Call:
			return lazy(x)
		}
		return false
	})
}

func (p *Program) find(e expr.Expr) (int, bool) {
	for i := range p.nodes {
		if expr.Equal(p.nodes[i].e, e) {
			return i, true
		}
	}
	return 0, false
}

// inherit finds an expression among the values of the enclosing programs.
func (p *Program) inherit(e expr.Expr) (int, bool) {
	if p.parent == nil {
		return 0, false
	}
	if i, ok := p.parent.find(e); ok {
		return i, true
	}
	i, ok := p.parent.inherit(e)
	if !ok {
		return 0, false
	}
	p.parent.nodes = append(p.parent.nodes, node{e: e, source: fromOuter, at: i, varied: -1})
	return len(p.parent.nodes) - 1, true
}

func (p *Program) add(e expr.Expr) (int, error) {
	if a, ok := e.(*expr.Alias); ok {
		e = a.Arg
	}
	if i, ok := p.find(e); ok {
		return i, nil
	}
	n := node{e: e, varied: -1}
	var kids []expr.Expr
	var err error
	switch x := e.(type) {
	case *expr.Column:
		n.source, n.at = fromColumn, x.Index
	case *expr.Literal:
		n.source, n.lit, n.fixed = literal, Constant(x.Value, x.Typ, 1), true
	default:
		if i, ok := p.inherit(e); ok {
			n.source, n.at = fromOuter, i
			break
		}
		if e.Type().IsNested() {
			c, cast := e.(*expr.Cast)
			call, ok := e.(*expr.Call)
			if ok {
				_, ok = nestedFunctions[call.Fn.Name]
			}
			if !ok && !(cast && c.Arg.Type().Equal(c.To)) {
				return 0, diag.NewAt(e.Pos(), diag.Unsupported, "%s is of type %s, which cannot be computed yet", e, e.Type())
			}
		}
		switch x := e.(type) {
		case *expr.Call:
			if n.fn, n.strict, err = p.call(x); err != nil {
				return 0, err
			}
			if !lazy(x) { // else it computes its arguments itself
				kids = x.Args
			}
			n.safe = !x.Fn.Fallible || expr.SafeCall(x)
		case *expr.Cast:
			kids = []expr.Expr{x.Arg}
			n.fn, n.strict = p.cast(x), true
			n.safe = x.Try || !expr.CastFails(x.Arg.Type(), x.To)
		case *expr.Case:
			if n.fn, err = p.caseWhen(x); err != nil {
				return 0, err
			}
		default:
			return 0, diag.NewAt(e.Pos(), diag.Internal, "the expression %s cannot be computed", e)
		}
	}
	for _, k := range kids {
		at, err := p.add(k)
		if err != nil {
			return 0, err
		}
		n.args = append(n.args, at)
	}
	if n.source == computed && n.strict {
		n.fixed = true
		for i, a := range n.args {
			if !p.nodes[a].fixed {
				n.fixed, n.varied = false, i
			}
		}
		for i, a := range n.args {
			if !p.nodes[a].fixed && i != n.varied {
				n.varied = -1
				break
			}
		}
	}
	p.nodes = append(p.nodes, n)
	return len(p.nodes) - 1, nil
}

// Eval computes all expressions on a batch. The vectors are valid as long as
// the batch and the scratch, and they and their slice until the next call.
func (p *Program) Eval(b *columnar.Batch, s *memory.Scratch) ([]columnar.Vector, error) {
	p.rows = rows{n: b.Rows, sel: b.Sel, s: s, batch: b}
	return p.run(&p.rows)
}

func (p *Program) run(r *rows) ([]columnar.Vector, error) {
	for i := range p.nodes {
		n := &p.nodes[i]
		switch n.source {
		case fromColumn:
			p.vals[i] = r.batch.Cols[n.at]
		case fromOuter:
			p.vals[i] = r.outer[n.at]
		case literal:
			p.vals[i] = n.lit
			p.vals[i].Len = r.n
		default:
			args := p.ptrs[:0]
			for _, a := range n.args {
				args = append(args, &p.vals[a])
			}
			p.ptrs = args
			if err := n.eval(r, args, &p.vals[i]); err != nil {
				return nil, err
			}
		}
	}
	p.results = p.results[:0]
	for _, at := range p.outs {
		p.results = append(p.results, p.vals[at])
	}
	return p.results, nil
}

// Columns returns for each expression the position of the column that it is, or
// −1 if it is computed.
func (p *Program) Columns() []int {
	out := make([]int, len(p.outs))
	for i, at := range p.outs {
		out[i] = -1
		if n := &p.nodes[at]; n.source == fromColumn {
			out[i] = n.at
		}
	}
	return out
}

// Types returns the type of each expression.
func (p *Program) Types() []columnar.Type {
	out := make([]columnar.Type, len(p.outs))
	for i, at := range p.outs {
		out[i] = p.nodes[at].e.Type()
	}
	return out
}
