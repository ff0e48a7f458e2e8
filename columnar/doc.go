// Package columnar holds the data that everything else moves: types, schemas,
// vectors, dictionaries, bitmaps, selections and batches.
//
//	Batch ── Schema                     at most MaxRows rows
//	  ├── Sel []uint16                  which rows count; nil = all of them
//	  ├── Hash []uint64 + HashOf        the key hash, once somebody computed it
//	  └── Cols []Vector ── Type
//	        ├── Enc   Flat | Dict | Const
//	        ├── Valid Bitmap            nil = no nulls; one bit a row, 1 = valid
//	        ├── Data, Bytes, Kids       Arrow memory layout
//	        └── Dict ── Values Vector   one value per code
//
// Invariants, cited in code as I1 … I6:
//
//   - I1 A vector's buffers use the Arrow memory layout, so that wrapping one as
//     an arrow.Array copies nothing: fixed-width little-endian values, booleans
//     as bits, strings as int32 offsets (Len+1 of them) plus bytes.
//   - I2 The value under a null is arbitrary but readable: kernels may compute
//     on it, they may not fail because of it.
//   - I3 A batch and its vectors are immutable once returned from Next. Whoever
//     wants to change one copies first.
//   - I4 A batch is valid until the next Next or Close of the operator that
//     returned it, except for vectors marked Stable, whose buffers are never
//     overwritten. Detach makes the rest stable by copying.
//   - I5 Dict codes are uint32 and always below the dictionary's length, also
//     under nulls; a dictionary holds at least one value and no nulls: nulls are
//     in the vector's Valid. Only a Unique dictionary may be grouped by code.
//   - I6 Width is physical: a decimal vector is 8 bytes wide whenever its values
//     fit into int64, whatever precision its type declares, and 16 otherwise.
//
// Data knows nobody: the package imports the standard library alone. It is
// tested by tables and by the operator harness that runs on every shape.
package columnar
