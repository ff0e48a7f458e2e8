package stage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Determinism says what a second run of a stage yields.
type Determinism uint8

// Stable: the same rows in the same order. Unordered: the same rows. Unstable:
// rows may differ, because they depend on arrival order, time or chance: if an
// output that somebody consumed must be recomputed, all consumers roll back.
const (
	Stable Determinism = iota
	Unordered
	Unstable
)

func (d Determinism) String() string { return [...]string{"stable", "unordered", "unstable"}[d] }

// Stage is a pipeline of narrow operators that runs as tasks.
type Stage struct {
	ID     int           // number within the query, from 0
	Root   physical.Plan // exchanges below are Source leaves
	Inputs []Input
	Out    *Output // nil for the result stage
	Class  Determinism
	// Drivers are the leaves that decide the tasks, grouped: each group
	// contributes its own tasks (a scan's splits, a Values' one, the partitions
	// of the sources that a join reads alike), and a task assigns the leaves of
	// one group. Sources in ReadAll mode are in no group.
	Drivers []Driver
	// Awaits are the stages whose runtime filters this one could use: it is worth
	// waiting for them, but never needed.
	Awaits []int
	// Rewrites tells, in words, what re-planning made of the stage while the query ran.
	Rewrites []string
}

// Driver is a group of leaves that tasks assign together. Either one scan or
// values leaf, or any number of partition sources read with the same partition
// number; Partitions is then their common count. Parts, if not nil, says by task and
// source what a task reads instead of one partition of each; the parts of a source are
// as many as the task has of it.
type Driver struct {
	Scan       *physical.Scan
	Origin     []Driver // of a dataset that is scanned: whose tasks make its partitions
	Values     *physical.Values
	Sources    []*physical.Source
	Partitions int
	Parts      [][]Part
	// Moved, if not nil, is the group of the plan as it was cut that had the scan:
	// re-planning has moved it here with its tasks.
	Moved *Group
}

// Group names a group of leaves by its stage and its place there.
type Group struct{ Stage, Group int }

// Tasks returns how many tasks a group of sources has.
func (d Driver) Tasks() int {
	if d.Parts != nil {
		return len(d.Parts)
	}
	return d.Partitions
}

// Read returns what a task reads of the group's sources, by source.
func (d Driver) Read(task int) []Part {
	if d.Parts != nil {
		return d.Parts[task]
	}
	out := make([]Part, len(d.Sources))
	for i := range out {
		out[i] = One(task)
	}
	return out
}

// Leaves returns the leaf numbers of the group.
func (d Driver) Leaves() []int {
	switch {
	case d.Scan != nil:
		return []int{d.Scan.Leaf}
	case d.Values != nil:
		return []int{d.Values.Leaf}
	}
	out := make([]int, len(d.Sources))
	for i, s := range d.Sources {
		out[i] = s.Leaf
	}
	return out
}

// Input is an exchange that a stage reads.
type Input struct {
	Exchange int
	Stage    int // the stage that writes it
	Mode     physical.SourceMode
	Leaf     int
	// Datasets are the datasets whose origin reads it: it is not needed as long as
	// all partitions of one of them are there. It does not travel.
	Datasets []int
}

// Output is the exchange that a stage writes.
type Output struct {
	Exchange     int
	Partitioning physical.Partitioning
	Order        []expr.SortOrder
	Filters      []physical.RuntimeFilter // that hold the values of the output's columns
}

// Graph is a query's stages, in an order in which they can run.
type Graph struct {
	Stages []*Stage
	Result int    // id of the result stage
	Query  string // what the query is, for people: its SQL text, or what the program says; may be empty
}

// Cut cuts a plan at its exchanges. It fails only on plans that break the
// invariants of package physical.
func Cut(p physical.Plan) (*Graph, error) {
	c := &cutter{byExchange: map[int]int{}, partitions: map[int]int{}}
	if _, err := c.stage(p, nil); err != nil {
		return nil, err
	}
	await(c.stages)
	return &Graph{Stages: c.stages, Result: len(c.stages) - 1}, nil
}

type cutter struct {
	stages     []*Stage
	byExchange map[int]int // exchange → stage that writes it
	partitions map[int]int // exchange → partitions
}

// stage cuts below p and appends the stage of p after those it reads.
func (c *cutter) stage(p physical.Plan, out *Output) (*Stage, error) {
	s := &Stage{Out: out}
	root, err := c.replace(p, s)
	if err != nil {
		return nil, err
	}
	s.ID = len(c.stages)
	if err := c.complete(s, root); err != nil {
		return nil, err
	}
	c.stages = append(c.stages, s)
	return s, nil
}

// complete fills in what follows from a stage's plan and those that it reads.
func (c *cutter) complete(s *Stage, root physical.Plan) (err error) {
	s.Root, s.Inputs = number(root, new(int)), nil
	c.inputs(s, s.Root, nil)
	if s.Drivers, err = c.drivers(s.Root); err != nil {
		return err
	}
	if len(s.Drivers) == 0 {
		return fmt.Errorf("stage without a driving leaf:\n%s", physical.Tree(s.Root))
	}
	s.Class = c.classify(s)
	return nil
}

// replace puts a Source in the place of each exchange below p, cutting the
// stage below first.
func (c *cutter) replace(p physical.Plan, s *Stage) (physical.Plan, error) {
	if e, ok := p.(*physical.Exchange); ok {
		if _, done := c.byExchange[e.ID]; !done {
			st, err := c.stage(e.Child, &Output{e.ID, e.Partitioning, e.Order, e.Filters})
			if err != nil {
				return nil, err
			}
			c.byExchange[e.ID] = st.ID
			c.partitions[e.ID] = max(1, e.Partitioning.Count)
		}
		src := &physical.Source{Exchange: e.ID, Out: e.Schema(), Rows: e.Rows}
		switch {
		case e.Partitioning.Kind == physical.Broadcast:
			src.Mode = physical.ReadAll
		case len(e.Order) > 0:
			src.Mode, src.Order = physical.ReadMerge, e.Order
		}
		return src, nil
	}
	kids := p.Children()
	if len(kids) == 0 {
		return p, nil
	}
	fresh := make([]physical.Plan, len(kids))
	for i, k := range kids {
		n, err := c.replace(k, s)
		if err != nil {
			return nil, err
		}
		fresh[i] = n
	}
	return p.WithChildren(fresh), nil
}

// number gives the leaves their numbers in preorder; leaves are copied, since a
// plan may hold one of them twice.
func number(p physical.Plan, next *int) physical.Plan {
	take := func() int { *next++; return *next - 1 }
	switch x := p.(type) {
	case *physical.Scan:
		d := *x
		d.Leaf = take()
		if x.Dataset != nil {
			return d.WithChildren([]physical.Plan{number(x.Dataset.Origin, next)})
		}
		return &d
	case *physical.Values:
		d := *x
		d.Leaf = take()
		return &d
	case *physical.Source:
		d := *x
		d.Leaf = take()
		return &d
	}
	kids := p.Children()
	fresh := make([]physical.Plan, len(kids))
	for i, k := range kids {
		fresh[i] = number(k, next)
	}
	return p.WithChildren(fresh)
}

// inputs lists the sources below p in preorder as inputs of s.
func (c *cutter) inputs(s *Stage, p physical.Plan, datasets []int) {
	switch x := p.(type) {
	case *physical.Source:
		s.Inputs = append(s.Inputs, Input{x.Exchange, c.byExchange[x.Exchange], x.Mode, x.Leaf, datasets})
	case *physical.Scan:
		if x.Dataset != nil {
			datasets = append(datasets[:len(datasets):len(datasets)], x.Dataset.ID)
		}
	}
	for _, k := range p.Children() {
		c.inputs(s, k, datasets)
	}
}

// drivers finds the groups of leaves that decide the tasks below p: a union
// concatenates its inputs' groups, a join of two partitioned inputs merges them
// into one.
func (c *cutter) drivers(p physical.Plan) ([]Driver, error) {
	switch x := p.(type) {
	case *physical.Scan:
		d := Driver{Scan: x}
		if x.Dataset != nil {
			var err error
			if d.Origin, err = c.drivers(x.Dataset.Origin); err != nil {
				return nil, err
			}
		}
		return []Driver{d}, nil
	case *physical.Values:
		return []Driver{{Values: x}}, nil
	case *physical.Source:
		if x.Mode == physical.ReadAll {
			return nil, nil
		}
		return []Driver{{Sources: []*physical.Source{x}, Partitions: c.partitions[x.Exchange]}}, nil
	}
	var groups []Driver
	_, union := p.(*physical.Union)
	for _, k := range p.Children() {
		g, err := c.drivers(k)
		if err != nil {
			return nil, err
		}
		if union || len(groups) == 0 || len(g) == 0 {
			groups = append(groups, g...)
			continue
		}
		if len(groups) != 1 || len(g) != 1 || groups[0].Sources == nil || g[0].Sources == nil || groups[0].Partitions != g[0].Partitions {
			return nil, fmt.Errorf("inputs are not partitioned alike:\n%s", physical.Tree(p))
		}
		groups[0].Sources = append(groups[0].Sources, g[0].Sources...)
	}
	return groups, nil
}

// await finds out which stages use the runtime filters of others. A stage whose
// rows may be others when it runs again makes none: what its filter dropped
// elsewhere could be wanted then.
func await(stages []*Stage) {
	makers := map[int]int{}
	for _, s := range stages {
		if s.Out == nil {
			continue
		}
		if s.Class == Unstable {
			s.Out.Filters = nil
		}
		for _, f := range s.Out.Filters {
			makers[f.ID] = s.ID
		}
	}
	for _, s := range stages {
		users(s.Root, func(f physical.RuntimeFilter) {
			if m, ok := makers[f.ID]; ok && !slices.Contains(s.Awaits, m) {
				s.Awaits = append(s.Awaits, m)
				s.Class = max(s.Class, Unordered)
			}
		})
	}
}

// users calls f for each runtime filter that a node below p applies.
func users(p physical.Plan, f func(physical.RuntimeFilter)) {
	switch x := p.(type) {
	case *physical.Scan:
		for _, r := range x.RuntimeFilters {
			f(r)
		}
	case *physical.Filter:
		for _, r := range x.RuntimeFilters {
			f(r)
		}
	}
	for _, k := range p.Children() {
		users(k, f)
	}
}

// String renders the graph for EXPLAIN and goldens.
func (g *Graph) String() string {
	var b strings.Builder
	needed := g.Needed()
	for _, s := range g.Stages {
		if !needed[s.ID] {
			fmt.Fprintf(&b, "stage %d is not needed any more\n", s.ID)
			continue
		}
		fmt.Fprintf(&b, "stage %d %s", s.ID, s.Class)
		if s.Out != nil {
			fmt.Fprintf(&b, " → exchange %d %s", s.Out.Exchange, s.Out.Partitioning)
			for _, f := range s.Out.Filters {
				fmt.Fprintf(&b, ", runtime filter %d of %s", f.ID, s.Root.Schema().Fields[f.Column].Name)
			}
		} else {
			b.WriteString(" → result")
		}
		if len(s.Awaits) > 0 {
			fmt.Fprintf(&b, ", awaits %v", s.Awaits)
		}
		b.WriteString("\n")
		for _, r := range s.Rewrites {
			b.WriteString("  ‣ " + r + "\n")
		}
		for _, l := range strings.Split(strings.TrimRight(physical.Tree(s.Root), "\n"), "\n") {
			b.WriteString("  " + l + "\n")
		}
	}
	return b.String()
}
