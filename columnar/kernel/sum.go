package kernel

import "github.com/millrace-engine/millrace/columnar"

// SumRows returns the wrapping sum, over the selected rows of a batch, of a hash
// of the row's values and of its place; the first selected row has the place from.
// Equal rows at equal places have equal sums whatever their encodings and however
// they are cut into batches: sums of consecutive batches add up to the sum of all.
// Values that compare equal as keys (0.0 and −0.0, all NaNs) hash alike.
func SumRows(b *columnar.Batch, from int64) uint64 {
	p := hashPool.Get().(*[]uint64)
	defer putHashes(p)
	if cap(*p) < b.Rows {
		*p = make([]uint64, b.Rows)
	}
	h := (*p)[:b.Rows]
	if len(b.Cols) == 0 {
		clear(h)
	}
	for i := range b.Cols {
		hashVector(&b.Cols[i], h, b.Sel, i > 0)
	}
	sum := uint64(0)
	place := (2*uint64(from) + 1) * seed0
	if b.Sel == nil {
		for _, x := range h {
			sum += mum(x^seed2, place)
			place += placeStep
		}
		return sum
	}
	for _, r := range b.Sel {
		sum += mum(h[r]^seed2, place)
		place += placeStep
	}
	return sum
}

// placeStep lies between the factors of two consecutive rows, which are odd.
const placeStep = 2 * seed0 & (1<<64 - 1)
