// Package chaos shows that faults change no answer and hang no query: it runs
// queries whose answers are known, while it kills, stops and cuts off executors and
// fills and damages what they have on disk.
//
//	           ┌── queries ──► Session ──► driver ──► executors, processes
//	Run ──────►│                  │ Watch                 ▲
//	           ├── watch ◄────────┘ hung?                 │ signals, /proc,
//	           └── imp, by the seed ──────────────────────┘ the file system
//
// All faults come from the outside, through what Linux offers to whoever owns a
// process; the engine has no door for them:
//
//	kill     SIGKILL to an executor
//	stop     SIGSTOP, and SIGCONT later: sooner or later than the driver gives it up
//	cut      shutdown(2) of connections of an executor, on a copy of its descriptor
//	sever    datagrams dropped that QUIC connections of an executor send and get, by a
//	         filter on copies of the descriptors, for a moment or until they are lost
//	damage   a byte changed of a file that executors spilled to, by /proc/PID/fd, or
//	         that they keep exchange output in
//	fill     the file system that they spill to, or keep that in, has no room left; it
//	         is one of its own in memory, which root alone can mount
//
// Invariants:
//
//   - C1 A fault counts when it was seen to have struck: the process is gone, is
//     stopped, the connection was there and is shut, the system has dropped a datagram
//     of one, the byte is another, the file system has no block left. A run in which
//     a kind never struck fails.
//   - C2 A query is right, wrong, or hung: no event of a scheduler for a minute, or
//     ten times its median and 40 s for each fault. It may be refused (SPILL_FAILED)
//     while a disk is full. Whatever else it ends with is a failure of the run.
//   - C3 The same seed chooses the same queries, sessions and faults; when within a
//     query these strike is up to the machine.
//
// It uses the public API, and imports bench/tpch. Its tests run a few kills.
package chaos
