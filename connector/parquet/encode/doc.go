// Package encode writes Parquet files.
//
//	Batch ─► buffer per column (dense values, validity) ─► row group
//	row group ─► dictionary or plain ─► pages ─► compressed, or not if that gains little
//	file: PAR1, row groups, page index, footer, PAR1
//
// Invariants:
//
//   - A row group is buffered as a whole and written at once: memory is bounded
//     by the row group's size and does not grow with the file.
//   - Pages hold a multiple of 8 rows and, where their values are small, a
//     multiple of columnar.MaxRows or a divisor of it, so that readers' batches
//     do not straddle pages.
//   - Bounds hold: minimum and maximum of strings may be shortened outwards,
//     those of floats are left out once there is a NaN.
//   - The bytes depend on the rows and options alone.
//
// It imports columnar, columnar/kernel, columnar/memory, diag and codecs.
package encode
