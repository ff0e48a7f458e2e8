package millrace

import (
	"context"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/dataset"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// persisted is a plan whose rows are kept once they are computed.
type persisted struct {
	name  string // of the table, "" for a frame
	plan  logical.Plan
	level StorageLevel
	key   string // of the analyzed plan; "" before the first
	table *dataset.Table
}

// Persist has the frame's rows kept once a query computes them. Any query of the
// session that contains the frame then reads them. When a file that the frame reads
// changes, they are computed again. A frame that is persisted stays so until Unpersist.
func (d *DataFrame) Persist(ctx context.Context, level StorageLevel) error {
	if d.err != nil {
		return d.err
	}
	if err := level.check(); err != nil {
		return at(caller(), err)
	}
	if _, err := d.s.persist(ctx, "", d.plan, level); err != nil {
		return d.blame(ctx, err)
	}
	return nil
}

// Unpersist forgets the frame's rows. It does nothing for a frame that is not
// persisted.
func (d *DataFrame) Unpersist(ctx context.Context) error {
	if d.err != nil {
		return d.err
	}
	_, err := d.s.unpersist(ctx, d.plan)
	return err
}

// keyOf analyzes a plan and names what it computes.
func (s *Session) keyOf(ctx context.Context, p logical.Plan, o analyze.Options) (logical.Plan, string, error) {
	o.NextID = new(expr.ID)
	a, err := analyze.Analyze(ctx, p, o)
	if err != nil {
		return nil, "", err
	}
	return a, dataset.Key(a, o.Zone.String()), nil
}

// persist registers a plan. It reports whether it is new.
func (s *Session) persist(ctx context.Context, name string, p logical.Plan, level StorageLevel) (bool, error) {
	_, o, err := s.planning()
	if err != nil {
		return false, err
	}
	s.keeping.Lock()
	defer s.keeping.Unlock()
	_, key, err := s.keyOf(ctx, p, o)
	if err != nil {
		return false, err
	}
	for _, x := range s.persisted {
		if x.key != key {
			continue
		}
		if x.level != level {
			return false, diag.New(diag.InvalidArgument, "the rows are kept already, at level %s", x.level).WithRemedy("unpersist them first, or UNCACHE TABLE")
		}
		if name != "" {
			x.name = name
		}
		return false, nil
	}
	s.persisted = append(s.persisted, &persisted{name: name, plan: p, level: level, key: key})
	return true, nil
}

// unpersist forgets a plan's rows. It reports whether there were any.
func (s *Session) unpersist(ctx context.Context, p logical.Plan) (bool, error) {
	_, o, err := s.planning()
	if err != nil {
		return false, err
	}
	s.keeping.Lock()
	defer s.keeping.Unlock()
	_, key, err := s.keyOf(ctx, p, o)
	if err != nil {
		return false, err
	}
	return s.forget(func(x *persisted) bool { return x.key == key }), nil
}

// forget drops the datasets for which f is true. s.keeping is held.
func (s *Session) forget(f func(*persisted) bool) (any bool) {
	keep := s.persisted[:0:0]
	for _, x := range s.persisted {
		if !f(x) {
			keep = append(keep, x)
			continue
		}
		any = true
		s.drop(x)
	}
	s.persisted = keep
	return any
}

// drop gives the rows of a dataset back.
func (s *Session) drop(x *persisted) {
	if x.table != nil {
		delete(s.live, x.table.ID)
		s.driver.Forget(x.table.ID)
		x.table = nil
	}
}

// reading lets a plan read datasets in the place of what they hold. Before, each
// dataset is compared with what its plan means now: one whose files or views have
// changed begins anew.
func (s *Session) reading(ctx context.Context, p logical.Plan, o analyze.Options, plan func(logical.Plan, *expr.ID) (logical.Plan, physical.Plan, error)) (logical.Plan, error) {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	if len(s.persisted) == 0 {
		return p, nil
	}
	tables := map[string]*dataset.Table{}
	find := func(key string) (*dataset.Table, bool) {
		t, ok := tables[key]
		return t, ok
	}
	zone := o.Zone.String()
	for _, x := range s.persisted {
		k := o
		k.NextID = new(expr.ID)
		analyzed, err := analyze.Analyze(ctx, x.plan, k)
		if err != nil { // its view or its files are gone: nobody can ask for it
			continue
		}
		if key := dataset.Key(analyzed, zone); key != x.key || x.table == nil {
			s.drop(x)
			x.key = key
			if x.table, err = s.dataset(x, analyzed, zone, k.NextID, find, plan); err != nil {
				return nil, err
			}
		}
		if n := s.datasets.Registry.Size(x.table.ID); n.Held == n.Partitions && n.Partitions > 0 {
			x.table.Known.Rows, x.table.Known.Bytes = float64(n.Rows), float64(n.Bytes)
		}
		tables[x.key] = x.table
	}
	return dataset.Substitute(p, zone, find)
}

// dataset plans what computes a dataset.
func (s *Session) dataset(x *persisted, analyzed logical.Plan, zone string, next *expr.ID, find func(string) (*dataset.Table, bool), plan func(logical.Plan, *expr.ID) (logical.Plan, physical.Plan, error)) (*dataset.Table, error) {
	p, err := dataset.Substitute(analyzed, zone, find)
	if err != nil {
		return nil, err
	}
	optimized, origin, err := plan(p, next)
	if err != nil {
		return nil, err
	}
	if origin, err = dataset.Origin(origin, 2*s.driver.Slots()); err != nil {
		return nil, diag.New(diag.Internal, "%v", err)
	}
	s.nextDataset++
	t := &dataset.Table{ID: s.nextDataset, Label: x.name, Columns: origin.Schema(), Storage: x.level.storage(), Origin: origin}
	if t.Label == "" {
		t.Label = "dataset " + strconv.Itoa(t.ID)
	}
	t.Known = dataset.Statistics(optimized)
	s.live[t.ID] = true
	return t, nil
}

// alive makes scans of datasets that are no more kept, but that others were planned
// on, read what these are made of. s.keeping is held.
func (s *Session) alive(p physical.Plan) physical.Plan {
	kids := p.Children()
	changed := false
	fresh := make([]physical.Plan, len(kids))
	for i, k := range kids {
		fresh[i] = s.alive(k)
		changed = changed || fresh[i] != k
	}
	if changed {
		p = p.WithChildren(fresh)
	}
	if x, ok := p.(*physical.Scan); ok && x.Dataset != nil && x.Dataset.Storage != (physical.Storage{}) && !s.live[x.Dataset.ID] {
		d, k := *x, *x.Dataset
		k.Storage = physical.Storage{}
		d.Dataset = &k
		return &d
	}
	return p
}

func (s *Session) cacheTable(ctx context.Context, c *logical.CacheTable) (*DataFrame, error) {
	level := MemoryAndDisk
	for k, v := range c.Options {
		var err error
		switch {
		case strings.EqualFold(k, "storageLevel"):
			priority := level.Priority
			level, err = ParseStorageLevel(v)
			level.Priority = priority
		case strings.EqualFold(k, "priority"):
			if level.Priority, err = strconv.Atoi(v); err != nil || level.Priority < -100 || level.Priority > 100 {
				err = diag.NewAt(c.Place, diag.InvalidArgument, "a priority is a number from -100 to 100, not %s", v)
			}
		default:
			err = diag.NewAt(c.Place, diag.InvalidArgument, "CACHE TABLE has no option %s", k).WithRemedy("there are storageLevel and priority")
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Query != nil {
		if _, err := s.createView(ctx, &logical.CreateView{Name: c.Name, Query: c.Query, Place: c.Place}); err != nil {
			return nil, err
		}
	}
	if _, err := s.persist(ctx, strings.ToLower(c.Name), c.Table, level); err != nil {
		return nil, err
	}
	if !c.Lazy {
		if _, err := s.frame(c.Table).Count(ctx); err != nil {
			return nil, err
		}
	}
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) uncacheTable(ctx context.Context, u *logical.UncacheTable) (*DataFrame, error) {
	s.keeping.Lock()
	named := s.forget(func(x *persisted) bool { return x.name != "" && x.name == strings.ToLower(u.Name) })
	s.keeping.Unlock()
	if !named {
		ok, err := s.unpersist(ctx, u.Table)
		if err != nil && !u.IfExists {
			return nil, err
		}
		if !ok && !u.IfExists {
			return nil, diag.NewAt(u.Place, diag.TableNotFound, "table %s is not cached", u.Name).WithRemedy("SHOW CACHE lists those that are; UNCACHE TABLE IF EXISTS passes over others")
		}
	}
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) clearCache() *DataFrame {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.forget(func(*persisted) bool { return true })
	return s.table([]string{"result"}, nil)
}

// hits tells how many reads found what they looked for in memory.
func hits(n, of int64) string {
	if of == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*float64(n)/float64(of), 'f', 1, 64) + " % of " + strconv.FormatInt(of, 10)
}

// showCache lists the datasets, what is held of them and how many of the blocks that
// tasks read were in memory there, and what this process keeps that can be rebuilt. Bytes
// are those of decoded rows; in memory and on disk lie all copies together.
func (s *Session) showCache() *DataFrame {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	var rows [][]string
	for _, x := range s.persisted {
		name, held, count, bytes, rate, copies := x.name, "0 of 0", "0", "0", hits(0, 0), "0"
		memory, disk, evicted := "0", "0", "0"
		if x.table != nil {
			n := s.datasets.Registry.Size(x.table.ID)
			name, held = x.table.Label, strconv.Itoa(n.Held)+" of "+strconv.Itoa(n.Partitions)
			count, bytes = strconv.FormatInt(n.Rows, 10), strconv.FormatInt(n.Bytes, 10)
			rate, copies = hits(n.Hits, n.Reads), strconv.Itoa(n.Copies)
			memory, disk, evicted = strconv.FormatInt(n.Memory, 10), strconv.FormatInt(n.Disk, 10), strconv.FormatInt(n.Evicted, 10)
		}
		rows = append(rows, []string{name, x.level.String(), strconv.Itoa(x.level.Priority), held, count, bytes, rate, copies, memory, disk, evicted})
	}
	for _, x := range s.front.Stats() {
		rows = append(rows, []string{"(" + string(x.Kind) + ")", "FRONT", "", strconv.FormatInt(x.Items, 10), "", strconv.FormatInt(x.Bytes, 10), hits(x.Hits, x.Hits+x.Misses), "", strconv.FormatInt(x.Bytes, 10), "0", strconv.FormatInt(x.Evicted, 10)})
	}
	return s.table([]string{"name", "level", "priority", "partitions", "rows", "bytes", "hits", "copies", "memory", "disk", "evicted"}, rows)
}
