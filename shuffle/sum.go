package shuffle

import (
	"fmt"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// Sum is what the rows of one map output for one partition add up to: how many
// there are, and a wrapping sum of a hash of each row's values and its place among
// them. Rows that are lost, doubled, altered or out of order change it. Sums of
// different outputs and partitions may be added.
type Sum struct {
	Rows int64
	Hash uint64 // 0 where only rows are counted
}

// Count adds the number of a batch's selected rows.
func (s *Sum) Count(b *columnar.Batch) { s.Rows += int64(b.Selected()) }

// Add adds the selected rows of a batch behind those added before.
func (s *Sum) Add(b *columnar.Batch) {
	s.Hash += kernel.SumRows(b, s.Rows)
	s.Count(b)
}

// Plus returns the sum of two sums.
func (s Sum) Plus(o Sum) Sum { return Sum{s.Rows + o.Rows, s.Hash + o.Hash} }

// String prints "17 rows (hash 00c0ffee00c0ffee)".
func (s Sum) String() string { return fmt.Sprintf("%d rows (hash %016x)", s.Rows, s.Hash) }

// MismatchError says that what was read is not what was written. Map is −1 for a
// sum over all map outputs, Partition −1 for all partitions.
type MismatchError struct {
	Exchange, Map, Partition int
	Want, Got                Sum
}

// Error implements error.
func (m *MismatchError) Error() string {
	what := fmt.Sprintf("exchange %d", m.Exchange)
	if m.Map >= 0 {
		what += fmt.Sprintf(", output of map task %d", m.Map)
	}
	if m.Partition >= 0 {
		what += fmt.Sprintf(", partition %d", m.Partition)
	}
	return fmt.Sprintf("%s: %s were read of %s", what, m.Got, m.Want)
}
