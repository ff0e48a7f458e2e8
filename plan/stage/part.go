package stage

import (
	"fmt"
	"slices"
)

// Part is what a task reads of an exchange: partitions From … To−1 of the outputs of
// the map tasks Maps, ascending; nil stands for all of them.
type Part struct {
	From, To int
	Maps     []int
}

// One returns a whole partition.
func One(p int) Part { return Part{From: p, To: p + 1} }

// Whole reports whether the part holds all rows of its partitions.
func (p Part) Whole() bool { return p.Maps == nil }

// Has reports whether the rows of a map task are in the part.
func (p Part) Has(mapTask int) bool {
	if p.Maps == nil {
		return true
	}
	_, ok := slices.BinarySearch(p.Maps, mapTask)
	return ok
}

// String prints "3", "3-7", "3 of maps [0 1]".
func (p Part) String() string {
	s := fmt.Sprint(p.From)
	if p.To > p.From+1 {
		s = fmt.Sprintf("%d-%d", p.From, p.To-1)
	}
	if p.Maps != nil {
		s += fmt.Sprintf(" of maps %v", p.Maps)
	}
	return s
}
