package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/dataset"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Options are what the planner must know besides the plan.
type Options struct {
	Executors int // executors of the cluster, 1 for local
	Slots     int // slots of all executors together
	// ShufflePartitions forces the number of partitions of hash exchanges; 0
	// lets the planner choose by estimate.
	ShufflePartitions int
	RuntimeFilters    RuntimeFilters
	// BroadcastRows is the estimate up to which a build side is broadcast when
	// there are several executors; 0 = 500,000, negative: never. Memory is the budget of each, in
	// bytes: a larger build side is broadcast too where a share of it has room and
	// that is cheaper than to exchange both sides. 0: that is not known.
	BroadcastRows float64
	Memory        int64
}

// few is the number of groups up to which one task finishes an aggregation
// faster than several could meet.
const few = 16 << 10

// maxTopN is the number of rows up to which ORDER BY … LIMIT keeps a heap
// instead of sorting everything.
const maxTopN = 128 << 10

// Plan plans a query whose result has the columns of p.Output, in order.
func Plan(p logical.Plan, o Options) (physical.Plan, error) {
	o.Executors, o.Slots = max(1, o.Executors), max(1, o.Slots)
	if o.BroadcastRows == 0 {
		o.BroadcastRows = 500_000
	}
	pl := &planner{opts: o, est: optimize.NewEstimator(), shared: map[int]*physical.Exchange{}, origins: map[int]physical.Plan{}}
	if w, ok := p.(*logical.Write); ok {
		return pl.write(w)
	}
	return pl.root(p)
}

type planner struct {
	opts      Options
	est       *optimize.Estimator
	exchanges int
	filters   int
	fresh     expr.ID // ids of columns that the planner makes, counting down
	shared    map[int]*physical.Exchange
	origins   map[int]physical.Plan // of cached datasets
}

// planned is a physical plan, the attributes of its columns and how its rows lie
// over tasks.
type planned struct {
	plan  physical.Plan
	attrs []*expr.Attr
	dist  distribution
}

// distribution tells what is known about which task has which rows.
type distribution struct {
	single bool         // one task has all rows
	keys   []expr.IDSet // hash-partitioned by these columns; each set holds equal columns
	n      int          // partitions, with keys
}

// covers reports whether rows that agree on the given columns are in one task.
func (d distribution) covers(keys expr.IDSet) bool {
	if d.single {
		return true
	}
	for _, k := range d.keys {
		if !k.Intersects(keys) {
			return false
		}
	}
	return len(d.keys) > 0
}

func (pl *planner) newID() expr.ID { pl.fresh--; return pl.fresh }

func (pl *planner) rows(p logical.Plan) float64 { return pl.est.Rows(p) }

// root plans p with exactly its output columns and names.
func (pl *planner) root(p logical.Plan) (physical.Plan, error) {
	out := p.Output()
	in, err := pl.plan(p, expr.IDSet{}.Add(out...))
	if err != nil {
		return nil, err
	}
	return pl.arrange(in, out, true).plan, nil
}

// arrange brings columns into the given order; with names also the schema's
// names. It adds a projection only if something changes.
func (pl *planner) arrange(in planned, out []*expr.Attr, names bool) planned {
	same := len(in.attrs) == len(out)
	exprs := make([]expr.Expr, len(out))
	fields := make([]columnar.Field, len(out))
	schema := in.plan.Schema()
	for i, a := range out {
		at := index(in.attrs, a.ID)
		c := column(in, at)
		exprs[i] = c
		fields[i] = columnar.Field{Name: a.Name, Type: c.Typ, Nullable: c.Null}
		same = same && at == i && (!names || schema.Fields[i].Name == a.Name)
	}
	if same {
		return in
	}
	if p, ok := in.plan.(*physical.Project); ok { // reorder the projection itself
		q := &physical.Project{Out: columnar.NewSchema(fields...), Child: p.Child}
		for _, e := range exprs {
			q.Exprs = append(q.Exprs, p.Exprs[e.(*expr.Column).Index])
		}
		return planned{q, out, in.dist}
	}
	return planned{&physical.Project{Exprs: exprs, Out: columnar.NewSchema(fields...), Child: in.plan}, out, in.dist}
}

func index(attrs []*expr.Attr, id expr.ID) int {
	for i, a := range attrs {
		if a.ID == id {
			return i
		}
	}
	return -1
}

func column(in planned, at int) *expr.Column {
	f := in.plan.Schema().Fields[at]
	return &expr.Column{Index: at, Name: f.Name, Typ: f.Type, Null: f.Nullable}
}

// bind replaces attributes by positions in attrs.
func bind(e expr.Expr, attrs []*expr.Attr) (expr.Expr, error) {
	return expr.Transform(e, func(e expr.Expr) (expr.Expr, error) {
		switch x := e.(type) {
		case *expr.Attr:
			at := index(attrs, x.ID)
			if at < 0 {
				return nil, diag.NewAt(x.Place, diag.Internal, "column %s is not available where it is needed", x)
			}
			return &expr.Column{Index: at, Name: attrs[at].Name, Typ: attrs[at].Typ, Null: attrs[at].Null}, nil
		case *expr.Alias:
			return x.Arg, nil
		case *expr.Subquery:
			return nil, diag.NewAt(x.Place, diag.Unsupported, "this form of subquery is not supported here")
		}
		return e, nil
	})
}

func bindAll(es []expr.Expr, attrs []*expr.Attr) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		b, err := bind(e, attrs)
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

func bindOrder(order []expr.SortOrder, attrs []*expr.Attr) ([]expr.SortOrder, error) {
	out := make([]expr.SortOrder, len(order))
	for i, o := range order {
		b, err := bind(o.Expr, attrs)
		if err != nil {
			return nil, err
		}
		o.Expr = b
		out[i] = o
	}
	return out, nil
}

// with returns need plus the columns of expressions.
func with(need expr.IDSet, es ...expr.Expr) expr.IDSet {
	s := expr.IDSet{}
	for id := range need {
		s[id] = true
	}
	for _, e := range es {
		for id := range expr.Attrs(e) {
			s[id] = true
		}
	}
	return s
}

// plan plans one node so that it yields at least the needed columns of its
// output.
func (pl *planner) plan(p logical.Plan, need expr.IDSet) (planned, error) {
	switch x := p.(type) {
	case *logical.Scan:
		return pl.scan(x, need)
	case *logical.Values:
		return pl.values(x)
	case *logical.Project:
		return pl.project(x, need)
	case *logical.Filter:
		in, err := pl.plan(x.Child, with(need, x.Cond))
		if err != nil {
			return planned{}, err
		}
		conj, err := bindAll(expr.Conjuncts(x.Cond), in.attrs)
		if err != nil {
			return planned{}, err
		}
		return planned{&physical.Filter{Conjuncts: conj, Child: in.plan}, in.attrs, in.dist}, nil
	case *logical.Aggregate:
		return pl.aggregate(x, need)
	case *logical.Join:
		return pl.join(x, need)
	case *logical.Sort:
		return pl.sort(x, need)
	case *logical.Limit:
		return pl.limit(x, need)
	case *logical.Union:
		return pl.union(x)
	case *logical.Repartition:
		return pl.repartition(x, need)
	case *logical.Apply:
		in, err := pl.plan(x.Child, with(nil, x.List...))
		if err != nil {
			return planned{}, err
		}
		list, err := bindAll(x.List, in.attrs)
		if err != nil {
			return planned{}, err
		}
		out := &columnar.Schema{}
		for _, o := range x.Attrs {
			out.Fields = append(out.Fields, columnar.Field{Name: o.Name, Type: o.Typ, Nullable: o.Null})
		}
		return planned{plan: &physical.Apply{Fn: x.Fn, Args: x.Args, List: list, Out: out, Child: in.plan}, attrs: x.Attrs}, nil
	case *logical.Generate:
		return pl.generate(x, need)
	case *logical.Accumulate:
		in, err := pl.plan(x.Child, with(need, x.List...))
		if err != nil {
			return planned{}, err
		}
		list, err := bindAll(x.List, in.attrs)
		if err != nil {
			return planned{}, err
		}
		return planned{&physical.Accumulate{ID: x.ID, Name: x.Name, Sum: x.Sum.Kind != columnar.Null, List: list, Child: in.plan}, in.attrs, in.dist}, nil
	case *logical.Shared:
		return pl.sharedPlan(x)
	case *logical.Window:
		return pl.window(x, need)
	case *logical.Expand:
		return pl.expand(x, need)
	}
	return planned{}, diag.New(diag.Unsupported, "%s cannot be run as part of a query", p)
}

func (pl *planner) scan(s *logical.Scan, need expr.IDSet) (planned, error) {
	read := with(need, s.Filters...)
	schema := s.Table.Schema()
	out := &physical.Scan{Name: s.Table.Name(), Table: s.Table.Descriptor(), Rows: pl.rows(s), Read: &columnar.Schema{}}
	var attrs, scanned []*expr.Attr
	for i, a := range s.Attrs {
		if !read[a.ID] {
			continue
		}
		f := schema.Fields[s.Columns[i]]
		if need[a.ID] {
			out.Project = append(out.Project, len(out.Columns))
			attrs = append(attrs, a)
		}
		out.Columns = append(out.Columns, s.Columns[i])
		out.Read.Fields = append(out.Read.Fields, f)
		scanned = append(scanned, a)
	}
	var err error
	if out.Filters, err = bindAll(s.Filters, scanned); err != nil {
		return planned{}, err
	}
	if t, ok := s.Table.(*dataset.Table); ok {
		out.Table, out.Dataset = catalog.Descriptor{}, pl.dataset(t)
	}
	return planned{plan: out, attrs: attrs}, nil
}

// dataset returns what a scan of a cached dataset has to know: its origin's
// exchanges and runtime filters get numbers of the query.
func (pl *planner) dataset(t *dataset.Table) *physical.Dataset {
	origin, ok := pl.origins[t.ID]
	if !ok {
		exchanges, filters := physical.Numbers(t.Origin)
		origin = physical.Shift(t.Origin, pl.exchanges, pl.filters)
		pl.exchanges, pl.filters = pl.exchanges+exchanges, pl.filters+filters
		pl.origins[t.ID] = origin
	}
	return &physical.Dataset{ID: t.ID, Name: t.Label, Storage: t.Storage, Origin: origin}
}

func (pl *planner) values(v *logical.Values) (planned, error) {
	out := &physical.Values{Out: &columnar.Schema{}}
	for i, a := range v.Attrs {
		null := a.Null
		for _, r := range v.Rows {
			null = null || r[i].Nullable()
		}
		out.Out.Fields = append(out.Out.Fields, columnar.Field{Name: a.Name, Type: a.Typ, Nullable: null})
	}
	for _, r := range v.Rows {
		row := make([]*expr.Literal, len(r))
		for i, e := range r {
			l, ok := e.(*expr.Literal)
			if !ok {
				return pl.computedValues(v)
			}
			row[i] = &expr.Literal{Value: l.Value, Typ: v.Attrs[i].Typ, Place: l.Place}
		}
		out.Rows = append(out.Rows, row)
	}
	return planned{out, v.Attrs, distribution{single: true}}, nil
}

// computedValues plans rows that hold expressions: one projection a row.
func (pl *planner) computedValues(v *logical.Values) (planned, error) {
	u := &logical.Union{Attrs: v.Attrs}
	for _, r := range v.Rows {
		list := make([]expr.Expr, len(r))
		for i, e := range r {
			list[i] = &expr.Alias{Arg: e, Name: v.Attrs[i].Name, ID: pl.newID()}
		}
		u.Inputs = append(u.Inputs, &logical.Project{List: list, Child: &logical.Values{Rows: [][]expr.Expr{{}}}})
	}
	return pl.union(u)
}

func (pl *planner) project(p *logical.Project, need expr.IDSet) (planned, error) {
	var list []expr.Expr
	outs := p.Output()
	var attrs []*expr.Attr
	for i, e := range p.List {
		if need[outs[i].ID] {
			list, attrs = append(list, e), append(attrs, outs[i])
		}
	}
	in, err := pl.plan(p.Child, with(nil, list...))
	if err != nil {
		return planned{}, err
	}
	// A projection that only renames and drops columns needs no operator.
	renamed := make([]*expr.Attr, len(in.attrs))
	copy(renamed, in.attrs)
	taken := make([]bool, len(in.attrs))
	pure := true
	dist := in.dist
	for i, e := range list {
		if a, ok := e.(*expr.Alias); ok {
			e = a.Arg
		}
		src, ok := e.(*expr.Attr)
		if !ok {
			pure = false
			continue
		}
		dist = dist.alias(src.ID, attrs[i].ID)
		at := index(in.attrs, src.ID)
		if at < 0 || taken[at] {
			pure = false
			continue
		}
		taken[at] = true
		d := *attrs[i]
		d.Null, d.Typ = in.attrs[at].Null, in.attrs[at].Typ
		renamed[at] = &d
	}
	if pure {
		for i, t := range taken { // columns that nobody wants keep no id by which they could be mistaken
			if !t {
				d := *in.attrs[i]
				d.ID = pl.newID()
				renamed[i] = &d
			}
		}
		return planned{in.plan, renamed, dist}, nil
	}
	exprs, err := bindAll(list, in.attrs)
	if err != nil {
		return planned{}, err
	}
	return pl.newProject(in, exprs, attrs, dist), nil
}

func (pl *planner) newProject(in planned, exprs []expr.Expr, attrs []*expr.Attr, dist distribution) planned {
	fields := make([]columnar.Field, len(exprs))
	typed := make([]*expr.Attr, len(exprs))
	for i, e := range exprs {
		d := *attrs[i]
		d.Typ, d.Null = e.Type(), e.Nullable()
		typed[i] = &d
		fields[i] = columnar.Field{Name: d.Name, Type: d.Typ, Nullable: d.Null}
	}
	return planned{&physical.Project{Exprs: exprs, Out: columnar.NewSchema(fields...), Child: in.plan}, typed, dist}
}

// alias records that a second column equals one that rows are partitioned by.
func (d distribution) alias(from, to expr.ID) distribution {
	keys := make([]expr.IDSet, len(d.keys))
	for i, k := range d.keys {
		keys[i] = k
		if k[from] && !k[to] {
			keys[i] = with(k)
			keys[i][to] = true
		}
	}
	d.keys = keys
	return d
}

func (pl *planner) union(u *logical.Union) (planned, error) {
	out := &physical.Union{Out: &columnar.Schema{}}
	attrs := make([]*expr.Attr, len(u.Attrs))
	for i, a := range u.Attrs {
		d := *a
		d.Null = false
		attrs[i] = &d
	}
	for _, k := range u.Inputs {
		o := k.Output()
		in, err := pl.plan(k, expr.IDSet{}.Add(o...))
		if err != nil {
			return planned{}, err
		}
		in = pl.arrange(in, o, false)
		for i, f := range in.plan.Schema().Fields {
			attrs[i].Null = attrs[i].Null || f.Nullable
		}
		out.Inputs = append(out.Inputs, in.plan)
	}
	for _, a := range attrs {
		out.Out.Fields = append(out.Out.Fields, columnar.Field{Name: a.Name, Type: a.Typ, Nullable: a.Null})
	}
	return planned{plan: out, attrs: attrs}, nil
}

func (pl *planner) repartition(r *logical.Repartition, need expr.IDSet) (planned, error) {
	in, err := pl.plan(r.Child, with(need, r.Keys...))
	if err != nil {
		return planned{}, err
	}
	n := r.Partitions
	if n == 0 {
		n = pl.partitions(-1)
	}
	if len(r.Keys) == 0 {
		return pl.exchange(in, physical.Partitioning{Kind: physical.RoundRobin, Count: n, Fixed: r.Partitions > 0}, distribution{}, pl.rows(r)), nil
	}
	in, at, err := pl.columns(in, r.Keys)
	if err != nil {
		return planned{}, err
	}
	out := pl.hash(in, at, n, pl.rows(r))
	if e, ok := out.plan.(*physical.Exchange); ok {
		e.Partitioning.Fixed = r.Partitions > 0
	}
	return out, nil
}

// sharedPlan plans a subplan that several places refer to: one exchange that
// all of them read.
func (pl *planner) sharedPlan(s *logical.Shared) (planned, error) {
	e, ok := pl.shared[s.ID]
	if !ok {
		out := s.Child.Output()
		in, err := pl.plan(s.Child, expr.IDSet{}.Add(out...))
		if err != nil {
			return planned{}, err
		}
		in = pl.arrange(in, out, false)
		part := physical.Partitioning{Kind: physical.RoundRobin, Count: pl.partitions(pl.rows(s))}
		if in.dist.single || part.Count == 1 {
			part = physical.Partitioning{Kind: physical.SinglePartition, Count: 1}
		}
		e = pl.exchange(in, part, distribution{}, pl.rows(s)).plan.(*physical.Exchange)
		pl.shared[s.ID] = e
	}
	attrs := make([]*expr.Attr, len(s.Attrs))
	for i, f := range e.Schema().Fields {
		d := *s.Attrs[i]
		d.Typ, d.Null = f.Type, f.Nullable
		attrs[i] = &d
	}
	return planned{e, attrs, distribution{single: e.Partitioning.Kind == physical.SinglePartition}}, nil
}

// exchange puts an exchange above a plan.
func (pl *planner) exchange(in planned, part physical.Partitioning, dist distribution, rows float64) planned {
	pl.exchanges++
	return planned{&physical.Exchange{ID: pl.exchanges, Partitioning: part, Rows: rows, Child: in.plan}, in.attrs, dist}
}

// single brings all rows into one task.
func (pl *planner) single(in planned, rows float64) planned {
	if in.dist.single {
		return in
	}
	return pl.exchange(in, physical.Partitioning{Kind: physical.SinglePartition, Count: 1}, distribution{single: true}, rows)
}

// hash partitions by columns.
func (pl *planner) hash(in planned, at []int, n int, rows float64) planned {
	if n == 1 {
		return pl.single(in, rows)
	}
	d := distribution{n: n}
	for _, c := range at {
		d.keys = append(d.keys, expr.IDSet{}.Add(in.attrs[c]))
	}
	return pl.exchange(in, physical.Partitioning{Kind: physical.HashPartitioning, Count: n, Keys: at}, d, rows)
}

// columns returns positions of columns that hold the values of keys, adding a
// projection for keys that are not plain columns.
func (pl *planner) columns(in planned, keys []expr.Expr) (planned, []int, error) {
	at := make([]int, len(keys))
	var extra []expr.Expr
	var attrs []*expr.Attr
	for i, k := range keys {
		b, err := bind(k, in.attrs)
		if err != nil {
			return in, nil, err
		}
		if c, ok := b.(*expr.Column); ok {
			at[i] = c.Index
			continue
		}
		at[i] = len(in.attrs) + len(extra)
		extra = append(extra, b)
		attrs = append(attrs, &expr.Attr{ID: pl.newID(), Name: "key", Typ: b.Type(), Null: b.Nullable()})
	}
	if len(extra) == 0 {
		return in, at, nil
	}
	all := make([]expr.Expr, len(in.attrs), len(in.attrs)+len(extra))
	for i := range in.attrs {
		all[i] = column(in, i)
	}
	return pl.newProject(in, append(all, extra...), append(append([]*expr.Attr{}, in.attrs...), attrs...), in.dist), at, nil
}

// partitions chooses how many partitions a hash exchange of so many rows has.
func (pl *planner) partitions(rows float64) int {
	switch {
	case pl.opts.ShufflePartitions > 0:
		return pl.opts.ShufflePartitions
	case rows >= 0 && rows <= few:
		return 1
	}
	n := 4 * pl.opts.Slots
	if rows > 0 { // keep a partition's table near the caches
		n = max(n, min(int(rows/250_000), 64*pl.opts.Slots))
	}
	return max(n, 1)
}

func (pl *planner) write(w *logical.Write) (physical.Plan, error) {
	child, err := pl.root(w.Child)
	if err != nil {
		return nil, err
	}
	out := &physical.Write{Format: w.Format, Path: w.Path, Mode: w.Mode, Child: child}
	for _, k := range sortedKeys(w.Options) {
		out.Options = append(out.Options, catalog.Option{Key: k, Value: w.Options[k]})
	}
	for _, name := range w.PartitionBy {
		at := child.Schema().Index(name)
		if at < 0 {
			return nil, diag.NewAt(w.Place, diag.UnresolvedColumn, "there is no column %q to partition the output by", name)
		}
		out.PartitionBy = append(out.PartitionBy, at)
	}
	return out, nil
}
