// Package process runs executors as processes of this machine: local-cluster.
//
//	driver ── Start ──► exec self, MILLRACE_EXECUTOR=1 ──► Child ── remote.Run
//	   │                     stdin: spec as JSON, then nothing
//	   └── keeps stdin open: an executor whose stdin ends has lost its driver
//
// A child is the driver's own binary, so that it has the same code; who it is and
// what proves it comes over stdin, not over arguments or the environment, which
// others can read.
//
// Invariants:
//
//   - P1 No child outlives the driver: its stdin ends with it.
//   - P2 A child that ends before it registered fails Start with what it said.
//   - P3 Sockets lie in a directory of mode 0700 that Close removes.
package process
