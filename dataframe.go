package millrace

import (
	"context"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

// DataFrame is a query that has not run. Its methods return new frames; nothing
// is computed until an action: Collect, CollectInto, Count, Show, Write.
// Expressions are SQL text. An error in one is kept and returned by the action.
type DataFrame struct {
	s    *Session
	plan logical.Plan
	err  error
}

// Reader reads files.
type Reader struct {
	s       *Session
	options map[string]string
	schema  *columnar.Schema
	err     error
}

// Read returns a reader.
func (s *Session) Read() *Reader { return &Reader{s: s, options: map[string]string{}} }

// Option sets an option of the format, as header or sep for CSV.
func (r *Reader) Option(key, value string) *Reader {
	r.options[key] = value
	return r
}

// Schema gives the columns, as "a INT, b STRING", instead of inferring them.
func (r *Reader) Schema(ddl string) *Reader {
	r.schema, r.err = sql.ParseSchema(ddl)
	return r
}

// Load reads a path (a file, directory or glob) in a format.
func (r *Reader) Load(format, path string) *DataFrame {
	return &DataFrame{s: r.s, err: r.err, plan: &logical.Relation{Ref: catalog.TableRef{Format: format, Path: path, Options: r.options, Schema: r.schema}}}
}

// Parquet reads Parquet files.
func (r *Reader) Parquet(path string) *DataFrame { return r.Load("parquet", path) }

// CSV reads CSV files.
func (r *Reader) CSV(path string) *DataFrame { return r.Load("csv", path) }

// Arrow reads Arrow IPC files and streams.
func (r *Reader) Arrow(path string) *DataFrame { return r.Load("arrow", path) }

// Table returns a view by name.
func (s *Session) Table(name string) *DataFrame {
	return s.frame(&logical.Relation{Ref: catalog.TableRef{Parts: strings.Split(name, ".")}})
}

func (d *DataFrame) with(p logical.Plan, err error) *DataFrame {
	if d.err != nil {
		err = d.err
	}
	return &DataFrame{s: d.s, plan: p, err: err}
}

// item parses an item of a select list: an expression with an optional alias.
func items(list []string) ([]expr.Expr, error) {
	p, err := sql.Parse("SELECT " + strings.Join(list, ", "))
	if err != nil {
		return nil, err
	}
	if x, ok := p.(*logical.Project); ok {
		return x.List, nil
	}
	return nil, diag.New(diag.Syntax, "%q is not a list of expressions", strings.Join(list, ", "))
}

// Select computes columns: names, *, or expressions with AS.
func (d *DataFrame) Select(columns ...string) *DataFrame {
	list, err := items(columns)
	return d.with(&logical.Project{List: list, Child: d.plan}, err)
}

// Filter keeps the rows for which a condition is true.
func (d *DataFrame) Filter(condition string) *DataFrame {
	e, err := sql.ParseExpr(condition)
	return d.with(&logical.Filter{Cond: e, Child: d.plan}, err)
}

// WithColumn adds a column.
func (d *DataFrame) WithColumn(name, expression string) *DataFrame {
	e, err := sql.ParseExpr(expression)
	return d.with(&logical.Project{List: []expr.Expr{&expr.Star{}, &expr.Alias{Arg: e, Name: name}}, Child: d.plan}, err)
}

// Grouped is a frame with grouping keys.
type Grouped struct {
	d    *DataFrame
	keys []string
}

// GroupBy groups by expressions.
func (d *DataFrame) GroupBy(keys ...string) *Grouped { return &Grouped{d, keys} }

// Agg computes the keys and the given aggregates.
func (g *Grouped) Agg(aggregates ...string) *DataFrame {
	var keys []expr.Expr
	var err error
	if len(g.keys) > 0 {
		if keys, err = items(g.keys); err != nil {
			return g.d.with(g.d.plan, err)
		}
	}
	list, err := items(append(append([]string{}, g.keys...), aggregates...))
	for i, k := range keys {
		if a, ok := k.(*expr.Alias); ok {
			keys[i] = a.Arg
		}
	}
	return g.d.with(&logical.Aggregate{Keys: keys, List: list, Child: g.d.plan}, err)
}

// Join joins on a condition; kind is inner, left, right, full, cross, semi or
// anti. Name the sides with As to tell equal columns apart.
func (d *DataFrame) Join(o *DataFrame, condition, kind string) *DataFrame {
	kinds := map[string]logical.JoinKind{"": logical.Inner, "inner": logical.Inner, "left": logical.Left, "right": logical.Right,
		"full": logical.Full, "cross": logical.Cross, "semi": logical.LeftSemi, "anti": logical.LeftAnti}
	k, ok := kinds[strings.ToLower(kind)]
	err := o.err
	if !ok {
		err = diag.New(diag.InvalidArgument, "there is no kind of join %q", kind).WithRemedy("use inner, left, right, full, cross, semi or anti")
	}
	j := &logical.Join{Kind: k, Left: d.plan, Right: o.plan}
	if condition != "" {
		c, perr := sql.ParseExpr(condition)
		if perr != nil {
			err = perr
		}
		j.Cond = c
	}
	return d.with(j, err)
}

// As names the frame, so that columns can be written name.column.
func (d *DataFrame) As(name string) *DataFrame {
	return d.with(&logical.SubqueryAlias{Name: name, Child: d.plan}, nil)
}

// Union appends the rows of another frame, by position.
func (d *DataFrame) Union(o *DataFrame) *DataFrame {
	return d.with(&logical.SetOp{Op: logical.UnionOp, All: true, Left: d.plan, Right: o.plan}, o.err)
}

// Distinct removes duplicate rows.
func (d *DataFrame) Distinct() *DataFrame { return d.with(&logical.Distinct{Child: d.plan}, nil) }

// OrderBy sorts by expressions, each with an optional ASC or DESC, NULLS FIRST
// or LAST.
func (d *DataFrame) OrderBy(keys ...string) *DataFrame {
	p, err := sql.Parse("SELECT 1 ORDER BY " + strings.Join(keys, ", "))
	if err != nil {
		return d.with(d.plan, err)
	}
	s, ok := p.(*logical.Sort)
	if !ok {
		return d.with(d.plan, diag.New(diag.Syntax, "%q is not an ordering", strings.Join(keys, ", ")))
	}
	return d.with(&logical.Sort{Order: s.Order, Child: d.plan}, nil)
}

// Limit keeps the first n rows.
func (d *DataFrame) Limit(n int64) *DataFrame {
	return d.with(&logical.Limit{Count: max(n, 0), Child: d.plan}, nil)
}

// Repartition distributes the rows over n partitions, by keys if given.
func (d *DataFrame) Repartition(n int, keys ...string) *DataFrame {
	r := &logical.Repartition{Partitions: n, Child: d.plan}
	var err error
	if len(keys) > 0 {
		r.Keys, err = items(keys)
	}
	return d.with(r, err)
}

// analyzed resolves the frame.
func (d *DataFrame) analyzed(ctx context.Context) (logical.Plan, *query, error) {
	if d.err != nil {
		return nil, nil, d.err
	}
	q, err := d.s.plan(ctx, d.plan, nil)
	if err != nil {
		return nil, nil, err
	}
	return q.analyzed, q, nil
}

// Schema returns the columns.
func (d *DataFrame) Schema(ctx context.Context) (*columnar.Schema, error) {
	_, q, err := d.analyzed(ctx)
	if err != nil {
		return nil, err
	}
	return q.physical.Schema(), nil
}

// Explain renders the physical plan.
func (d *DataFrame) Explain(ctx context.Context) (string, error) {
	if d.err != nil {
		return "", d.err
	}
	return d.s.explain(ctx, &logical.Explain{Query: d.plan})
}
