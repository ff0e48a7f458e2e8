// Package master is the master of a standalone cluster.
//
//	streams of workers ────┐              ┌──► lines of workers
//	streams of clients ────┼──► State ────┼──► lines of applications
//	time ──────────────────┘    Step      └──► drivers.json
//
// State is pure and decides everything; Master has the streams, the clock and the
// file, and holds one lock while an event goes through.
//
// Invariants:
//
//   - M1 An event and what it leads to are one step: messages to a peer leave in the
//     order in which they were decided.
//   - M2 A driver that was accepted, or whose end a worker was allowed to forget, is
//     on disk.
//   - M3 Each verb has its roles in one table (verbs); nothing else is answered.
//   - M4 Of several masters one leads (lease.go). One that does not lead any more says of
//     nothing that it is on disk.
//
// State is tested by stories and, together with worker.State, by simulation;
// Master with real workers and applications.
package master
