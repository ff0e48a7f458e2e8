// Package remote runs tasks on executors in other processes.
//
//	driver                                   executor
//	Backend ◄──────── control stream ──────► Agent ── executor.Executor
//	   │      hello, launch, kill, end,        │
//	   │      outputs, report, heartbeat, move │
//	Results ◄──────── result stream ───────────┤   one per task of a result stage
//	values  ◄──────── stream per value ────────┘   what to get next, and from whom
//
// The executor dials the driver and opens both kinds of streams; the driver never
// dials. Outputs of exchanges that a task reads are sent before its launch, once
// per epoch, so that an executor never has to ask. Stages and keys of runtime filters
// beyond 256 KiB are values that executors get in pieces (cache/broadcast).
//
// Invariants:
//
//   - R1 Frames are bounded: whoever sends a longer one is cut off.
//   - R2 An executor that says nothing for as long as Silence is lost, and is told
//     so once, whatever its streams say later. It ends itself when it loses its
//     driver.
//     The other executors are told, too, and wait for it no more.
//   - R3 A batch of results counts as handed over only when the driver has taken
//     it: a report never overtakes the rows of its task.
//   - R4 What an executor says about tasks and moves that it was not given is ignored.
//   - R5 A move ends with one answer, and with its job at the latest: nothing is left of
//     it after that (move.go).
//
// It is tested by clustertest over every transport and by killing executors.
package remote
