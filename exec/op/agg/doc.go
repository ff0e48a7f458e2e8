// Package agg is the operator that groups rows and aggregates them: partially
// (rows to states), finally (states to results) or completely (rows to results).
//
//	batch ─► keys as 64-bit words ─► group ids ─► one update loop per aggregate
//	           dict: per value          tagged open addressing,
//	           strings: interned        or direct by dictionary codes
//
// Invariants:
//
//   - A1 Group 0 is a bin for rows that do not count (unselected, filtered out,
//     null arguments), so that update loops have no conditions.
//   - A2 A group's number never changes; states are arrays by group number.
//   - A3 A partial aggregation never holds more than flushGroups groups: it
//     emits states and starts anew.
//
// Rows reach a final aggregation partitioned by the key hash; its table is as
// large as its partition.
package agg
