// Package service moves exchange output between executors.
//
//	Client.Read ── admission: may it ask, and for how much? ── request ──► Server
//	   Reader                                                        │ cache.Store
//	     ▲  one fetch: all blocks that a reader wants of a holder    │
//	     └── chunk … chunk · end │ gone │ busy │ damaged ◄───────────┘ by turns
//
// One stream is one request: blocks of a holder in the reader's order, from a row
// on, as many bytes of them as the reader has room for. The next request goes on
// from there.
//
//	chunk damaged  ─► diagnose: where? ─► asked for once more ─► CorruptError
//	request broken ─► again after 0.2, 1 and 5 s, from where it stopped ─► GoneError
//	dial unanswered ─► once more ─► GoneError
//	holder lost, as the driver tells (Lose) ─► GoneError, at once
//	holder busy    ─► again when it says so, for two minutes
//
// Over a transport that passes files, batches that lie in shared memory are shown
// instead: the reader maps the holder's region, whose file it is passed, and the
// message says where in it the columns are (columnar/chunk.Sheet). It holds the
// mapping as long as its consumer has the batch; the holder keeps no account of it.
//
// Invariants:
//
//   - F1 A reader gets each row of each block once, in the order in which the
//     holder has them, or an error. Chunks carry their number and their first row,
//     so that one lost, doubled or exchanged is not taken in.
//   - F2 A block that the holder does not have, a holder that cannot be reached
//     after a few tries, and a chunk that is damaged each time are a
//     *shuffle.GoneError with the map tasks concerned: the scheduler's business.
//   - F3 What a task, a process and a pair of processes have in flight is bounded
//     (Limits), and paid for before it is asked for; it comes back when the reader
//     is through with it. So a slow reader stops the sender, and no stream waits
//     for a reader.
//   - F4 A reader whose task waits for it may always ask for one request, so
//     nothing waits for ever however small the limits are.
//   - F5 What comes from a peer is bounded before memory is taken for it, and
//     nothing in it names a file.
//
// Policy and Codec are the users' to replace.
//
// The package imports cache, columnar, shuffle and transport. It is tested over the
// in-process transport with damage, loss and resumption, over simulated bad
// networks, and by fuzzing of both ends.
package service
