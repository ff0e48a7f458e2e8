package millrace

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
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

// Result is the outcome of a query, in memory.
type Result struct {
	Schema *columnar.Schema
	zone   *time.Location
	run    *driver.Result
}

// Run computes the frame.
func (d *DataFrame) Run(ctx context.Context) (*Result, error) {
	_, q, err := d.analyzed(ctx)
	if err != nil {
		return nil, err
	}
	r, err := d.s.run(ctx, q)
	if err != nil {
		return nil, err
	}
	d.s.mu.Lock()
	zone, err := time.LoadLocation(d.s.conf.Get(settings.TimeZone).Text)
	d.s.mu.Unlock()
	return &Result{q.physical.Schema(), zone, r}, err
}

// Len returns the number of rows.
func (r *Result) Len() int {
	n := 0
	for _, b := range r.run.Batches {
		n += b.Rows
	}
	return n
}

// Stats returns what the job did.
func (r *Result) Stats() *driver.Result { return r.run }

// Each calls f with the values of each row rendered as text, and which of them
// are null. The slices are reused.
func (r *Result) Each(f func(values []string, null []bool) error) error {
	values, null := make([]string, r.Schema.Len()), make([]bool, r.Schema.Len())
	for _, b := range r.run.Batches {
		for i := range b.Selected() {
			row := b.RowAt(i)
			for c := range b.Cols {
				null[c] = b.Cols[c].NullAt(row)
				values[c] = string(text.AppendValue(nil, &b.Cols[c], row, r.zone))
			}
			if err := f(values, null); err != nil {
				return err
			}
		}
	}
	return nil
}

// Row is one row of Go values: nil, bool, int64, float64, string (also
// decimals, exactly), []byte, time.Time (dates and timestamps), time.Duration
// (day-time intervals).
type Row []any

// Collect computes the frame and returns its rows.
func (d *DataFrame) Collect(ctx context.Context) ([]Row, error) {
	r, err := d.Run(ctx)
	if err != nil {
		return nil, err
	}
	var out []Row
	for _, b := range r.run.Batches {
		for i := range b.Selected() {
			row := make(Row, len(b.Cols))
			for c := range b.Cols {
				row[c] = value(&b.Cols[c], b.RowAt(i))
			}
			out = append(out, row)
		}
	}
	return out, nil
}

func value(v *columnar.Vector, i int) any {
	if v.NullAt(i) {
		return nil
	}
	switch t := v.Type; t.Kind {
	case columnar.Bool:
		return v.Int64At(i) != 0
	case columnar.Float32, columnar.Float64:
		return v.Float64At(i)
	case columnar.Decimal:
		return columnar.FormatDecimal(v.Int128At(i), int(t.Scale))
	case columnar.String:
		return string(v.BytesAt(i))
	case columnar.Binary:
		return append([]byte{}, v.BytesAt(i)...)
	case columnar.Date:
		return time.Unix(v.Int64At(i)*86400, 0).UTC()
	case columnar.Timestamp, columnar.TimestampNTZ:
		return time.UnixMicro(v.Int64At(i)).UTC()
	case columnar.DayTimeInterval:
		return time.Duration(v.Int64At(i)) * time.Microsecond
	case columnar.List, columnar.Struct, columnar.Map:
		return string(text.AppendValue(nil, v, i, time.UTC))
	}
	return v.Int64At(i)
}

// CollectInto computes the frame into a slice of structs. Columns go to the
// fields of the same name (without case), or to those tagged `millrace:"name"`.
func CollectInto[T any](ctx context.Context, d *DataFrame) ([]T, error) {
	rows, err := d.Collect(ctx)
	if err != nil {
		return nil, err
	}
	schema, err := d.Schema(ctx)
	if err != nil {
		return nil, err
	}
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, diag.New(diag.InvalidArgument, "CollectInto needs a struct, not %s", t)
	}
	at := map[int]int{}
	for f := range t.NumField() {
		name := t.Field(f).Tag.Get("millrace")
		if name == "" {
			name = t.Field(f).Name
		}
		if c := schema.Index(name); c >= 0 {
			at[f] = c
		} else if t.Field(f).Tag.Get("millrace") != "" {
			return nil, diag.New(diag.UnresolvedColumn, "field %s wants column %s, which the result does not have", t.Field(f).Name, name)
		}
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		v := reflect.ValueOf(&out[i]).Elem()
		for f, c := range at {
			if r[c] == nil {
				continue
			}
			x := reflect.ValueOf(r[c])
			if !x.CanConvert(v.Field(f).Type()) || x.Kind() != reflect.String && v.Field(f).Kind() == reflect.String {
				return nil, diag.New(diag.TypeMismatch, "column %s is %s and does not fit field %s of type %s", schema.Fields[c].Name, schema.Fields[c].Type, t.Field(f).Name, v.Field(f).Type())
			}
			v.Field(f).Set(x.Convert(v.Field(f).Type()))
		}
	}
	return out, nil
}

// Count returns the number of rows.
func (d *DataFrame) Count(ctx context.Context) (int64, error) {
	one := d.with(&logical.Aggregate{List: []expr.Expr{&expr.UnresolvedCall{Fn: "count", Args: []expr.Expr{&expr.Star{}}}}, Child: d.plan}, nil)
	rows, err := one.Collect(ctx)
	if err != nil {
		return 0, err
	}
	return rows[0][0].(int64), nil
}

// Show returns the first n rows as a table of text.
func (d *DataFrame) Show(ctx context.Context, n int) (string, error) {
	r, err := d.Limit(int64(n)).Run(ctx)
	if err != nil {
		return "", err
	}
	return r.Table(), nil
}

// Table renders the rows as a table of text.
func (r *Result) Table() string {
	width := make([]int, r.Schema.Len())
	var rows [][]string
	for i, f := range r.Schema.Fields {
		width[i] = len([]rune(f.Name))
	}
	_ = r.Each(func(values []string, _ []bool) error { // f never fails
		row := append([]string{}, values...)
		for i, v := range row {
			row[i] = strings.NewReplacer("\n", "\\n", "\t", "\\t").Replace(v)
			width[i] = max(width[i], len([]rune(row[i])))
		}
		rows = append(rows, row)
		return nil
	})
	var b strings.Builder
	line := func() {
		b.WriteByte('+')
		for _, w := range width {
			b.WriteString(strings.Repeat("-", w+2) + "+")
		}
		b.WriteByte('\n')
	}
	line()
	b.WriteByte('|')
	for i, f := range r.Schema.Fields {
		fmt.Fprintf(&b, " %-*s |", width[i], f.Name)
	}
	b.WriteByte('\n')
	line()
	for _, row := range rows {
		b.WriteByte('|')
		for i, v := range row {
			if t := r.Schema.Fields[i].Type; t.IsNumeric() {
				fmt.Fprintf(&b, " %*s |", width[i], v)
			} else {
				fmt.Fprintf(&b, " %-*s |", width[i], v)
			}
		}
		b.WriteByte('\n')
	}
	line()
	return b.String()
}
