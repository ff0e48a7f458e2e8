package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Compact returns the selected rows of a batch as a dense one, in s. A batch
// without Sel is returned as it is; one whose Sel names all rows loses it.
func Compact(b *columnar.Batch, s *memory.Scratch) *columnar.Batch {
	if b.Sel == nil {
		return b
	}
	if len(b.Sel) == b.Rows {
		out := *b
		out.Sel = nil
		return &out
	}
	out := &columnar.Batch{Schema: b.Schema, Cols: make([]columnar.Vector, len(b.Cols)), Rows: len(b.Sel)}
	for i := range b.Cols {
		out.Cols[i] = TakeSel(&b.Cols[i], b.Sel, s)
	}
	if b.Hash != nil {
		out.Hash, out.HashOf = memory.Slice[uint64](s, len(b.Sel)), b.HashOf
		gather(out.Hash, b.Hash, b.Sel)
	}
	return out
}

// Detach returns a dense copy of the selected rows that stays valid, charged to
// r, which may be nil: memory.ErrSpill if it cannot be. Stable vectors of a batch
// without Sel are shared, neither copied nor charged.
func Detach(b *columnar.Batch, r memory.Reservation) (*columnar.Batch, error) {
	dense := Compact(b, nil)
	fresh := b.Sel != nil && len(b.Sel) < b.Rows // Compact gathered it on the heap
	out := &columnar.Batch{Schema: b.Schema, Cols: make([]columnar.Vector, len(dense.Cols)), Rows: dense.Rows, HashOf: dense.HashOf}
	n := int64(0)
	for i := range dense.Cols {
		v := &dense.Cols[i]
		if v.Stable && stableKids(v) {
			out.Cols[i] = *v
			continue
		}
		out.Cols[i] = settle(v, fresh)
		n += ownBytes(&out.Cols[i])
	}
	if out.Hash = dense.Hash; out.Hash != nil {
		if !fresh {
			out.Hash = append(make([]uint64, 0, out.Rows), out.Hash[:out.Rows]...)
		}
		n += int64(8 * out.Rows)
	}
	if r != nil && !r.TryGrow(n) {
		return nil, memory.ErrSpill
	}
	return out, nil
}

// stableKids reports whether all that a stable vector refers to is stable too.
func stableKids(v *columnar.Vector) bool {
	if v.Enc == columnar.Dict && !v.Dict.Values.Stable {
		return false
	}
	for i := range v.Kids {
		if !v.Kids[i].Stable || !stableKids(&v.Kids[i]) {
			return false
		}
	}
	return true
}

// settle returns v in memory of its own. The buffers of a fresh vector are that
// already, apart from constants and dictionaries, which gathering shares; a
// dictionary that is not stable is spelt out.
func settle(v *columnar.Vector, fresh bool) columnar.Vector {
	if v.Enc == columnar.Dict && !v.Dict.Values.Stable {
		out := flattenDict(v, nil)
		if !fresh {
			out.Valid = cloneBytes(out.Valid)
		}
		out.Stable = true
		return out
	}
	fresh = fresh && v.Enc != columnar.Const
	out := *v
	switch {
	case fresh:
	case v.Enc == columnar.Flat && v.Type.IsBytes() && v.Len > 0: // a slice shows a part of its strings
		off := v.Offsets()
		from := off[0]
		var heap *memory.Scratch
		own := memory.Slice[int32](heap, v.Len+1)
		for i, o := range off {
			own[i] = o - from
		}
		out.Data, out.Bytes, out.Valid = columnar.BytesOf(own), cloneBytes(v.Bytes[from:off[v.Len]]), cloneBytes(v.Valid)
	default:
		out.Data, out.Bytes, out.Valid = cloneBytes(v.Data), cloneBytes(v.Bytes), cloneBytes(v.Valid)
	}
	if v.Kids != nil {
		out.Kids = make([]columnar.Vector, len(v.Kids))
		for i := range v.Kids {
			out.Kids[i] = settle(&v.Kids[i], fresh)
		}
	}
	out.Stable = true
	return out
}

// ownBytes returns the bytes of a vector without its dictionary.
func ownBytes(v *columnar.Vector) int64 {
	n := int64(len(v.Data) + len(v.Bytes) + len(v.Valid))
	for i := range v.Kids {
		n += ownBytes(&v.Kids[i])
	}
	return n
}

func cloneBytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	out := aligned(len(b))
	copy(out, b)
	return out
}

// aligned returns n bytes of the Go heap, aligned to 64.
func aligned(n int) []byte {
	var s *memory.Scratch
	return s.Bytes(n)
}
