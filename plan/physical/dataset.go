package physical

import (
	"strconv"
	"strings"
)

// Storage says where the rows of a dataset may lie once they were computed. Replicas
// is how many executors hold them, at least 1. Serialized keeps them encoded in
// memory. What has a higher Priority leaves memory later.
type Storage struct {
	Memory, Disk, Serialized bool
	Replicas, Priority       int
}

// String prints the level as SQL names it: MEMORY_AND_DISK_SER_2.
func (s Storage) String() string {
	var parts []string
	switch {
	case s.Memory && s.Disk:
		parts = append(parts, "MEMORY_AND_DISK")
	case s.Memory:
		parts = append(parts, "MEMORY_ONLY")
	case s.Disk:
		parts = append(parts, "DISK_ONLY")
	default:
		return "NONE"
	}
	if s.Serialized && s.Memory {
		parts = append(parts, "SER")
	}
	if s.Replicas > 1 {
		parts = append(parts, strconv.Itoa(s.Replicas))
	}
	return strings.Join(parts, "_")
}

// Dataset makes a scan one of rows that are computed once and kept: those of Origin.
// Each task of the stages that Origin would be the root of makes a partition. Where
// its rows are not there, the scan runs Origin, and keeps them.
type Dataset struct {
	ID      int    // unique in the session, another one when its source has changed
	Name    string // of a cached table, for people; executors are not told
	Storage Storage
	Origin  Plan
}

// Shift adds to the numbers of all exchanges and runtime filters of a plan, so that
// it can be part of another one.
func Shift(p Plan, exchanges, filters int) Plan {
	return Renumber(p, func(id int) int { return id + exchanges }, func(id int) int { return id + filters })
}

// Renumber gives the exchanges and runtime filters of a plan other numbers.
func Renumber(p Plan, exchange, filter func(id int) int) Plan {
	seen := map[*Exchange]*Exchange{} // one that several read stays one
	moved := func(fs []RuntimeFilter) []RuntimeFilter {
		out := append([]RuntimeFilter(nil), fs...)
		for i := range out {
			out[i].ID = filter(out[i].ID)
		}
		return out
	}
	var walk func(p Plan) Plan
	walk = func(p Plan) Plan {
		if e, ok := p.(*Exchange); ok && seen[e] != nil {
			return seen[e]
		}
		kids := append([]Plan(nil), p.Children()...)
		for i, k := range kids {
			kids[i] = walk(k)
		}
		fresh := p
		if len(kids) > 0 {
			fresh = p.WithChildren(kids)
		}
		switch x := fresh.(type) {
		case *Scan:
			d := *x
			d.RuntimeFilters = moved(x.RuntimeFilters)
			return &d
		case *Filter:
			d := *x
			d.RuntimeFilters = moved(x.RuntimeFilters)
			return &d
		case *HashJoin:
			d := *x
			d.RuntimeFilters = append([]int(nil), x.RuntimeFilters...)
			for i, id := range d.RuntimeFilters {
				if id != 0 {
					d.RuntimeFilters[i] = filter(id)
				}
			}
			return &d
		case *TopN:
			d := *x
			if d.Filter != 0 {
				d.Filter = filter(d.Filter)
			}
			return &d
		case *Exchange:
			d := *x
			d.ID = exchange(x.ID)
			d.Filters = moved(x.Filters)
			seen[p.(*Exchange)] = &d
			return &d
		}
		return fresh
	}
	return walk(p)
}

// Numbers returns the highest numbers of exchanges and runtime filters in a plan.
func Numbers(p Plan) (exchanges, filters int) {
	for _, k := range p.Children() {
		e, f := Numbers(k)
		exchanges, filters = max(exchanges, e), max(filters, f)
	}
	switch x := p.(type) {
	case *Exchange:
		exchanges = max(exchanges, x.ID)
		for _, f := range x.Filters {
			filters = max(filters, f.ID)
		}
	case *HashJoin:
		for _, id := range x.RuntimeFilters {
			filters = max(filters, id)
		}
	case *TopN:
		filters = max(filters, x.Filter)
	}
	return exchanges, filters
}
