package keyset

import (
	"cmp"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// firstKeys is for how many keys a collector begins with room.
const firstKeys = 1 << 10

// Collector gathers the keys of rows that pass by. It belongs to one goroutine.
type Collector struct {
	set    Set
	usable bool
	buf    []uint64 // as they came, with doubles
	memory memory.Reservation
}

// NewCollector returns a collector of keys of a type, charged to r.
func NewCollector(t columnar.Type, r memory.Reservation) *Collector {
	return &Collector{set: Set{Range: NewRange(t)}, usable: usable(t), memory: r.Child("keys")}
}

// Add adds the keys of the selected rows of a batch, all if sel is nil.
func (c *Collector) Add(v *columnar.Vector, sel []uint16, s *memory.Scratch) {
	if !c.usable || c.set.many && !c.set.ordered {
		return
	}
	var words []uint64
	if c.set.ordered {
		words = Words(v, s)
		c.set.extend(v, words, sel)
	}
	if c.set.many {
		return
	}
	n := v.Len
	if sel != nil {
		n = len(sel)
	}
	if !c.room(n) {
		return
	}
	if words == nil {
		words = memory.Slice[uint64](s, v.Len)
		kernel.HashVector(v, words, false)
	}
	c.buf = appendKeys(c.buf, words, v, sel)
}

// appendKeys appends the words of rows that are not null. One that follows itself
// is left out: sorted and repeated keys are common.
func appendKeys(out, words []uint64, v *columnar.Vector, sel []uint16) []uint64 {
	nulls := v.HasNulls()
	from := len(out)
	if sel != nil {
		for _, i := range sel {
			if w := words[i]; (!nulls || !v.NullAt(int(i))) && (len(out) == from || out[len(out)-1] != w) {
				out = append(out, w)
			}
		}
		return out
	}
	for i, w := range words {
		if (!nulls || !v.NullAt(i)) && (len(out) == from || out[len(out)-1] != w) {
			out = append(out, w)
		}
	}
	return out
}

// room makes room for n more keys; where there is none, keys are not listed any
// more.
func (c *Collector) room(n int) bool {
	if len(c.buf)+n <= cap(c.buf) {
		return true
	}
	c.compact()
	need, have := len(c.buf)+n, cap(c.buf)
	if 2*need <= have {
		return true
	}
	size := max(firstKeys, need, 2*have)
	if len(c.buf) > MaxKeys || !c.memory.TryGrow(int64(8*size)) {
		c.drop()
		return false
	}
	c.buf = append(make([]uint64, 0, size), c.buf...)
	c.memory.Shrink(int64(8 * have))
	return true
}

// drop gives up listing keys.
func (c *Collector) drop() {
	c.memory.Shrink(int64(8 * cap(c.buf)))
	c.buf, c.set.many = nil, true
}

// compact sorts what there is and drops doubles.
func (c *Collector) compact() {
	if c.set.ordered {
		slices.SortFunc(c.buf, func(a, b uint64) int { return cmp.Compare(int64(a), int64(b)) })
	} else {
		slices.Sort(c.buf)
	}
	c.buf = slices.Compact(c.buf)
}

// Set returns the keys so far. It is valid until the next Add or Close.
func (c *Collector) Set() *Set {
	if !c.usable {
		return &Set{many: true}
	}
	if c.compact(); len(c.buf) > MaxKeys {
		c.drop()
	}
	s := c.set
	s.keys = c.buf
	return &s
}

// Close gives the memory back.
func (c *Collector) Close() {
	c.buf = nil
	c.memory.Close()
}
