package cache

import (
	"cmp"
	"math"
	"slices"
)

// costs lets blocks leave whose bytes are cheapest to make again (GreedyDual-Size with
// frequency: Cherkasova, HP Labs TR-98-69). What left last raises the level that
// newer blocks start from, so that dear ones that nobody reads leave in the end.
type costs struct {
	level  float64
	blocks map[BlockID]*valued
}

// valued is a block with the level at which it was read last, and how often it was.
type valued struct {
	Candidate
	level, reads float64
}

// readBack is how much cheaper it is to read a block back from disk than to make it.
const readBack = 0.2

// NewCost returns a policy by which blocks leave first that are cheapest to make again
// for their size.
func NewCost() Policy { return &costs{blocks: map[BlockID]*valued{}} }

func (v *valued) worth() float64 {
	if v.Cost == 0 {
		return math.Inf(1)
	}
	w := v.Cost.Seconds() * v.reads / float64(max(v.Bytes, 1))
	if v.Kept {
		w *= readBack
	}
	return v.level + w
}

// Added implements Policy.
func (c *costs) Added(b Candidate) { c.blocks[b.ID] = &valued{b, c.level, 1} }

// Read implements Policy.
func (c *costs) Read(id BlockID) {
	if v := c.blocks[id]; v != nil {
		v.level, v.reads = c.level, v.reads+1
	}
}

// Removed implements Policy.
func (c *costs) Removed(id BlockID) {
	if v := c.blocks[id]; v != nil {
		if w := v.worth(); !math.IsInf(w, 1) {
			c.level = max(c.level, w)
		}
		delete(c.blocks, id)
	}
}

// Victims implements Policy.
func (c *costs) Victims(yield func(BlockID) bool) {
	type entry struct {
		id    BlockID
		worth float64
	}
	all := make([]entry, 0, len(c.blocks))
	for id, v := range c.blocks {
		all = append(all, entry{id, v.worth()})
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(a.id.Exchange, b.id.Exchange), cmp.Compare(a.id.Map, b.id.Map), cmp.Compare(a.id.Partition, b.id.Partition))
	})
	for _, e := range all {
		if !yield(e.id) {
			return
		}
	}
}
