package eval

import (
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// substringLoop cuts the same characters out of every string, as long as they
// are ASCII up to there; slow serves all else.
func substringLoop(slow function) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none || args[0].Enc != columnar.Flat || args[1].Enc != columnar.Const || args[2].Enc != columnar.Const {
			return slow(r, args)
		}
		from, n := int(args[1].Int64At(0))-1, int(args[2].Int64At(0))
		if from < 0 || n < 0 || from+n > 64 {
			return slow(r, args)
		}
		v := args[0]
		off := v.Offsets()
		out := memory.Slice[int32](r.s, r.n+1)
		data := r.s.Bytes(min(r.n*n, int(off[r.n]-off[0])))
		at := 0
		out[0] = 0
		for i := range r.n {
			s := v.Bytes[off[i]:off[i+1]]
			s = s[:min(from+n, len(s))]
			var high byte
			for _, c := range s {
				high |= c
			}
			if high >= utf8.RuneSelf {
				return slow(r, args)
			}
			at += copy(data[at:], s[min(from, len(s)):])
			out[i+1] = int32(at)
		}
		return columnar.Vector{Type: v.Type, Len: r.n, Valid: valid, Data: columnar.BytesOf(out), Bytes: data[:at]}, nil
	}
}
