package stage

import (
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/physical"
)

// What a task takes beside its operators' floors and what its splits ask for:
// scratch of expressions and of a batch under way, of each column that it reads.
const (
	taskBytes   = 1 << 20
	columnBytes = 128 << 10
)

// placeBytes is what reading spilled rows in one more place takes: a chunk as it
// is stored and decoded, and keys.
const placeBytes = 384 << 10

// Memory is the least with which a stage can run, in bytes. More makes it spill
// less.
type Memory struct {
	Task   int64 // of each task
	Kept   int64 // of it, for the operators that keep rows: a memory.Floor each
	Shared int64 // of what its tasks share
}

// MemoryOf returns the least memory of the stage of a plan; out is nil for the
// result stage.
func MemoryOf(p physical.Plan, out *Output) Memory {
	m := Memory{}
	if out != nil {
		m.Kept = memory.Floor
	}
	m.add(p)
	m.Task += m.Kept + taskBytes
	return m
}

// WindowMemory returns what a window operator keeps of its task's minimum: enough
// to read a partition on disk in as many places as its functions look at.
func WindowMemory(w *physical.Window) int64 {
	n := int64(memory.Floor)
	for i := range w.Calls {
		n += int64(physical.WindowPlaces(&w.Calls[i])) * placeBytes
	}
	return n
}

func (m *Memory) add(p physical.Plan) {
	switch x := p.(type) {
	case *physical.Scan:
		m.Task += int64(len(x.Columns)) * columnBytes
	case *physical.Source:
		if x.Mode == physical.ReadMerge {
			m.Kept += memory.Floor
		}
	case *physical.Aggregate, *physical.Sort, *physical.TopN:
		m.Kept += memory.Floor
	case *physical.Window:
		m.Kept += WindowMemory(x)
	case *physical.HashJoin:
		m.Kept += memory.Floor
		if x.Shared {
			m.Shared += memory.Floor
		}
	case *physical.LoopJoin:
		m.Kept += memory.Floor
		if x.Shared {
			m.Shared += memory.Floor
		}
	}
	for _, k := range p.Children() {
		m.add(k)
	}
}

// Shared returns the least memory of what all stages of a graph share together, as
// if they ran at once.
func (g *Graph) Shared() (n int64) {
	for _, s := range g.Stages {
		n += MemoryOf(s.Root, s.Out).Shared
	}
	return n
}
