// Package window computes functions over partitions of sorted rows: ranks, values of
// neighbours, aggregates over frames.
//
//	input, sorted by partition and order      run: whole partitions, at least a batch
//	 a 1 │ a 2 │ a 2 │ b 5 │ b 7 │ c 1 …  ─►  [a 1, a 2, a 2, b 5, b 7]  c 1 … waits
//	                                            partitions  0        3
//	                                            peers       0  1     3   4
//
// Rows are gathered until a partition ends, then every function is computed for the
// whole run and the run is put out a batch at a time. An aggregate whose frames all
// begin at the start of their partition is a running one; others look into a tree
// of partial results (a segment tree), so that a frame costs the logarithm of its
// partition.
//
// Invariants:
//
//   - W1 Rows come out in the order in which they came in, each once.
//   - W2 What a run takes is reserved while it lives. A partition must fit the
//     memory: it is not spilled.
//   - W3 An aggregate over a frame is what the aggregate operator computes over its
//     rows (sums of floats up to their order).
//
// It imports columnar, the operator contract, eval and agg (for decimals). It is
// tested against a naive interpreter at random, and with SQL.
package window
