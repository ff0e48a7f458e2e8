// Package join holds the join operators: by hash table for equalities, by
// nested loops for any other condition.
//
//	build side ─► pages ─► table: columns of all rows + index
//	                └─► runs, by partition, where memory is short
//	probe batch ─► hash ─► chains of build rows ─► (probe row, build row)
//	                │      ─► residual ─► output by the kind of join
//	                └─► runs of the partitions that are on disk
//	at the end:  build rows that come out by themselves, then each partition on
//	             disk: as a table, partitioned again, or chunk by chunk
//
// side reads the build side, table and index look rows up, prober makes output,
// leftover does what is on disk. shape says what a kind of join means for them.
//
// Invariants:
//
//   - J1 What tasks of a stage share is built once per executor, by the first
//     task that needs it, with as many goroutines as there are slots; the others
//     wait. It is immutable afterwards, but for the marks of matched rows.
//   - J2 Build rows that come out by themselves, and the partitions on disk, are
//     the business of the task that finishes last: no other can match them any
//     more, and nobody waits for anybody. That holds where all tasks of the stage
//     run on this executor (Together); elsewhere a shared table has no rows that
//     come out by themselves, and each task joins what it put aside.
//   - J3 Build columns are passed on by gathering fixed-width values and by
//     pointing at strings (a dictionary over the build rows).
//   - J4 A build row is in the table or in exactly one run. A probe row meets the
//     table at once, or lies in the run of the one partition that it may match;
//     rows that match nothing for a null key never do. So every pair is met once.
//   - J5 Where memory is refused, pages are spilled, the largest partition first;
//     what is needed to go on at all (a batch, a reader, a chunk of 1 MiB) is
//     taken without asking.
//
// A row whose key is null matches nothing, unless the key is null-safe.
//
// The package is tested against a naive join over random rows, kinds, encodings
// and budgets.
package join
