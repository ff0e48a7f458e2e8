package chunk

import (
	"bytes"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Dictionaries are those that the columns of a stream of chunks had last. Each chunk
// brings its own, most often the same as before: who keeps groups or hashes of a
// dictionary would begin anew with each. The zero value has none. It is one goroutine's
// at a time.
type Dictionaries struct{ last []*columnar.Dictionary }

// mostShared bounds the bytes of a dictionary that is remembered, which nobody pays for.
const mostShared = 4 << 10

// Share gives the columns of a batch the dictionaries of the batch before where they
// are equal. Small dictionaries are stable from then on, whatever happens to the batch.
func (d *Dictionaries) Share(b *columnar.Batch) {
	if len(d.last) != len(b.Cols) {
		d.last = make([]*columnar.Dictionary, len(b.Cols))
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		if v.Enc != columnar.Dict || v.Dict.Values.Enc != columnar.Flat || v.Dict.Values.Kids != nil || v.Dict.Values.MemoryBytes() > mostShared {
			continue
		}
		if d.last[i] == nil || !equal(d.last[i], v.Dict) {
			d.last[i] = copied(v.Dict)
		}
		v.Dict = d.last[i]
	}
}

// equal reports whether dictionaries of a column have the same values at the same codes.
func equal(a, b *columnar.Dictionary) bool {
	x, y := &a.Values, &b.Values
	return x.Len == y.Len && x.Width == y.Width && a.Unique == b.Unique && x.Type.Equal(y.Type) &&
		bytes.Equal(x.Data, y.Data) && bytes.Equal(x.Bytes, y.Bytes)
}

// copied returns a dictionary of its own, with its hashes.
func copied(d *columnar.Dictionary) *columnar.Dictionary {
	out := &columnar.Dictionary{Values: d.Values, Unique: d.Unique, Hashes: make([]uint64, d.Values.Len)}
	v := &out.Values
	var heap *memory.Scratch
	v.Data, v.Bytes = heap.Bytes(len(d.Values.Data)), heap.Bytes(len(d.Values.Bytes))
	copy(v.Data, d.Values.Data)
	copy(v.Bytes, d.Values.Bytes)
	v.Stable = true
	kernel.HashVector(v, out.Hashes, false)
	return out
}
