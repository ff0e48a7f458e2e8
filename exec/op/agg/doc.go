// Package agg is the operator that groups rows and aggregates them: partially
// (rows to states), finally (states to results), completely or eagerly (rows to results).
//
//	batch ─► group of each row ─────────────► one update loop per aggregate
//	          direct, by dictionary codes         states are columns by group
//	          direct, by integers that lie close
//	          hash table over key words
//	                  │ memory refused: some partitions leave
//	                  ▼
//	          16 runs of (keys, states) by a remix of the key hash ◄── rows of those
//	                  │ at the end, one after the other
//	                  ▼
//	          merged into the emptied table; partitioned again if need be
//
// Invariants:
//
//   - A1 Group 0 is a bin for rows that do not count (unselected, filtered out,
//     null arguments), so that update loops have no conditions.
//   - A2 A group's number never changes; states are arrays by group number.
//   - A3 A partial aggregation never holds more than flushGroups groups and a
//     batch's: it emits states and starts anew, and passes rows on as states
//     where that does not reduce them. An eager one does so with results, and groups
//     only while keys repeat so much that a join of them would make very many pairs.
//   - A4 Equal keys have equal words, apart from strings of more than 12 bytes,
//     which the table's arena holds; a single key's nulls have a group outside
//     the table.
//   - A5 Table and states grow together, and are paid for after each batch: twice
//     when the next one may make them grow; a refusal spills (partial: emits) groups.
//     A group with lists that is alone in its partition is read back into room of just
//     its size.
//   - A6 A partition is in memory alone or, from when it was spilled, on disk; only
//     once all are on disk is the table a place where rows meet before they go there.
//
// It imports columnar, plan/eval, plan/physical, exec/op and exec/spill, and is
// tested by the operator harness against its own halves and at 1 MiB.
package agg
