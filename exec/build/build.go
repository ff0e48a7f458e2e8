// Package build makes operators out of a stage's physical plan: one switch from
// node to constructor, each operator measured.
package build

import (
	"fmt"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/accumulate"
	"github.com/millrace-engine/millrace/exec/op/agg"
	"github.com/millrace-engine/millrace/exec/op/apply"
	"github.com/millrace-engine/millrace/exec/op/cached"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/exec/op/expand"
	"github.com/millrace-engine/millrace/exec/op/filter"
	"github.com/millrace-engine/millrace/exec/op/generate"
	"github.com/millrace-engine/millrace/exec/op/join"
	"github.com/millrace-engine/millrace/exec/op/limit"
	"github.com/millrace-engine/millrace/exec/op/project"
	"github.com/millrace-engine/millrace/exec/op/scan"
	"github.com/millrace-engine/millrace/exec/op/sort"
	"github.com/millrace-engine/millrace/exec/op/union"
	"github.com/millrace-engine/millrace/exec/op/values"
	"github.com/millrace-engine/millrace/exec/op/window"
	"github.com/millrace-engine/millrace/exec/op/write"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Tree is a built plan: the root operator and each node's metrics in preorder.
type Tree struct {
	Root  op.Operator
	nodes []entry
}

type entry struct {
	node  physical.Plan
	depth int
	m     *op.Metrics
	usage op.Accountant // nil: the operator keeps nothing
	adds  *accumulate.Operator
	kept  *cached.Operator
}

// Build makes the operators of a plan.
func Build(p physical.Plan) (*Tree, error) {
	t := &Tree{}
	root, err := t.build(p, 0)
	t.Root = root
	return t, err
}

func (t *Tree) build(p physical.Plan, depth int) (op.Operator, error) {
	key := len(t.nodes)
	m := &op.Metrics{}
	t.nodes = append(t.nodes, entry{node: p, depth: depth, m: m})
	kids := make([]op.Operator, len(p.Children()))
	for i, k := range p.Children() {
		o, err := t.build(k, depth+1)
		if err != nil {
			return nil, err
		}
		kids[i] = o
	}
	var o op.Operator
	switch x := p.(type) {
	case *physical.Scan:
		if x.Dataset == nil {
			o = scan.New(x, m)
			break
		}
		source := cached.New(x, m, kids[0])
		t.nodes[key].kept = source
		o = source
		if len(x.Filters)+len(x.RuntimeFilters) > 0 {
			o = filter.New(&physical.Filter{Conjuncts: x.Filters, RuntimeFilters: x.RuntimeFilters}, o)
		}
		o = cached.Project(x, o)
	case *physical.Values:
		o = values.New(x)
	case *physical.Source:
		if x.Mode == physical.ReadMerge {
			o = sort.NewMerge(x)
		} else {
			o = exchange.NewSource(x)
		}
	case *physical.Filter:
		o = filter.New(x, kids[0])
	case *physical.Project:
		o = project.New(x, kids[0])
	case *physical.Apply:
		o = apply.New(x, kids[0])
	case *physical.Generate:
		o = generate.New(x, kids[0])
	case *physical.Accumulate:
		t.nodes[key].adds = accumulate.New(x, kids[0])
		o = t.nodes[key].adds
	case *physical.Aggregate:
		o = agg.New(x, kids[0])
	case *physical.HashJoin:
		o = join.NewHash(x, key, kids[0], kids[1])
	case *physical.LoopJoin:
		o = join.NewLoop(x, key, kids[0], kids[1])
	case *physical.Expand:
		o = expand.New(x, kids[0])
	case *physical.Window:
		o = window.New(x, kids[0])
	case *physical.Sort:
		o = sort.NewSort(x, kids[0])
	case *physical.TopN:
		o = sort.NewTopN(x, kids[0])
	case *physical.Limit:
		o = limit.New(x, kids[0])
	case *physical.Union:
		leaves := make([][]int, len(x.Inputs))
		for i, k := range x.Inputs {
			leaves[i] = leavesOf(k)
		}
		o = union.New(x, kids, leaves)
	case *physical.Write:
		o = write.New(x, kids[0])
	default:
		return nil, fmt.Errorf("build: no operator for %T", p)
	}
	t.nodes[key].usage, _ = o.(op.Accountant)
	return &op.Measured{Operator: o, M: m}, nil
}

// Updates returns what the task adds to accumulators, once it has succeeded.
func (t *Tree) Updates() (out []exec.Update) {
	for _, e := range t.nodes {
		if e.adds != nil {
			out = append(out, e.adds.Update())
		}
	}
	return out
}

// Kept returns the partitions of cached datasets that the task computed and kept.
func (t *Tree) Kept() (out []exec.Kept) {
	for _, e := range t.nodes {
		if e.kept != nil {
			out = append(out, e.kept.Kept()...)
		}
	}
	return out
}

// leavesOf lists the leaves below a node that tasks are assigned.
func leavesOf(p physical.Plan) []int {
	switch x := p.(type) {
	case *physical.Scan:
		return []int{x.Leaf}
	case *physical.Values:
		return []int{x.Leaf}
	case *physical.Source:
		if x.Mode == physical.ReadAll {
			return nil
		}
		return []int{x.Leaf}
	}
	var out []int
	for _, k := range p.Children() {
		out = append(out, leavesOf(k)...)
	}
	return out
}

// Stats returns what each operator did so far, in preorder.
func (t *Tree) Stats() []event.OperatorStats {
	out := make([]event.OperatorStats, len(t.nodes))
	for i, e := range t.nodes {
		out[i] = event.OperatorStats{Node: e.node.String(), Depth: e.depth, Rows: e.m.Rows.Load(), Batches: e.m.Batches.Load(), Bytes: e.m.Bytes.Load(), Nanos: e.m.Nanos.Load(),
			BytesRead: e.m.Scan.BytesRead.Load(), RowsRead: e.m.Scan.RowsRead.Load(), RowGroups: e.m.Scan.RowGroups.Load(),
			RowGroupsPruned: e.m.Scan.RowGroupsPruned.Load(), PagesPruned: e.m.Scan.PagesPruned.Load(), RowsPruned: e.m.Scan.RowsPruned.Load(), FrontHits: e.m.Scan.FrontHits.Load(), FrontMisses: e.m.Scan.FrontMisses.Load(),
			CacheHits: e.m.Scan.CacheHits.Load(), CacheDisk: e.m.Scan.CacheDisk.Load(), CacheFetched: e.m.Scan.CacheFetched.Load(), CacheMisses: e.m.Scan.CacheMisses.Load()}
		if x, ok := e.node.(*physical.Scan); ok && x.Dataset != nil {
			out[i].Dataset = x.Dataset.ID
		}
		if e.usage != nil {
			out[i].PeakBytes, out[i].SpilledBytes = e.usage.Usage()
		}
	}
	return out
}
