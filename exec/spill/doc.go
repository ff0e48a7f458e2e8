// Package spill is where operators put rows that memory has no room for, and
// get them back.
//
//	Space (one per executor: a directory, a limit, what the device is worth)
//	  └── File (one per task, unlinked as soon as it is open)
//	        ├── Run ─ chunk ─ chunk ─ …        append-only; chunks of many
//	        └── Run ─ chunk ─ …                runs lie in the file as they come
//	              └── Reader, Reader …         one batch per chunk, in order
//
// Invariants, cited in code as P1 … P5:
//
//   - P1 Nothing is on disk before the first row is written, and nothing is left
//     when the file is closed or the process dies.
//   - P2 What a reader returns are the rows that were appended, in their order:
//     every chunk carries checksums, a damaged one is an error.
//   - P3 A run holds at most RunBytes of rows that are not written yet, and a
//     reader one chunk, which its reservation paid for before it was opened.
//   - P4 Only ReadAt and WriteAt: no shared position.
//   - P5 A file that fails to grow gives its error to whoever wrote, and stays
//     usable for reading and closing.
//
// The package imports columnar, columnar/chunk, columnar/kernel, columnar/memory,
// exec/tempdir and internal/diag. It is tested by random round trips, concurrent readers and
// devices that fail: spilltest makes those, for tests of operators and queries
// too.
package spill
