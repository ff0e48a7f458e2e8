// Package harness runs the same queries on several engines and measures them.
//
//	Suite ─► Run ──┬─ Process duckdb   ◄─ lines of JSON ─► bench/peers/driver.py
//	 queries,      ├─ Process polars
//	 files         └─ Process millrace ◄─ lines of JSON ─► bench/engine
//	                      │ ms, CPU, rows, peak RSS
//	               compare, median, spread ─► Result ─► FILE.json ─► bench/report
//
// Every engine is one process that lives for the whole run, Millrace too, so
// that time and memory are measured alike. Queries are interleaved: each query
// runs on every engine once per round, so that what disturbs the machine
// disturbs all of them.
//
// It keeps these promises:
//
//   - H1 The time of a query is what the engine's own process measures from text
//     to the whole result in its memory; handing rows over is not part of it.
//   - H2 No figure without an answer: rows are compared between the engines in
//     the warm-up, and their number in every run.
//   - H3 A process that fails, hangs, or takes more memory than the machine can
//     spare is ended and started again for the next query; the others go on.
//   - H4 When the budget ends, what was measured in whole rounds is kept, with a
//     note. When a run is cancelled nothing is kept, and no process is left.
//
// It knows nothing of what the engines are: tests put a small one in their place.
package harness
