// Package kernels measures the loops that queries spend their time in, on one
// core and in nanoseconds per row, beside the speed of copying memory.
//
//	List ─► Measure ─► Result ─► kernels.json ─► bench/report
//	  └──► Benchmark (go test -bench)
//
// A kernel works on batches of 8192 rows, as operators do, and says how many
// bytes it has to read and write for them: its share of memcpy is how fast these
// bytes move compared with a copy of blocks of 64 KiB in the same run. A share
// of a third is a loop that could hardly be better; one of a hundredth computes.
//
// It reaches the loops through exported functions and physical plans only. The
// test runs every kernel once and checks what it yields.
package kernels
