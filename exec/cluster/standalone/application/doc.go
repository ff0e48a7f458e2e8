// Package application is the driver's side of a standalone cluster: a
// cluster.Backend whose executors the master places on workers.
//
//	              Register, Spec, Up, Leave
//	Application ───────────────────────────► master ──► workers ──► executors
//	     │       ◄─── Placed, Gone, Waiting                             │
//	remote.Backend ◄────────────────────────────────────────────────────┘
//
// The application's authority lives here: for each executor that is placed the
// application makes a certificate, which travels to that executor alone. When the
// master is away the application goes on with the executors that it has, comes
// back by itself and tells what these are.
//
// Invariants:
//
//   - A1 The loss of an executor has one path, remote.Backend, which talks to it;
//     when the master says that it has ended, that path is taken at once.
//   - A2 Start returns with at least one executor, or with the reason why there is
//     none.
//
// It is tested with a real master and workers.
package application
