// Package physical holds physical plans: how a query is computed. Expressions
// are bound to positions (*expr.Column) in the child's schema; for joins to the
// left columns followed by the right ones.
//
//	Scan Values Source             leaves: a table, literal rows, an exchange
//	Filter Project Aggregate Sort TopN Limit Write      one child
//	HashJoin LoopJoin Union                             two or more
//	Exchange                       where plan/stage cuts the plan into stages
//
// Invariants:
//
//   - P1 Nodes are immutable plain data: everything in them can be encoded by
//     plan/wire and decoded to an equal node.
//   - P2 A stage runs as tasks; each leaf of a stage has a number (Leaf), and a
//     task assigns to some of them a split or a partition. A leaf that a task
//     does not assign yields no rows there, except sources that read everything.
//   - P3 Key columns that two sides are partitioned by have equal types, so that
//     equal keys meet in equal partitions.
//
// It imports expr, catalog and logical (for the kinds of joins and writes).
package physical
