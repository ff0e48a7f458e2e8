package chunk

import (
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// few finds that a column has few different strings, which it then lists: their codes
// take less than LZ4 makes of the strings, and whoever reads them has less to do.
type few struct {
	slots [1024]uint16 // by hash: a code plus one; 0 is free
	codes []uint32     // by row
	ends  []int32      // of the strings, behind a 0
	bytes []byte
}

const (
	mostFew   = 256 // so that a code takes a byte
	rowsOfOne = 8   // a string has so many rows at least, or they are many
)

var fews = sync.Pool{New: func() any { return new(few) }}

// release gives a list back: the column that it is of is no more.
func (f *few) release() {
	invariants.Poison(columnar.BytesOf(f.codes))
	invariants.Poison(f.bytes)
	fews.Put(f)
}

// fewOf turns flat strings into codes if there are few different ones. What it
// returns is to be released once v is not used any more; nil if v is as it was.
func fewOf(v *columnar.Vector) *few {
	if !v.Type.IsBytes() || v.Enc != columnar.Flat || v.Len < rowsOfOne {
		return nil
	}
	f := fews.Get().(*few)
	if !f.list(v) {
		f.release()
		return nil
	}
	n := len(f.ends) - 1
	v.Enc, v.Data, v.Bytes = columnar.Dict, columnar.BytesOf(f.codes), nil
	v.Dict = &columnar.Dictionary{Unique: true, Values: columnar.Vector{Type: v.Type, Len: n, Data: columnar.BytesOf(f.ends), Bytes: f.bytes}}
	return f
}

// list lists the strings of v, unless they are many.
func (f *few) list(v *columnar.Vector) bool {
	clear(f.slots[:])
	f.codes, f.ends, f.bytes = f.codes[:0], append(f.ends[:0], 0), f.bytes[:0]
	off, most := v.Offsets(), min(mostFew, v.Len/rowsOfOne)
	for i := range v.Len {
		if v.Valid != nil && !v.Valid.Get(i) {
			f.codes = append(f.codes, 0)
			continue
		}
		s := v.Bytes[off[i]:off[i+1]]
		at := kernel.HashBytes(s) >> 54
		for ; f.slots[at] != 0; at = (at + 1) % uint64(len(f.slots)) {
			if c := f.slots[at] - 1; string(f.bytes[f.ends[c]:f.ends[c+1]]) == string(s) {
				f.codes = append(f.codes, uint32(c))
				break
			}
		}
		if f.slots[at] != 0 {
			continue
		}
		n := len(f.ends) - 1
		if n == most {
			return false
		}
		f.bytes = append(f.bytes, s...)
		f.ends = append(f.ends, int32(len(f.bytes)))
		f.slots[at] = uint16(n + 1)
		f.codes = append(f.codes, uint32(n))
	}
	return len(f.ends) > 1
}
