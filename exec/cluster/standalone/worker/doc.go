// Package worker is a worker of a standalone cluster: it runs executors and drivers
// as processes of its host.
//
//	master's stream ──┐            ┌──► processes: spawn, ask to end, kill
//	processes' ends ──┼──► State ──┤
//	time ─────────────┘    Step    └──► master's stream, when there is one
//
//	dir/APP/N/       an executor's sockets and spills
//	dir/DRIVER/      a driver's credential
//
// Nobody dials a worker: it keeps a stream to the master, comes back when that
// breaks, and then tells what it runs. Its processes go on meanwhile.
//
// Invariants:
//
//   - W1 No process outlives the worker: their standard input ends with it.
//   - W2 A process that was asked to end and does not is killed after a grace.
//   - W3 Nothing is left in dir of a process that has ended.
//   - W4 The worker never runs more than it has, whatever it is told.
//   - W5 The end of a driver is told until the master has noted it.
//   - W6 One that is drained runs nothing more, and ends when nothing runs and the master
//     knows how its drivers ended.
//
// State is pure, tested together with master.State by simulation; Run with a real
// master and processes.
package worker
