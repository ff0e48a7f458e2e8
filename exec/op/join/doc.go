// Package join holds the join operators: by hash table for equalities, by
// nested loops for any other condition.
//
//	build side ─► columns of all rows, contiguous ─► slots of a directory
//	                                                  [start | tag bits]
//	probe batch ─► hash ─► tag ─► entries of the slot ─► (probe row, build row)
//	              ─► residual ─► output by the kind of join
//
// Invariants:
//
//   - J1 A shared table is built once per stage and executor, by the first task
//     that needs it, with as many goroutines as there are slots; the others
//     wait. It is immutable afterwards, but for the marks of matched rows.
//   - J2 Build rows come out by themselves (outer, semi and anti joins that keep
//     the build side) in the task that finishes last, when no task can match
//     them any more.
//   - J3 Build columns are passed on by gathering fixed-width values and by
//     pointing at strings (a dictionary over the build rows).
//
// A row whose key is null matches nothing, unless the key is null-safe.
package join
