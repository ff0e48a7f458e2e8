package columnar

// MaxRows is the largest number of rows in a batch, and the target size of
// operators that build batches.
const MaxRows = 8192

// KeySet names the columns, in order, that a batch's Hash was computed from.
// Nil with a non-nil Hash is not allowed.
type KeySet []int

// Equal reports whether both name the same columns in the same order.
func (k KeySet) Equal(o KeySet) bool {
	if len(k) != len(o) {
		return false
	}
	for i := range k {
		if k[i] != o[i] {
			return false
		}
	}
	return true
}

// Batch is up to MaxRows rows of columns. Every vector has Len = Rows. Sel, when
// not nil, lists the rows that count, ascending without repeats; the others are
// readable but mean nothing. Hash, when not nil, has one entry per row (Rows of
// them; entries of unselected rows are arbitrary).
type Batch struct {
	Schema *Schema
	Cols   []Vector
	Rows   int
	Sel    []uint16
	Hash   []uint64
	HashOf KeySet
}

// Selected returns how many rows count.
func (b *Batch) Selected() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.Rows
}

// RowAt maps the i-th row that counts to its place in the vectors.
func (b *Batch) RowAt(i int) int {
	if b.Sel != nil {
		return int(b.Sel[i])
	}
	return i
}

// MemoryBytes returns the bytes held by all columns.
func (b *Batch) MemoryBytes() int64 {
	n := int64(2*len(b.Sel)) + int64(8*len(b.Hash))
	for i := range b.Cols {
		n += b.Cols[i].MemoryBytes()
	}
	return n
}

// DataBytes returns the bytes of the selected rows alone, without dictionaries:
// what the rows would take where they are kept. With a selection it is the share
// of the selected rows.
func (b *Batch) DataBytes() int64 {
	if b.Rows == 0 {
		return 0
	}
	n := int64(0)
	for i := range b.Cols {
		n += b.Cols[i].dataBytes()
	}
	return n * int64(b.Selected()) / int64(b.Rows)
}
