// Package report writes BENCHMARKS.md, and the charts in it, from the results of
// benchmark runs.
//
//	results/*.json ──┐
//	results/notes.md ├─► Load ─► Report ─► BENCHMARKS.md
//	kernels.json ────┘                └──► docs/bench/NAME.svg
//
// It keeps these promises:
//
//   - P1 The text depends on its inputs alone, so that a test can compare the
//     committed file with the committed results.
//   - P2 No figure is made up for a query that an engine did not answer, or
//     answered otherwise than most: totals and means are over the queries that
//     both engines answered, and say how many those are.
//   - P3 What people know about the figures stands in the notes, not in the
//     report's code.
package report
