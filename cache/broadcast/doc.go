// Package broadcast brings one value of many bytes to every process once, without
// its origin having to send it to each: pieces go from peer to peer.
//
//	origin ── piece 0 ──► a ── piece 0 ──► b       who has a piece serves it,
//	   └───── piece 1 ──► b ── piece 1 ──► a       as a block of its store
//	 Spread: who gets which piece from whom
//
// A value is cut into pieces of 1 MiB. A process asks for one piece after the other;
// the origin says which and from whom, and hears what became of it.
//
// Invariants:
//
//   - B1 The origin sends a piece itself only while no other process has it or is
//     getting it, or where those that have it failed or let somebody wait too long.
//   - B2 A value is given out only when its SHA-256 is the one that its name says.
//   - B3 A process holds a value once: the blocks that it serves are parts of it.
//     They are charged to its store.
//
// Spread is pure: no clock, no goroutine. It is tested by simulation, the whole over
// transports in exec/cluster/remote.
package broadcast
