package kernel

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// PartitionOf maps a key hash to one of n partitions by its top bits.
func PartitionOf(h uint64, n int) int {
	hi, _ := bits.Mul64(h, uint64(n))
	return int(hi)
}

// Partition sorts the selected rows (all n if sel is nil) by the partition of
// their hash: rows ends[p-1] … ends[p] of the result belong to partition p, in
// their old order.
func Partition(hash []uint64, n int, sel []uint16, parts int, s *memory.Scratch) (rows []uint16, ends []uint32) {
	m := n
	if sel != nil {
		m = len(sel)
	}
	rows = memory.Slice[uint16](s, m)
	part := memory.Slice[uint32](s, m)
	ends = memory.Slice[uint32](s, parts)
	clear(ends)
	p := uint64(parts)
	if sel == nil {
		for i, h := range hash[:n] {
			hi, _ := bits.Mul64(h, p)
			part[i] = uint32(hi)
			ends[hi]++
		}
	} else {
		for i, r := range sel {
			hi, _ := bits.Mul64(hash[r], p)
			part[i] = uint32(hi)
			ends[hi]++
		}
	}
	at := uint32(0)
	for i, c := range ends {
		ends[i] = at
		at += c
	}
	for i, p := range part {
		r := uint16(i)
		if sel != nil {
			r = sel[i]
		}
		rows[ends[p]] = r
		ends[p]++
	}
	return rows, ends
}

// One sorts the selected rows (all n if sel is nil) of a batch that goes to one
// partition, as Partition does.
func One(n int, sel []uint16, p, parts int, s *memory.Scratch) (rows []uint16, ends []uint32) {
	if rows = sel; sel == nil {
		rows = every[:n]
	}
	ends = memory.Slice[uint32](s, parts)
	clear(ends[:p])
	for i := p; i < parts; i++ {
		ends[i] = uint32(len(rows))
	}
	return rows, ends
}

// every lists the rows of a full batch.
var every = func() (rows [columnar.MaxRows]uint16) {
	for i := range rows {
		rows[i] = uint16(i)
	}
	return rows
}()
