package eval

import (
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
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

// function computes one node from its arguments.
type function func(r *rows, args []*columnar.Vector) (columnar.Vector, error)

type node struct {
	e      expr.Expr
	args   []int
	fn     function // nil: a column or literal
	column int
	lit    columnar.Vector
	strict bool // shapes may be exploited: constants and dictionaries
	cache  dictCache
	varies bool // more than one argument depends on the batch: nothing to cache
}

// dictCache holds a node's values for one dictionary.
type dictCache struct {
	dict *columnar.Dictionary
	out  columnar.Vector
	d    *columnar.Dictionary
}

// Program computes a list of expressions. It is used by one goroutine at a time.
type Program struct {
	opts  Options
	nodes []node
	outs  []int
	vals  []columnar.Vector
	ptrs  []*columnar.Vector
}

// Compile prepares bound expressions.
func Compile(exprs []expr.Expr, opts Options) (*Program, error) {
	p := &Program{opts: opts}
	for _, e := range exprs {
		n, err := p.add(e)
		if err != nil {
			return nil, err
		}
		p.outs = append(p.outs, n)
	}
	p.vals = make([]columnar.Vector, len(p.nodes))
	return p, nil
}

func (p *Program) add(e expr.Expr) (int, error) {
	if a, ok := e.(*expr.Alias); ok {
		e = a.Arg
	}
	for i := range p.nodes {
		if expr.Equal(p.nodes[i].e, e) {
			return i, nil
		}
	}
	n := node{e: e, column: -1}
	var kids []expr.Expr
	var err error
	switch x := e.(type) {
	case *expr.Column:
		n.column = x.Index
	case *expr.Literal:
		n.lit = Constant(x.Value, x.Typ, 1)
	case *expr.Call:
		kids = x.Args
		if n.fn, n.strict, err = p.call(x); err != nil {
			return 0, err
		}
		if lazy(x) { // computes its arguments itself
			kids = nil
		}
	case *expr.Cast:
		kids = []expr.Expr{x.Arg}
		n.fn, n.strict = p.cast(x), true
	case *expr.Case:
		if n.fn, err = p.caseWhen(x); err != nil {
			return 0, err
		}
	default:
		return 0, diag.NewAt(e.Pos(), diag.Internal, "the expression %s cannot be computed", e)
	}
	for _, k := range kids {
		at, err := p.add(k)
		if err != nil {
			return 0, err
		}
		n.args = append(n.args, at)
	}
	depend := 0
	for _, k := range kids {
		if expr.Any(k, func(e expr.Expr) bool { _, ok := e.(*expr.Column); return ok }) {
			depend++
		}
	}
	n.varies = depend > 1
	p.nodes = append(p.nodes, n)
	return len(p.nodes) - 1, nil
}

// Eval computes all expressions on a batch. The vectors are valid as long as
// the batch and the scratch.
func (p *Program) Eval(b *columnar.Batch, s *memory.Scratch) ([]columnar.Vector, error) {
	return p.run(&rows{n: b.Rows, sel: b.Sel, s: s, batch: b})
}

func (p *Program) run(r *rows) ([]columnar.Vector, error) {
	for i := range p.nodes {
		n := &p.nodes[i]
		switch {
		case n.column >= 0:
			p.vals[i] = r.batch.Cols[n.column]
		case n.fn == nil:
			p.vals[i] = n.lit
			p.vals[i].Len = r.n
		default:
			args := p.ptrs[:0]
			for _, a := range n.args {
				args = append(args, &p.vals[a])
			}
			p.ptrs = args
			v, err := n.eval(r, args)
			if err != nil {
				return nil, err
			}
			p.vals[i] = v
		}
	}
	out := make([]columnar.Vector, len(p.outs))
	for i, at := range p.outs {
		out[i] = p.vals[at]
	}
	return out, nil
}

// eval computes a node, exploiting the shapes of its arguments (E2).
func (n *node) eval(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	if !n.strict || r.n == 0 {
		return n.fn(r, args)
	}
	dict := -1
	for i, a := range args {
		switch {
		case a.Enc == columnar.Const:
		case a.Enc == columnar.Dict && dict < 0:
			dict = i
		default:
			return n.fn(r, args)
		}
	}
	if dict < 0 { // all constant
		if len(args) == 0 || len(r.sel) == 0 && r.sel != nil {
			return n.fn(r, args)
		}
		one := rows{n: 1, s: r.s, batch: r.batch}
		short := shorten(args, 1)
		v, err := n.fn(&one, short)
		if err != nil {
			return v, err
		}
		if v.Type.Kind == columnar.Null {
			v.Len = r.n
			return v, nil
		}
		v = kernel.Flatten(&v, r.s)
		v.Enc, v.Len = columnar.Const, r.n
		return v, nil
	}
	d := args[dict]
	if d.Dict.Values.Len > r.n && d.Dict.Values.Len > 64<<10 || expr.Fallible(n.e) {
		return n.fn(r, args)
	}
	if n.cache.dict != d.Dict || !d.Dict.Values.Stable || n.varies {
		if d.Dict.Values.Len > 4*r.n && !d.Dict.Values.Stable {
			return n.fn(r, args)
		}
		short := shorten(args, d.Dict.Values.Len)
		short[dict] = &d.Dict.Values
		var none *memory.Scratch // the cache outlives the batch
		v, err := n.fn(&rows{n: d.Dict.Values.Len, s: none, batch: r.batch}, short)
		if err != nil {
			return v, err
		}
		if v.Type.Kind != columnar.Null {
			v = kernel.Flatten(&v, none)
		}
		n.cache = dictCache{dict: d.Dict, out: v}
		if v.Valid == nil && v.Type.Kind != columnar.Bool && v.Type.Kind != columnar.Null {
			n.cache.d = &columnar.Dictionary{Values: v}
		}
	}
	out := n.cache.out
	if n.cache.d != nil {
		return columnar.Vector{Type: out.Type, Enc: columnar.Dict, Len: r.n, Valid: d.Valid, Data: d.Data, Dict: n.cache.d, Stable: d.Stable}, nil
	}
	v := kernel.Take(&out, d.Codes(), r.s)
	v.Valid = both(v.Valid, d.Valid, r)
	return v, nil
}

func shorten(args []*columnar.Vector, n int) []*columnar.Vector {
	out := make([]*columnar.Vector, len(args))
	for i, a := range args {
		v := *a
		v.Len = n
		out[i] = &v
	}
	return out
}

// both combines validities: nil means no nulls.
func both(a, b columnar.Bitmap, r *rows) columnar.Bitmap {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
	kernel.And(out, a, b, r.n)
	return out
}

// validity returns the rows in which every argument is valid; none reports that
// an argument is null throughout.
func validity(r *rows, args []*columnar.Vector) (valid columnar.Bitmap, none bool) {
	for _, a := range args {
		switch {
		case a.Type.Kind == columnar.Null || a.Enc == columnar.Const && a.NullAt(0):
			return nil, true
		case a.Enc != columnar.Const && a.Valid != nil:
			valid = both(valid, a.Valid, r)
		}
	}
	return valid, false
}

// allNull is a column of nulls of a type.
func allNull(t columnar.Type, n int) columnar.Vector {
	return Constant(nil, t, n)
}

// Constant returns a constant vector of a literal's value.
func Constant(value any, t columnar.Type, n int) columnar.Vector {
	v := columnar.Vector{Type: t, Enc: columnar.Const, Width: uint8(t.FixedWidth()), Len: n, Stable: true}
	if t.Kind == columnar.Null {
		v.Enc = columnar.Flat
		return v
	}
	if value == nil {
		v.Valid = columnar.NewBitmap(1)
	}
	var none *memory.Scratch
	v.Data = none.Bytes(16)
	clear(v.Data)
	switch x := value.(type) {
	case bool:
		columnar.Bitmap(v.Data).SetTo(0, x)
	case float64:
		if t.Kind == columnar.Float32 {
			columnar.View[float32](v.Data, 1)[0] = float32(x)
		} else {
			columnar.View[float64](v.Data, 1)[0] = x
		}
	case string:
		v.Bytes = []byte(x)
		columnar.View[int32](v.Data, 2)[1] = int32(len(x))
	case columnar.Int128:
		if x.FitsInt64() {
			v.Width = 8
			columnar.View[int64](v.Data, 1)[0] = int64(x.Lo)
		} else {
			v.Width = 16
			columnar.View[columnar.Int128](v.Data, 1)[0] = x
		}
	case int64:
		switch v.Width {
		case 1:
			columnar.View[int8](v.Data, 1)[0] = int8(x)
		case 2:
			columnar.View[int16](v.Data, 1)[0] = int16(x)
		case 4:
			columnar.View[int32](v.Data, 1)[0] = int32(x)
		default:
			columnar.View[int64](v.Data, 1)[0] = x
		}
	}
	if t.Kind == columnar.Decimal && value == nil {
		v.Width = 8
	}
	return v
}

// Value returns a row of a vector as a literal's value.
func Value(v *columnar.Vector, row int) any {
	if v.NullAt(row) {
		return nil
	}
	switch {
	case v.Type.Kind == columnar.Bool:
		return v.Int64At(row) != 0
	case v.Type.IsFloat():
		return v.Float64At(row)
	case v.Type.IsBytes():
		return string(v.BytesAt(row))
	case v.Type.Kind == columnar.Decimal:
		return v.Int128At(row)
	}
	return v.Int64At(row)
}

// Fold replaces an expression without columns by its value. Errors of the value
// (a division by zero) leave the expression as it is: it may never be reached.
func Fold(e expr.Expr, opts Options) expr.Expr {
	if _, ok := e.(*expr.Literal); ok || !expr.Deterministic(e) {
		return e
	}
	constant := !expr.Any(e, func(e expr.Expr) bool {
		switch e.(type) {
		case *expr.Column, *expr.Attr, *expr.Subquery, *expr.Agg, *expr.Alias, *expr.Name, *expr.Star, *expr.UnresolvedCall:
			return true
		}
		return false
	})
	if !constant || e.Type().IsNested() {
		return e
	}
	p, err := Compile([]expr.Expr{e}, opts)
	if err != nil {
		return e
	}
	vs, err := p.Eval(&columnar.Batch{Schema: columnar.NewSchema(), Rows: 1}, nil)
	if err != nil {
		return e
	}
	return &expr.Literal{Value: Value(&vs[0], 0), Typ: e.Type(), Place: e.Pos()}
}

// lazy reports calls whose arguments are computed on demand (E3).
func lazy(c *expr.Call) bool {
	switch c.Fn.Name {
	case "and", "or":
		return expr.Fallible(c.Args[1])
	case "if", "coalesce":
		for _, a := range c.Args[1:] {
			if expr.Fallible(a) {
				return true
			}
		}
	}
	return false
}

// sub compiles an expression that is computed on demand for some rows.
func (p *Program) sub(e expr.Expr) (func(r *rows, sel []uint16) (columnar.Vector, error), error) {
	q, err := Compile([]expr.Expr{e}, p.opts)
	if err != nil {
		return nil, err
	}
	return func(r *rows, sel []uint16) (columnar.Vector, error) {
		vs, err := q.run(&rows{n: r.n, sel: sel, s: r.s, batch: r.batch})
		if err != nil {
			return columnar.Vector{}, err
		}
		return vs[0], nil
	}, nil
}

// Columns returns for each expression the position of the column that it is, or
// −1 if it is computed.
func (p *Program) Columns() []int {
	out := make([]int, len(p.outs))
	for i, at := range p.outs {
		out[i] = p.nodes[at].column
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
