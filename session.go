package millrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster/local"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/planner"
	"github.com/millrace-engine/millrace/plan/sql"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// Session runs queries on a master. It is safe for concurrent use. Close ends
// it.
type Session struct {
	driver  *driver.Driver
	backend *local.Backend
	broker  *memory.Broker
	tables  *connector.Registry
	bus     *event.Bus

	mu    sync.Mutex
	conf  *settings.Set
	views map[string]logical.Plan
	names []string // of views, as written
}

// Option configures a session.
type Option func(*settings.Set) error

// WithSetting sets a configuration key, as SET key = value does.
func WithSetting(key, value string) Option {
	return func(s *settings.Set) error { return s.Put(key, value, "code") }
}

// Open starts a session on a master: "local", "local[n]" or "local[*]"; "" takes
// the configured one. Settings come from millrace.toml, the environment and the
// options, in this order.
func Open(_ context.Context, master string, opts ...Option) (*Session, error) {
	conf, err := settings.Load()
	if err != nil {
		return nil, err
	}
	if master != "" {
		if err := conf.Put(settings.Master, master, "code"); err != nil {
			return nil, err
		}
	}
	for _, o := range opts {
		if err := o(conf); err != nil {
			return nil, err
		}
	}
	slots, err := settings.Slots(conf.Get(settings.Master).Text)
	if err != nil {
		return nil, err
	}
	budget, err := settings.Bytes(conf.Get(settings.Memory).Text)
	if err != nil {
		return nil, err
	}
	limit, err := settings.SpillBytes(conf.Get(settings.SpillLimit).Text)
	if err != nil {
		return nil, err
	}
	space := spill.NewSpace(conf.Get(settings.SpillDir).Text)
	space.Limit = limit
	s := &Session{conf: conf, views: map[string]logical.Plan{}, bus: &event.Bus{}, broker: memory.NewBroker(budget), tables: files.Registry()}
	tracker, results := shuffle.NewTracker(), &driver.Results{}
	s.backend = local.New(executor.Config{ID: "driver", Slots: slots, Broker: s.broker, Tables: s.tables, Outputs: tracker, Results: results, Spill: space})
	s.driver = driver.New(driver.Config{Backend: s.backend, Tables: s.tables, Tracker: tracker, Results: results, Memory: s.broker, Bus: s.bus})
	return s, nil
}

// Close ends the session; running queries are cancelled.
func (s *Session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.driver.Close(ctx)
}

// SQL parses and analyzes a query. Nothing runs until an action of the result is
// called, except commands (CREATE TEMP VIEW, SET …), which run at once.
func (s *Session) SQL(ctx context.Context, text string) (*DataFrame, error) {
	p, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return s.statement(ctx, p)
}

func (s *Session) statement(ctx context.Context, p logical.Plan) (*DataFrame, error) {
	switch x := p.(type) {
	case *logical.CreateView:
		return s.createView(ctx, x)
	case *logical.DropView:
		return s.dropView(x)
	case *logical.Set:
		return s.set(x)
	case *logical.Show:
		return s.show(ctx, x)
	case *logical.Describe:
		return s.describe(ctx, x)
	case *logical.Write:
		if err := s.write(ctx, x); err != nil {
			return nil, err
		}
		return s.table([]string{"result"}, nil), nil
	case *logical.Explain:
		text, err := s.explain(ctx, x)
		if err != nil {
			return nil, err
		}
		return s.table([]string{"plan"}, [][]string{{text}}), nil
	}
	df := s.frame(p)
	_, _, err := df.analyzed(ctx)
	return df, err
}

func (s *Session) frame(p logical.Plan) *DataFrame { return &DataFrame{s: s, plan: p} }

// table makes a frame of text rows: what commands answer with.
func (s *Session) table(columns []string, rows [][]string) *DataFrame {
	v := &logical.Values{}
	for i, c := range columns {
		v.Attrs = append(v.Attrs, &expr.Attr{ID: expr.ID(-1000000 - i), Name: c, Typ: columnar.StringType, Null: true})
	}
	for _, r := range rows {
		var row []expr.Expr
		for _, x := range r {
			row = append(row, expr.Lit(x, columnar.StringType))
		}
		v.Rows = append(v.Rows, row)
	}
	return s.frame(v)
}

func (s *Session) createView(ctx context.Context, v *logical.CreateView) (*DataFrame, error) {
	q := v.Query
	if v.Ref != nil {
		q = &logical.Relation{Ref: *v.Ref, Place: v.Place}
	}
	if len(v.Columns) > 0 {
		q = &logical.SubqueryAlias{Name: v.Name, Columns: v.Columns, Child: q}
	}
	if _, _, err := s.frame(q).analyzed(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(v.Name)
	if _, ok := s.views[name]; ok && !v.Replace {
		return nil, diag.NewAt(v.Place, diag.TableExists, "there is a view %s already", v.Name).WithRemedy("use CREATE OR REPLACE TEMP VIEW")
	}
	s.views[name] = q
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) dropView(d *logical.DropView) (*DataFrame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(d.Name)
	if _, ok := s.views[name]; !ok && !d.IfExists {
		return nil, diag.NewAt(d.Place, diag.TableNotFound, "there is no view %s", d.Name).WithRemedy("SHOW VIEWS lists them")
	}
	delete(s.views, name)
	return s.table([]string{"result"}, nil), nil
}

// RegisterView gives a frame a name that queries can use.
func (s *Session) RegisterView(name string, d *DataFrame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views[strings.ToLower(name)] = d.plan
}

func (s *Session) set(x *logical.Set) (*DataFrame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	switch {
	case x.Reset:
		fresh := settings.Defaults()
		for _, k := range settings.All() {
			if (x.Key == "" || x.Key == k.Key) && !settings.Fixed(k.Key) {
				if err := s.conf.Put(k.Key, fresh.Get(k.Key).Text, "default"); err != nil {
					return nil, err
				}
			}
		}
	case x.HasValue:
		if settings.Fixed(x.Key) {
			return nil, diag.NewAt(x.Place, diag.InvalidSetting, "%s is fixed once a session runs", x.Key).WithRemedy("set it at the start: %s=…, or as an option", settings.EnvName(x.Key))
		}
		if err := s.conf.Put(x.Key, strings.Trim(x.Value, "'\""), "SET"); err != nil {
			if e, ok := err.(*diag.Error); ok {
				e.Pos = x.Place
			}
			return nil, err
		}
		rows = [][]string{{x.Key, s.conf.Get(x.Key).Text}}
	default:
		for _, k := range settings.All() {
			if x.Key == "" || x.Key == k.Key {
				rows = append(rows, []string{k.Key, s.conf.Get(k.Key).Text})
			}
		}
		if rows == nil {
			return nil, s.conf.Put(x.Key, "", "SET")
		}
	}
	return s.table([]string{"key", "value"}, rows), nil
}

func (s *Session) show(ctx context.Context, x *logical.Show) (*DataFrame, error) {
	var names []string
	switch x.Kind {
	case logical.ShowTables, logical.ShowViews:
		s.mu.Lock()
		for n := range s.views {
			names = append(names, n)
		}
		s.mu.Unlock()
	case logical.ShowFunctions:
		names = append(names, expr.Builtins().Names()...)
	case logical.ShowSettings:
		for _, k := range settings.All() {
			names = append(names, k.Key)
		}
	case logical.ShowColumns:
		p, _, err := s.frame(x.Table).analyzed(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range p.Output() {
			names = append(names, a.Name)
		}
	}
	if x.Kind != logical.ShowColumns {
		sort.Strings(names)
	}
	var rows [][]string
	for _, n := range names {
		if x.Pattern == "" || matches(x.Pattern, n) {
			rows = append(rows, []string{n})
		}
	}
	return s.table([]string{"name"}, rows), nil
}

// matches tests a SHOW pattern: * and % stand for anything, | separates
// alternatives.
func matches(pattern, name string) bool {
	for _, p := range strings.Split(strings.ToLower(pattern), "|") {
		parts := strings.FieldsFunc(p, func(r rune) bool { return r == '*' || r == '%' })
		rest, ok := strings.ToLower(name), true
		for i, part := range parts {
			at := strings.Index(rest, part)
			if at < 0 || i == 0 && at > 0 && p[0] != '*' && p[0] != '%' {
				ok = false
				break
			}
			rest = rest[at+len(part):]
		}
		open := p == "" || p[len(p)-1] == '*' || p[len(p)-1] == '%'
		if ok && (open || rest == "") {
			return true
		}
	}
	return false
}

func (s *Session) describe(ctx context.Context, d *logical.Describe) (*DataFrame, error) {
	p, _, err := s.frame(d.Query).analyzed(ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, a := range p.Output() {
		null := ""
		if !a.Null {
			null = "not null"
		}
		rows = append(rows, []string{a.Name, a.Typ.String(), null})
	}
	return s.table([]string{"col_name", "data_type", "comment"}, rows), nil
}

// resolver answers for files.
type resolver struct{ tables *connector.Registry }

func (r resolver) ResolveTable(ctx context.Context, ref catalog.TableRef) (catalog.Table, error) {
	if ref.Path == "" {
		return nil, diag.New(diag.TableNotFound, "there is no table %s", strings.Join(ref.Parts, "."))
	}
	if ref.Format != "" {
		c, err := r.tables.Lookup(ref.Format)
		if err != nil {
			return nil, err
		}
		return c.Open(ctx, ref)
	}
	c, ok := files.ByPath(r.tables, ref.Path)
	if !ok {
		return nil, diag.New(diag.Unsupported, "the format of %s is not told by its name", ref.Path).
			WithRemedy("write it as parquet.`%s` or csv.`%s`", ref.Path, ref.Path)
	}
	return c.Open(ctx, ref)
}

func (r resolver) TableNames() []string { return nil }

// query is a planned statement.
type query struct {
	analyzed, optimized logical.Plan
	physical            physical.Plan
	graph               *stage.Graph
	conf                []catalog.Option
	zone                *time.Location
	buffer, limit       int64 // bytes of the result that wait to be read, and that are collected
}

func (s *Session) plan(ctx context.Context, p logical.Plan, trace func(string, logical.Plan)) (_ *query, err error) {
	defer func() { // a fault in a rule must not take the process along
		if x := recover(); x != nil {
			err = diag.New(diag.Internal, "planning the query failed: %v", x).WithRemedy("please report the query; EXPLAIN EXTENDED of its parts may show which one it is")
		}
	}()
	s.mu.Lock()
	conf := s.conf.Copy()
	views := make(map[string]logical.Plan, len(s.views))
	for k, v := range s.views {
		views[k] = v
	}
	s.mu.Unlock()
	zone, err := time.LoadLocation(conf.Get(settings.TimeZone).Text)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	next := new(expr.ID)
	q := &query{zone: zone, buffer: conf.Size(settings.ResultBuffer), limit: conf.Size(settings.CollectLimit)}
	if q.analyzed, err = analyze.Analyze(ctx, p, analyze.Options{Resolver: resolver{s.tables}, Views: views, Zone: zone, Now: now, NextID: next}); err != nil {
		return nil, err
	}
	if q.optimized, err = optimize.Optimize(q.analyzed, optimize.Options{NextID: next, Zone: zone, Trace: trace}); err != nil {
		return nil, err
	}
	if q.physical, err = planner.Plan(q.optimized, planner.Options{Executors: 1, Slots: s.driver.Slots(), ShufflePartitions: conf.Int(settings.ShufflePartitions)}); err != nil {
		return nil, err
	}
	q.conf = []catalog.Option{
		{Key: op.ConfBatchRows, Value: conf.Get(settings.BatchRows).Text},
		{Key: op.ConfNow, Value: strconv.FormatInt(now.UnixMicro(), 10)},
		{Key: op.ConfZone, Value: zone.String()},
	}
	return q, nil
}

// start starts a query whose rows are read as they come.
func (s *Session) start(ctx context.Context, q *query) (*Result, error) {
	g, err := stage.Cut(q.physical)
	if err != nil {
		return nil, diag.New(diag.Internal, "%v", err)
	}
	q.graph = g
	stream, err := s.driver.Start(ctx, g, q.conf, q.buffer)
	if err != nil {
		return nil, err
	}
	return &Result{Schema: q.physical.Schema(), zone: q.zone, stream: stream, broker: s.broker, limit: q.limit}, nil
}

func (s *Session) explain(ctx context.Context, x *logical.Explain) (string, error) {
	var b strings.Builder
	q, err := s.plan(ctx, x.Query, nil)
	if err != nil {
		return "", err
	}
	switch x.Mode {
	case logical.ExplainExtended:
		fmt.Fprintf(&b, "== Analyzed ==\n%s== Optimized ==\n%s== Physical ==\n%s", logical.Tree(q.analyzed), logical.Tree(q.optimized), physical.Tree(q.physical))
	case logical.ExplainFormatted:
		g, err := stage.Cut(q.physical)
		if err != nil {
			return "", err
		}
		b.WriteString(g.String())
	case logical.ExplainAnalyze:
		r, err := s.start(ctx, q)
		if err != nil {
			return "", err
		}
		defer r.Close()
		for err == nil { // the rows are not wanted
			_, err = r.next()
		}
		if !errors.Is(err, io.EOF) {
			return "", err
		}
		b.WriteString(analysis(r.Stats()))
	default:
		b.WriteString(physical.Tree(q.physical))
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// analysis renders what each operator of a run did.
func analysis(r *driver.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f ms in all\n", r.Millis)
	for _, st := range r.Stages {
		fmt.Fprintf(&b, "stage %d: %d tasks, %.1f ms", st.Stage.ID, st.Tasks, st.Millis)
		if st.Stage.Out != nil {
			fmt.Fprintf(&b, " → exchange %d %s", st.Stage.Out.Exchange, st.Stage.Out.Partitioning)
		}
		b.WriteString("\n")
		for i, o := range st.Operators {
			own := o.Nanos
			for k := i + 1; k < len(st.Operators) && st.Operators[k].Depth > o.Depth; k++ {
				if st.Operators[k].Depth == o.Depth+1 {
					own -= st.Operators[k].Nanos
				}
			}
			fmt.Fprintf(&b, "  %s%s\n  %s  rows %d, batches %d, own time %.1f ms", strings.Repeat("  ", o.Depth), o.Node, strings.Repeat("  ", o.Depth), o.Rows, o.Batches, float64(own)/1e6)
			if o.RowsRead > 0 || o.RowGroups > 0 {
				fmt.Fprintf(&b, ", read %d rows, %.1f MiB, row groups %d (%d pruned), pages pruned %d, rows pruned %d", o.RowsRead, float64(o.BytesRead)/(1<<20), o.RowGroups, o.RowGroupsPruned, o.PagesPruned, o.RowsPruned)
			}
			if o.PeakBytes > 0 {
				fmt.Fprintf(&b, ", peak %.1f MiB a task, spilled %.1f MiB", float64(o.PeakBytes)/(1<<20), float64(o.SpilledBytes)/(1<<20))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
