package millrace

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/adapt"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/planner"
	"github.com/millrace-engine/millrace/plan/stage"
)

// resolver answers for files.
type resolver struct {
	tables *connector.Registry
	zone   *time.Location
}

func (r resolver) ResolveTable(ctx context.Context, ref catalog.TableRef) (catalog.Table, error) {
	if ref.Path == "" {
		return nil, diag.New(diag.TableNotFound, "there is no table %s", strings.Join(ref.Parts, "."))
	}
	ref.Zone = r.zone.String()
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
	adapt               *adapt.Options // nil: the plan stays as it is
	zone                *time.Location
	buffer, limit       int64 // bytes of the result that wait to be read, and that are collected
}

// planning returns the settings that hold now, and what names mean.
func (s *Session) planning() (*settings.Set, analyze.Options, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conf := s.conf.Copy()
	zone, err := time.LoadLocation(conf.Get(settings.TimeZone).Text)
	return conf, analyze.Options{Resolver: resolver{s.tables, zone}, Views: maps.Clone(s.views), Functions: s.callable(), Zone: zone, Now: time.Now(), NextID: new(expr.ID)}, err
}

// plan plans a query; trace, if not nil, is told what each rule made of it.
func (s *Session) plan(ctx context.Context, p logical.Plan, trace func(string, logical.Plan)) (_ *query, err error) {
	defer func() { // a fault in a rule must not take the process along
		if x := recover(); x != nil {
			err = diag.New(diag.Internal, "planning the query failed: %v", x).WithRemedy("please report the query; EXPLAIN EXTENDED of its parts may show which one it is")
		}
	}()
	conf, o, err := s.planning()
	if err != nil {
		return nil, err
	}
	q := &query{zone: o.Zone, buffer: conf.Size(settings.ResultBuffer), limit: conf.Size(settings.CollectLimit)}
	if q.analyzed, err = analyze.Analyze(ctx, p, o); err != nil {
		return nil, err
	}
	po := planner.Options{Executors: s.executorCount(), Slots: s.driver.Slots(), Memory: s.executorMemory(conf), ShufflePartitions: conf.Int(settings.ShufflePartitions)}
	if po.BroadcastRows = float64(conf.Int(settings.BroadcastRows)); po.BroadcastRows == 0 {
		po.BroadcastRows = -1
	}
	if conf.Get(settings.RuntimeFilters).Text == "off" {
		po.RuntimeFilters = planner.FiltersOff
	}
	lower := func(p logical.Plan, next *expr.ID) (optimized logical.Plan, run physical.Plan, err error) {
		if optimized, err = optimize.Optimize(p, optimize.Options{NextID: next, Zone: o.Zone, Trace: trace}); err == nil {
			run, err = planner.Plan(optimized, po)
		}
		return optimized, run, err
	}
	read, err := s.reading(ctx, q.analyzed, o, lower)
	if err != nil {
		return nil, err
	}
	if q.optimized, q.physical, err = lower(read, o.NextID); err != nil {
		return nil, err
	}
	if conf.Get(settings.ExchangeReuse).Text == "true" {
		if q.physical, err = adapt.Reuse(q.physical); err != nil {
			return nil, err
		}
	}
	s.keeping.Lock()
	q.physical = s.alive(q.physical)
	s.keeping.Unlock()
	q.adapt = s.adaptive(conf, po.Memory)
	q.conf = []catalog.Option{
		{Key: op.ConfBatchRows, Value: conf.Get(settings.BatchRows).Text},
		{Key: op.ConfNow, Value: strconv.FormatInt(o.Now.UnixMicro(), 10)},
		{Key: op.ConfZone, Value: o.Zone.String()},
		{Key: driver.ConfPool, Value: conf.Get(settings.SchedulerPool).Text},
	}
	return q, nil
}

// job is what the driver is to do.
func (q *query) job() driver.Query {
	return driver.Query{Graph: q.graph, Conf: q.conf, Window: q.buffer, Adapt: q.adapt}
}

// adaptive returns how plans may change while queries run.
func (s *Session) adaptive(conf *settings.Set, memory int64) *adapt.Options {
	if conf.Get(settings.Adaptive).Text == "false" {
		return nil
	}
	on := func(key string) bool { return conf.Get(key).Text == "true" }
	o := &adapt.Options{Executors: s.executorCount(), Slots: max(1, s.driver.Slots()),
		Coalesce: on(settings.AdaptiveCoalesce), Advisory: conf.Size(settings.AdaptiveAdvisory), Least: conf.Size(settings.AdaptiveLeast),
		Empty: on(settings.AdaptiveEmpty), LocalRead: on(settings.AdaptiveLocalRead),
		Skew: on(settings.AdaptiveSkew), SkewFactor: float64(conf.Int(settings.AdaptiveSkewFactor)), SkewThreshold: conf.Size(settings.AdaptiveSkewThreshold),
	}
	if o.Executors > 1 { // one has a table for all of its tasks anyway
		o.Broadcast, o.Shuffle = conf.Size(settings.AdaptiveBroadcast), conf.Size(settings.AdaptiveShuffle)
		if memory > 0 && o.Shuffle > 0 {
			o.Shuffle = min(o.Shuffle, memory/4)
		}
	}
	return o
}

// start starts a query whose rows are read as they come.
func (s *Session) start(ctx context.Context, q *query) (*Result, error) {
	g, err := stage.Cut(q.physical)
	if err != nil {
		return nil, diag.New(diag.Internal, "%v", err)
	}
	g.Query = description(ctx)
	q.graph = g
	stream, err := s.driver.Start(ctx, q.job())
	if err != nil {
		return nil, err
	}
	return &Result{Schema: q.physical.Schema(), zone: q.zone, stream: stream, broker: s.broker, limit: q.limit}, nil
}
