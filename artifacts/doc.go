// Package artifacts carries the files and programs of a session to its executors:
// once to each host, verified, named by what they hold.
//
//	Session.AddFile ─► Store.Import ─► ID = SHA-256, chunks
//	                                     │ offered: refs, address, token
//	driver    Server ◄── HTTP ranges ── Fetcher     executor
//	             │ 2 copies of a chunk,      │ verified chunk by chunk
//	             └ then who has them ───►  Server of that executor
//	                                         ▼
//	                                   Store, shared by the host
//
//	store/<sha256>         the artifact, read-only
//	store/<sha256>.chunks  the hashes of its chunks
//	store/<sha256>.part    what has come so far of one
//	store/<sha256>.lock    held by who fetches it
//
// Invariants:
//
//   - A1 Nothing is opened by a name that came from elsewhere: what travels is an ID,
//     64 hexadecimal digits, and files are opened below the store's os.Root.
//   - A2 An artifact has its name only when all of it is there and has its hash; it is
//     never changed then.
//   - A3 Chunks end where their content says (a rolling hash), so that a changed file
//     shares chunks with the one before, which are copied from it; what else changed
//     comes as what it adds to that one (delta.go).
//   - A4 Who is not of the application, by its certificate, or does not know the
//     session's token gets nothing.
//   - A5 What is in use (Hold) is not evicted; the store stays below its limit, or
//     refuses.
//   - A6 A session without artifacts has no server, no store and no goroutine.
//
// It imports diag, internal/identity and a compressor. Tests damage, cut and hang transfers, and
// ask for ten thousand hostile names.
package artifacts
