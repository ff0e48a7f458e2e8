// Package adapt plans the rest of a running query again, from what its complete
// stages have written: a function from a graph of stages and statistics to another
// graph.
//
//	graph, open stages ─┐
//	exact statistics ───┼─► empty ─► broadcast ─► shuffled ─► split ─► sizes ─► verify ─► graph
//	options ────────────┘
//
//	sizes      small partitions are read together, skewed ones by several tasks
//	split      an aggregate over a skewed partition is computed in two stages
//	broadcast  a join of exchanged sides, one of which is small, reads that one whole,
//	           and the other where it lies, or without any exchange if that has not begun
//	shuffled   a join whose broadcast side is large exchanges both sides
//	empty      what joins and groups nothing is nothing; who made the rest may stop
//
// Before a query begins, Reuse makes one of exchanges that hold the same rows.
//
// Invariants:
//
//   - A1 It is pure. A graph that it is given stays as it is; stages that it does not
//     change are the same pointers in the graph that it returns.
//   - A2 Only open stages change: who was submitted once runs the same way again.
//   - A3 A rewrite is right whatever the sizes are: an output that is made again may
//     be larger. Only "empty" relies on them, and only where a second run has the
//     same rows (stage.Unordered, or better).
//     What a rewrite has put in is not rewritten back: each stage as it was cut is
//     split, broadcast or exchanged once at most, so re-planning ends.
//   - A4 After each rewrite the properties that operators rely on hold: which rows meet
//     in a task, in which order, and that each row is read once (verify.go). A rewrite
//     that breaks one is a bug, and a *BrokenError.
//
// It imports stage, physical, logical, expr and wire; it is tested by goldens over
// graphs, by queries that show each rewrite, and by random ones, on and off.
package adapt
