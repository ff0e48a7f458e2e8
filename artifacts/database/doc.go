// Package database lets functions use a database/sql driver that their program does
// not link: it lies in an artifact, an executable that serves it.
//
//	task: database.Open("capitals", dsn) ─► *sql.DB        program (links no driver)
//	         │ one process per connection
//	         ▼ frames over its standard input and output
//	artifact: database.Serve("capitals")  ─► sql.Open(…)   executable (links the driver)
//
// A Go program cannot load compiled code without cgo (ADR 15), so the driver runs beside
// it: started from the artifact store under the name of its hash, on the executor that
// asks for it. Versions are side by side as NAME@ and the first digits of a hash.
//
// A frame is a length, u32 little end first, and that many bytes: a kind, then fields.
// Who asks waits for one answer to each frame; rows come in pieces that are asked for.
//
//	open    system            ─►  ok
//	query   SQL, arguments    ─►  columns: cursor, names
//	next    cursor            ─►  rows: whether there are more, values
//	free    cursor            ─►  ok
//	exec    SQL, arguments    ─►  result: last id, rows affected
//	begin, commit, rollback   ─►  ok
//	                          ─►  failure: text, for each of them
//
// Values are those of database/sql/driver: NULL, int64, float64, bool, bytes, text, time.
//
// Invariants:
//
//   - B1 A length is checked before its bytes are allocated; a frame has at most 64 MiB.
//   - B2 What an artifact answers fails the call that asked, and never more than that.
//   - B3 A process ends with its connection, its context, or its parent.
//
// It imports artifacts and diag. Tests build the driver of examples/library and run
// it in two versions; a fuzz test reads frames.
package database
