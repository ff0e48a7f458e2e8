package function

import (
	"bytes"
	"math"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// text is what strings and bytes are in Go.
type text interface{ string | []byte }

func texts[T text](t columnar.Type) column[T] {
	return column[T]{typ: t, load: loadTexts[T], store: func(xs []T, s *memory.Scratch) (columnar.Vector, error) { return storeTexts(t, xs, s) }}
}

// loadTexts copies the bytes of a vector once (F3) and cuts values out of them.
func loadTexts[T text](v *columnar.Vector, n int, out []T) []T {
	out = resize(out, n)
	if n == 0 {
		return out
	}
	off := v.Offsets()
	if v.Enc != columnar.Const {
		cut(out, bytes.Clone(v.Bytes[off[0]:off[n]]), off[:n+1])
		return out
	}
	cut(out[:1], bytes.Clone(v.Bytes[off[0]:off[1]]), off[:2])
	for i := range out {
		out[i] = out[0]
	}
	return out
}

// cut makes values of bytes that nobody else has; off says where each begins, and
// where the last one ends.
func cut[T text](out []T, own []byte, off []int32) {
	from, first := int32(0), off[0]
	switch out := any(out).(type) {
	case []string:
		all := unsafe.String(unsafe.SliceData(own), len(own))
		for i, o := range off[1:] {
			out[i] = all[from : o-first]
			from = o - first
		}
	case [][]byte:
		for i, o := range off[1:] {
			out[i] = own[from : o-first : o-first]
			from = o - first
		}
	}
}

// storeTexts makes a column of strings or bytes.
func storeTexts[T text](t columnar.Type, xs []T, s *memory.Scratch) (columnar.Vector, error) {
	off := memory.Slice[int32](s, len(xs)+1)
	total := 0
	for i, x := range xs {
		off[i] = int32(total)
		if total += len(x); total > math.MaxInt32 {
			return columnar.Vector{}, diag.New(diag.InvalidArgument, "the strings made for a batch of %d rows exceed 2 GiB", len(xs))
		}
	}
	off[len(xs)] = int32(total)
	room := s.Bytes(total)
	for i, x := range xs {
		copy(room[off[i]:], x)
	}
	return columnar.Vector{Type: t, Len: len(xs), Data: columnar.BytesOf(off), Bytes: room}, nil
}
