// Package service moves exchange output between executors.
//
//	Client.Read ── fetch: job, exchange, blocks, rows to skip ──► Server
//	     ▲                                                           │ cache.Store
//	     └── chunk … chunk · end │ gone: map tasks ◄─────────────────┘ by reference, or from disk
//
// One stream is one fetch: all blocks that a reader wants of one executor, in its
// order. Chunks carry the number of their block and are encoded when they leave.
//
// Invariants:
//
//   - F1 A reader gets each row of each block once, in the order in which the
//     holder has them, or an error. A fetch that breaks is resumed behind the last
//     row that arrived.
//   - F2 A block that the holder does not have, a holder that cannot be reached
//     after a few tries, and a chunk that is damaged each time are a
//     *shuffle.GoneError with the map tasks concerned: the scheduler's business.
//   - F3 A fetch holds a bounded number of chunks, whatever the reader does; a
//     reader that is slow stops the sender.
//
// It imports cache, columnar, shuffle and transport. It is tested over the
// in-process transport with damage, loss and resumption.
package service
