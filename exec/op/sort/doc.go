// Package sort holds the operators that order rows: sort, TopN and the merge of
// sorted runs.
//
//	rows ─► columns in memory ─► radix sort of row numbers ─► gathered batches
//	              │ memory refused
//	              ▼
//	        sorted run on disk ─┐
//	        sorted run on disk ─┼─► merger ─► batches
//	        sorted run on disk ─┘   (several passes if memory cannot hold a
//	                                 chunk of each run)
//
// Invariants:
//
//   - S1 Rows that are equal in all keys keep the order in which they came:
//     numbers sort last among equal words, runs merge by their age.
//   - S2 Rows and what sorting them takes are paid for as they are collected; a
//     refusal writes what there is as a run. What is left over a refusal is one
//     batch.
//   - S3 A merge pays for a chunk and its keys of each of its inputs before it
//     starts.
//
// Keys are words whose unsigned order is that of the rows (columnar/row); rows
// are gathered by their numbers, wide strings as references. It imports
// columnar, plan/eval, exec/op and exec/spill, and is tested through SQL at tiny
// budgets.
package sort
