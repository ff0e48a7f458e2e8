// Package text turns text into values, in the forms that Spark accepts: dates,
// timestamps, intervals, decimals and the plain numbers. The parser's typed
// literals, the cast kernels and the CSV reader share it, so that one spelling
// means one value wherever it stands.
//
//	"2024-02-29"  ──ParseDate──────► 19782 (days)
//	"1.50"        ──ParseDecimal───► 150, precision 3, scale 2
//	"1 02:03:04"  ──ParseInterval──► 93784000000 (µs, by the interval type)
//
// Invariants:
//
//   - X1 Every function takes a string or a byte slice, keeps neither, and
//     allocates nothing on success for dates, numbers and decimals, nor on failure.
//   - X2 Failures are one of two sentinels, ErrSyntax and ErrRange: the caller
//     knows the column, the line and the type, and says so.
//   - X3 White space and control characters around the value are ignored, as
//     Spark's casts trim them.
//
// It imports columnar and the standard library. It is tested by tables and by a
// fuzz target that compares decimals with math/big.
package text
