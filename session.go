package millrace

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/artifacts/wasm"
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/local"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
)

// Session runs queries on a master. It is safe for concurrent use. Close ends
// it.
type Session struct {
	driver *driver.Driver
	place  settings.Place
	broker *memory.Broker
	tables *connector.Registry
	front  *front.Cache // of tables
	bus    *event.Bus
	sight  *sight
	spill  *spill.Space // of executors in this process; nil if there are none
	govern func()       // ends the hold on the collector

	mu   sync.Mutex
	conf *settings.Set
	// scratch is where checkpoints lie that go with the session, "" before the first.
	scratch string
	views   map[string]logical.Plan

	artifacts artifactSet
	libraries wasm.Libraries
	functions map[string]*expr.Function // of libraries, by name; guarded by mu

	accumulators []AnyAccumulator // by id, from 1 on

	datasets *driver.Datasets // what executors hold of those below

	keeping     sync.Mutex // is taken before mu
	persisted   []*persisted
	live        map[int]bool // ids of datasets that are kept
	nextDataset int
}

// Option configures a session.
type Option func(*options) error

type options struct {
	conf             *settings.Set
	waiting          func(reason string)
	files, libraries []string
}

// WithSetting sets a configuration key, as SET key = value does.
func WithSetting(key, value string) Option {
	return func(o *options) error { return o.conf.Put(key, value, "code") }
}

// WithFiles adds files as Session.AddFile does.
func WithFiles(paths ...string) Option {
	return func(o *options) error { o.files = append(o.files, paths...); return nil }
}

// WithLibraries adds libraries as Session.AddLibrary does.
func WithLibraries(paths ...string) Option {
	return func(o *options) error { o.libraries = append(o.libraries, paths...); return nil }
}

// WithWaiting has f called when Open waits for executors of a cluster, with the
// reason why there are none yet, and whenever that changes.
func WithWaiting(f func(reason string)) Option {
	return func(o *options) error { o.waiting = f; return nil }
}

// Open starts a session on a master: "local", "local[n]", "local[*]", or
// "local-cluster[executors,cores,MiB]", whose executors are processes (see Main),
// or "millrace://host:port", a standalone cluster; "" takes the configured one. Settings come from millrace.toml, the environment and the
// options, in this order.
func Open(ctx context.Context, master string, opts ...Option) (*Session, error) {
	if os.Getenv(process.Environment) != "" { // a session here would have executors that do the same, and so on
		return nil, errNoMain("this process is an executor of another session")
	}
	conf, err := settings.Load()
	if err != nil {
		return nil, err
	}
	if master != "" {
		if err := conf.Put(settings.Master, master, "code"); err != nil {
			return nil, err
		}
	}
	how := &options{conf: conf}
	for _, o := range opts {
		if err := o(how); err != nil {
			return nil, err
		}
	}
	place, err := settings.ParseMaster(conf.Get(settings.Master).Text)
	if err != nil {
		return nil, err
	}
	budget, err := settings.Bytes(conf.Get(settings.Memory).Text)
	if err != nil {
		return nil, err
	}
	kept := &front.Cache{}
	s := &Session{libraries: wasm.Libraries{Next: program.functions.Finder()}, functions: map[string]*expr.Function{}, conf: conf, place: place, views: map[string]logical.Plan{}, bus: &event.Bus{}, datasets: driver.NewDatasets(), live: map[int]bool{}, broker: memory.NewBroker(budget), front: kept, tables: files.Registry(kept)}
	kept.Attach(s.broker, front.Mode(conf.Get(settings.CacheFront).Text))
	most, slots := s.most()
	scheduled, err := scheduling(conf, most, slots)
	if err != nil {
		return nil, err
	}
	begin := most
	if scheduled.Allocation != nil {
		begin = scheduled.Allocation.Least
	}
	if s.sight, err = newSight(ctx, conf, s.bus, budget); err != nil {
		return nil, err
	}
	tracker, results := shuffle.NewTracker(), &driver.Results{}
	backend, err := s.executors(ctx, begin, tracker, results, how.waiting)
	if err != nil {
		return nil, errors.Join(err, s.sight.close())
	}
	s.govern = s.broker.Govern()
	scheduled.Backend, scheduled.Tables, scheduled.Tracker, scheduled.Results = backend, s.tables, tracker, results
	scheduled.Memory, scheduled.Bus, scheduled.Accumulate, scheduled.Datasets = s.broker, s.bus, s.accumulate, s.datasets
	s.driver = driver.New(scheduled)
	for _, add := range []struct {
		paths []string
		kind  artifacts.Kind
	}{{how.files, artifacts.File}, {how.libraries, artifacts.Library}} {
		for _, p := range add.paths {
			if _, err := s.addArtifact(p, add.kind); err != nil {
				return nil, errors.Join(err, s.Close())
			}
		}
	}
	return s, nil
}

// most is how many executors of how many slots the master URL and the settings ask for,
// 0 where the session itself is the executor.
func (s *Session) most() (executors, slots int) {
	switch {
	case s.place.Cluster != "":
		return s.conf.Int(settings.ExecutorCount), s.conf.Int(settings.ExecutorCores)
	case s.place.Processes:
		return s.place.Executors, s.place.Slots
	}
	return 0, s.place.Slots
}

// executors starts the executors that the session begins with.
func (s *Session) executors(ctx context.Context, begin int, tracker *shuffle.Tracker, results *driver.Results, waiting func(string)) (cluster.Backend, error) {
	limit, err := settings.SpillBytes(s.conf.Get(settings.SpillLimit).Text)
	if err != nil {
		return nil, err
	}
	dir, kept := s.conf.Get(settings.SpillDir).Text, s.conf.Get(settings.ShuffleKeep).Text
	if s.place.Cluster != "" {
		return s.register(ctx, begin, tracker, results, limit, waiting)
	}
	if !s.place.Processes {
		if kept != "" {
			kept = filepath.Join(kept, "app-"+strings.ToLower(rand.Text()[:16]))
		}
		keep, err := executor.OpenKeep(kept)
		if err != nil {
			return nil, err
		}
		s.spill = spill.NewSpace(dir)
		s.spill.Limit = limit
		policy := program.policy
		if policy == nil {
			policy = cache.Policies[s.conf.Get(settings.CachePolicy).Text]
		}
		return local.New(executor.Config{CachePolicy: policy, ID: "driver", Slots: s.place.Slots, Broker: s.broker, Tables: s.tables, Outputs: tracker, Results: results, Spill: s.spill, Keep: keep, Functions: &s.libraries}), nil
	}
	if !program.main {
		return nil, errNoMain("the executors of local-cluster are this program once more")
	}
	return process.Start(ctx, process.Config{Executors: begin, Slots: s.place.Slots, Memory: s.place.Memory,
		Transport: s.conf.Get(settings.Transport).Text, SpillDir: dir, SpillLimit: limit, Fetch: fetchLimits(s.conf), Keep: kept, CachePolicy: s.conf.Get(settings.CachePolicy).Text, CacheFront: s.conf.Get(settings.CacheFront).Text, Outputs: tracker, Results: results,
		ArtifactDir: s.conf.Get(settings.ArtifactDir).Text, ArtifactLimit: s.conf.Size(settings.ArtifactLimit),
		Functions: &s.libraries, Fingerprint: program.functions.Fingerprint()})
}

// errNoMain is of programs that do not begin with Main.
func errNoMain(what string) error {
	return diag.New(diag.ClusterFailed, "%s, and it has not called millrace.Main", what).
		WithRemedy("millrace.Main(…) is the first statement of main, and of TestMain in tests")
}

// fetchLimits are what executors may have in flight between each other.
func fetchLimits(c *settings.Set) service.Limits {
	return service.Limits{Task: c.Size(settings.FetchTask), Executor: c.Size(settings.FetchExecutor), Peer: c.Size(settings.FetchPeer),
		Streams: c.Int(settings.FetchStreams), Request: c.Size(settings.FetchRequest), Serving: c.Size(settings.ServeOutstanding), Dial: c.Duration(settings.FetchDial)}
}

// executorMemory is the budget of an executor that the planner reckons with, 0
// where there is only one.
func (s *Session) executorMemory(conf *settings.Set) int64 {
	if s.place.Cluster != "" {
		return conf.Size(settings.ExecutorMemory)
	}
	return s.place.Memory
}

// executorCount is how many executors the planner reckons with. On a cluster they
// come and go: nothing may count on being the only one.
func (s *Session) executorCount() int {
	if s.place.Cluster != "" {
		return max(2, s.driver.Executors())
	}
	return s.place.Executors
}

// Close ends the session; running queries are cancelled.
func (s *Session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer s.govern()
	defer s.artifacts.close()
	defer s.libraries.Close()
	defer s.front.Close()
	s.report()
	err := s.driver.Close(ctx)
	s.mu.Lock()
	scratch := s.scratch
	s.mu.Unlock()
	if scratch != "" {
		err = errors.Join(err, os.RemoveAll(scratch))
	}
	return errors.Join(err, s.sight.close())
}

// SQL parses and analyzes a query. Nothing runs until an action of the result is
// called, except commands (CREATE TEMP VIEW, SET …), which run at once.
func (s *Session) SQL(ctx context.Context, text string) (*DataFrame, error) {
	p, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	df, err := s.statement(described(ctx, text), p)
	if err == nil {
		df.text = text
	}
	return df, err
}

func (s *Session) statement(ctx context.Context, p logical.Plan) (*DataFrame, error) {
	switch x := p.(type) {
	case *logical.CreateView:
		return s.createView(ctx, x)
	case *logical.DropView:
		return s.dropView(x)
	case *logical.CacheTable:
		return s.cacheTable(ctx, x)
	case *logical.UncacheTable:
		return s.uncacheTable(ctx, x)
	case *logical.ClearCache:
		return s.clearCache(), nil
	case *logical.Set:
		return s.set(x)
	case *logical.CreateFunction:
		return s.createFunction(x)
	case *logical.DropFunction:
		return s.dropFunction(x)
	case *logical.Artifact:
		return s.artifact(x)
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
	cells := make([][]any, len(rows))
	for i, r := range rows {
		for _, x := range r {
			cells[i] = append(cells[i], x)
		}
	}
	return s.values(columns, cells)
}

// values makes a frame of rows of texts and nulls.
func (s *Session) values(columns []string, rows [][]any) *DataFrame {
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
