package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Indirect returns the rows of a vector as codes into it, so that wide values
// are not copied. Where that saves nothing (constants, fixed widths, codes
// already) it is TakeNull. NullRow stands for a null. The result is valid as
// long as values and s are.
func Indirect(values *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	if values.Enc != columnar.Flat || !values.Type.IsBytes() || values.Len == 0 {
		return TakeNull(values, rows, s)
	}
	plain := *values
	plain.Valid = nil
	return IndirectTo(&columnar.Dictionary{Values: plain}, values.Valid, rows, s)
}

// IndirectTo is Indirect with a dictionary made before, so that batches share
// it. valid is the validity of the dictionary's values as rows, nil if none is
// null.
func IndirectTo(d *columnar.Dictionary, valid columnar.Bitmap, rows []uint32, s *memory.Scratch) columnar.Vector {
	codes := firstFor(rows, s)
	out := columnar.Vector{Type: d.Values.Type, Enc: columnar.Dict, Len: len(rows), Data: columnar.BytesOf(codes), Dict: d}
	if valid != nil {
		out.Valid = takeBits(valid, codes, s)
	}
	if countMissing(rows) > 0 {
		out.Valid = withoutMissing(out.Valid, rows, s)
	}
	return out
}
