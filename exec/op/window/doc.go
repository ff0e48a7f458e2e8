// Package window computes functions over partitions of sorted rows: ranks, values of
// neighbours, aggregates over frames.
//
//	input, sorted by partition and order      run: whole partitions, at least a batch
//	 a 1 │ a 2 │ a 2 │ b 5 │ b 7 │ c 1 …  ─►  [a 1, a 2, a 2, b 5, b 7]  c 1 … waits
//	                                            partitions  0        3
//	      │ memory refused                      peers       0  1     3   4
//	      ▼
//	 spool: one partition on disk     ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
//	                                  ▲      ▲       ▲
//	                            frame's start│     frame's end     places that move on
//	                                    row that is due
//
// Rows are gathered until a partition ends, then every function is computed for the
// whole run and the run is put out a batch at a time. An aggregate whose frames all
// begin at the start of their partition is a running one; others look into a tree
// of partial results (a segment tree), so that a frame costs the logarithm of its
// partition.
//
// A partition that memory does not hold is written to the task's spill file and read
// again from as many places as its functions look at: ends of frames never move
// back. Aggregates over moving frames keep a partial result per block of rows
// (slide.go).
//
// Invariants:
//
//   - W1 Rows come out in the order in which they came in, each once.
//   - W2 What a run takes, and what computing over it will, is reserved as its rows
//     come; a refusal sends the last partition to disk.
//   - W3 An aggregate over a frame is what the aggregate operator computes over its
//     rows (sums of floats up to their order).
//   - W4 Of a partition on disk memory holds a chunk per place, for which the task's
//     minimum has room (stage.WindowMemory), and a partial result for about two
//     thousand rows of a moving frame.
//
// It imports columnar, the operator contract, spill, eval, agg (for decimals) and
// stage (for the minimum). It is tested against a naive interpreter at random, with
// SQL, and by comparing partitions in memory with partitions on disk.
package window
