// Package process runs executors as processes of this machine: for local-cluster
// (Start), and one by one for workers of a standalone cluster (Spawn).
//
//	driver ── Start ──► exec self, MILLRACE_EXECUTOR=1 ──► Child ── remote.Run
//	   │                     stdin: spec as JSON, a word when it is to end
//	   └── keeps stdin open: an executor whose stdin ends has lost its driver
//
// A child is the driver's own binary, so that it has the same code; who it is and
// what proves it comes over stdin, not over arguments or the environment, which
// others can read.
//
// Invariants:
//
//   - P1 No child outlives whoever started it: its stdin ends with it. The child
//     then removes what both had in the file system.
//   - P2 A child that ends before it registered fails Start with what it said.
//   - P3 Sockets lie in a directory of mode 0700 that Close removes.
package process
