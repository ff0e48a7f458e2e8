// Package kernel holds the loops over whole vectors that operators share:
// hashing, gathering, compacting, partitioning, bitmaps, growing columns.
//
//	type dispatch, encoding, nulls ──► once per vector
//	one plain generic loop          ──► per row
//
// Invariants:
//
//   - K1 Equal values hash equal whatever their encoding or decimal width; nulls
//     hash to one fixed value; −0.0 hashes as 0.0 and every NaN alike. The hash
//     is the same in every process and version: golden values guard it.
//   - K2 Outputs come from the caller's Scratch and live as long as it says.
//   - K3 Kernels never fail on the value under a null.
//   - K4 What is assembly has a twin in Go that tests compare it with. Other
//     processors do without.
//
// It imports columnar, memory, diag and invariants.
package kernel
