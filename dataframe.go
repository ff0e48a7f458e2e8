package millrace

import (
	"context"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

// DataFrame is a query that has not run. Its methods return new frames; nothing
// is computed until an action: Collect, CollectInto, ForEach, Batches, Count,
// First, Take, Show, Write. Where a parameter is any, it is a Column or SQL text.
// A mistake is kept and returned by the action, with the line of the program that
// made it.
type DataFrame struct {
	s    *Session
	plan logical.Plan
	err  error
	from []*DataFrame // what it was made of
	call string       // where, "" for SQL text
	text string       // the SQL text
}

// with makes a frame of d, and others, in the method that the program called.
func (d *DataFrame) with(p logical.Plan, err error, others ...*DataFrame) *DataFrame {
	out := &DataFrame{s: d.s, plan: p, from: append([]*DataFrame{d}, others...), call: caller()}
	for _, f := range out.from {
		if f.err != nil {
			out.err = f.err
			return out
		}
	}
	if err != nil {
		out.err = at(out.call, err)
	}
	return out
}

// items parses a select list: expressions with optional aliases.
func items(text string) ([]expr.Expr, error) {
	p, err := sql.Parse("SELECT " + text)
	if err != nil {
		return nil, err
	}
	if x, ok := p.(*logical.Project); ok {
		return x.List, nil
	}
	return nil, diag.New(diag.Syntax, "%q is not a list of expressions", text)
}

// list takes in columns and texts of select lists.
func list(columns []any) ([]expr.Expr, error) {
	var out []expr.Expr
	for _, c := range columns {
		switch x := c.(type) {
		case Column:
			if x = x.settled(); x.err != nil {
				return nil, x.err
			}
			out = append(out, x.e)
		case string:
			more, err := items(x)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		default:
			return nil, notColumn(c)
		}
	}
	return out, nil
}

func notColumn(v any) error {
	return diag.New(diag.InvalidArgument, "a value of Go type %T is neither a column nor SQL text", v).WithRemedy("use Lit for a constant")
}

// one takes in a column or the text of an expression.
func one(v any) (expr.Expr, error) {
	switch x := v.(type) {
	case Column:
		x = x.settled()
		return x.e, x.err
	case string:
		return sql.ParseExpr(x)
	}
	return nil, notColumn(v)
}

// orders takes in columns and texts of ORDER BY.
func orders(keys []any) ([]expr.SortOrder, error) {
	var out []expr.SortOrder
	for _, k := range keys {
		switch x := k.(type) {
		case Column:
			if x = x.settled(); x.err != nil {
				return nil, x.err
			}
			o := expr.SortOrder{}
			if x.order != nil {
				o = *x.order
			}
			o.Expr = x.e
			out = append(out, o)
		case string:
			p, err := sql.Parse("SELECT 1 ORDER BY " + x)
			if err != nil {
				return nil, err
			}
			s, ok := p.(*logical.Sort)
			if !ok {
				return nil, diag.New(diag.Syntax, "%q is not an ordering", x)
			}
			out = append(out, s.Order...)
		default:
			return nil, notColumn(k)
		}
	}
	return out, nil
}

// Select computes columns: names, *, expressions with AS; or Columns.
func (d *DataFrame) Select(columns ...any) *DataFrame {
	l, err := list(columns)
	return d.with(&logical.Project{List: l, Child: d.plan}, err)
}

// Filter keeps the rows for which a condition is true.
func (d *DataFrame) Filter(condition any) *DataFrame {
	e, err := one(condition)
	return d.with(&logical.Filter{Cond: e, Child: d.plan}, err)
}

// WithColumn computes a column: in the place of the one of that name, if there is
// one, else behind the others.
func (d *DataFrame) WithColumn(name string, value any) *DataFrame {
	e, err := one(value)
	return d.with(&logical.Edit{Set: []*expr.Alias{{Arg: e, Name: name}}, Child: d.plan}, err)
}

// WithColumnRenamed gives a column another name. A column that is not there is
// passed over.
func (d *DataFrame) WithColumnRenamed(name, to string) *DataFrame {
	return d.with(&logical.Edit{Rename: [][2]string{{name, to}}, Child: d.plan}, nil)
}

// Drop leaves columns out. Those that are not there are passed over.
func (d *DataFrame) Drop(columns ...string) *DataFrame {
	return d.with(&logical.Edit{Drop: columns, Child: d.plan}, nil)
}

// As names the frame, so that columns can be written name.column.
func (d *DataFrame) As(name string) *DataFrame {
	return d.with(&logical.SubqueryAlias{Name: name, Child: d.plan}, nil)
}

// Distinct removes duplicate rows.
func (d *DataFrame) Distinct() *DataFrame { return d.with(&logical.Distinct{Child: d.plan}, nil) }

// DropDuplicates keeps one row of those that agree in the named columns, all
// columns if none is named. Which one is not defined.
func (d *DataFrame) DropDuplicates(columns ...string) *DataFrame {
	return d.with(&logical.Distinct{On: columns, Child: d.plan}, nil)
}

// OrderBy sorts by columns (with Asc or Desc), or by expressions, each with an
// optional ASC or DESC, NULLS FIRST or LAST.
func (d *DataFrame) OrderBy(keys ...any) *DataFrame {
	o, err := orders(keys)
	return d.with(&logical.Sort{Order: o, Child: d.plan}, err)
}

// Limit keeps the first n rows.
func (d *DataFrame) Limit(n int64) *DataFrame {
	return d.with(&logical.Limit{Count: max(n, 0), Child: d.plan}, nil)
}

// Offset leaves out the first n rows.
func (d *DataFrame) Offset(n int64) *DataFrame {
	return d.with(&logical.Limit{Count: -1, Offset: max(n, 0), Child: d.plan}, nil)
}

// Repartition distributes the rows over n partitions, by keys if given.
func (d *DataFrame) Repartition(n int, keys ...any) *DataFrame {
	l, err := list(keys)
	return d.with(&logical.Repartition{Partitions: n, Keys: l, Child: d.plan}, err)
}

// Join joins with another frame. On is a condition, a Column or SQL text; or a
// []string of columns that both have, each of which comes out once; or nil for
// none. Kind is inner (or ""), left, right, full, cross, semi or anti. Name the
// sides with As to tell equal columns apart.
func (d *DataFrame) Join(o *DataFrame, on any, kind string) *DataFrame {
	kinds := map[string]logical.JoinKind{"": logical.Inner, "inner": logical.Inner, "left": logical.Left, "right": logical.Right,
		"full": logical.Full, "cross": logical.Cross, "semi": logical.LeftSemi, "anti": logical.LeftAnti}
	k, ok := kinds[strings.ToLower(kind)]
	j := &logical.Join{Kind: k, Left: d.plan, Right: o.plan}
	var err error
	switch x := on.(type) {
	case nil:
	case []string:
		j.Using = x
	case string:
		if x != "" {
			j.Cond, err = sql.ParseExpr(x)
		}
	default:
		j.Cond, err = one(on)
	}
	if !ok {
		err = diag.New(diag.InvalidArgument, "there is no kind of join %q", kind).WithRemedy("use inner, left, right, full, cross, semi or anti")
	}
	return d.with(j, err, o)
}

func (d *DataFrame) set(o *DataFrame, s logical.SetOp) *DataFrame {
	s.Left, s.Right = d.plan, o.plan
	return d.with(&s, nil, o)
}

// Union appends the rows of another frame, by position.
func (d *DataFrame) Union(o *DataFrame) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.UnionOp, All: true})
}

// UnionByName appends the rows of another frame, by the names of the columns.
// Where one frame may miss columns of the other, they are null.
func (d *DataFrame) UnionByName(o *DataFrame, missing bool) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.UnionOp, All: true, ByName: true, Missing: missing})
}

// Intersect keeps the rows that another frame has too, each once.
func (d *DataFrame) Intersect(o *DataFrame) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.IntersectOp})
}

// IntersectAll keeps the rows that another frame has too, as often as both have
// them.
func (d *DataFrame) IntersectAll(o *DataFrame) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.IntersectOp, All: true})
}

// ExceptAll takes the rows of another frame away, each as often as it has it.
func (d *DataFrame) ExceptAll(o *DataFrame) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.ExceptOp, All: true})
}

// Except keeps the rows that another frame does not have, each once.
func (d *DataFrame) Except(o *DataFrame) *DataFrame {
	return d.set(o, logical.SetOp{Op: logical.ExceptOp})
}

// analyzed plans the frame.
func (d *DataFrame) analyzed(ctx context.Context) (logical.Plan, *query, error) {
	if d.err != nil {
		return nil, nil, d.err
	}
	q, err := d.s.plan(ctx, d.plan, nil)
	if err != nil {
		return nil, nil, d.blame(ctx, err)
	}
	return q.analyzed, q, nil
}

// blame finds the call that made a plan wrong: that of the first frame, from the
// sources on, which cannot be planned.
func (d *DataFrame) blame(ctx context.Context, err error) error {
	for _, f := range d.from {
		if _, e := f.s.plan(ctx, f.plan, nil); e != nil {
			return f.blame(ctx, e)
		}
	}
	return at(d.call, err)
}

// Schema returns the columns.
func (d *DataFrame) Schema(ctx context.Context) (*columnar.Schema, error) {
	_, q, err := d.analyzed(ctx)
	if err != nil {
		return nil, err
	}
	return q.physical.Schema(), nil
}

// Columns returns the names of the columns.
func (d *DataFrame) Columns(ctx context.Context) ([]string, error) {
	s, err := d.Schema(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, s.Len())
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names, nil
}

// Explain renders how the frame would run: mode is simple (or ""), extended (all
// plans), formatted (the stages) or analyze (runs it, and says what happened).
func (d *DataFrame) Explain(ctx context.Context, mode string) (string, error) {
	modes := map[string]logical.ExplainMode{"": logical.ExplainSimple, "simple": logical.ExplainSimple, "extended": logical.ExplainExtended,
		"formatted": logical.ExplainFormatted, "analyze": logical.ExplainAnalyze}
	m, ok := modes[strings.ToLower(mode)]
	if !ok {
		return "", at(caller(), diag.New(diag.InvalidArgument, "there is no way to explain called %q", mode).WithRemedy("use simple, extended, formatted or analyze"))
	}
	if _, _, err := d.analyzed(ctx); err != nil {
		return "", err
	}
	return d.s.explain(ctx, &logical.Explain{Mode: m, Query: d.plan})
}

// CreateOrReplaceTempView gives the frame a name that queries of the session can
// use.
func (d *DataFrame) CreateOrReplaceTempView(ctx context.Context, name string) error {
	if _, _, err := d.analyzed(ctx); err != nil {
		return err
	}
	_, err := d.s.createView(ctx, &logical.CreateView{Name: name, Replace: true, Query: d.plan})
	return at(caller(), err)
}
