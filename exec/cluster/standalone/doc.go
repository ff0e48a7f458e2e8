// Package standalone is Millrace's own cluster: what its three parts say to each
// other.
//
//	              master                     hands out cores and memory, keeps no data
//	register ▲ │ place          join ▲ │ start, stop
//	spec, up │ ▼ ended         ended │ ▼
//	      application               worker    one a host; children of it are executors
//	      (in a driver) ◄──────── executor    and drivers of --deploy-mode cluster
//	                     remote
//
// Workers and applications dial the master and keep one stream each, on which both
// sides speak; nobody dials a worker. An application tells the master how many
// executors of what size it wants. The master places one: it tells the
// application, which answers with what the executor has to know, its certificate
// included, and passes that on to the worker. The executor dials its driver.
//
// The cluster's token (internal/identity) makes the certificates of master, workers
// and clients. Those of an application's driver and executors are of the
// application's own authority, so that executors have no business at the master,
// nor anybody of the cluster at an application's ports.
//
// Invariants:
//
//   - S1 Nothing listens without mutual TLS; who answers a verb says for which role.
//   - S2 An executor belongs to one application, and its id is never used again.
//   - S3 Cores and memory of an executor count as taken until its worker says that
//     its process is gone, or the worker is lost.
//   - S4 What each part decides is a pure state machine: master.State, worker.State.
//
// A worker that is to be drained gets nothing more. Its executors are the business of
// their applications, which move what these hold and end them; the worker ends when it
// is empty.
//
//	client ── DrainWorker ──► master ── Drain ──► worker
//	                             └───── Empty ──► application ── moves, then shuts the executor down
//
// What happens when something is killed:
//
//	executor   its worker reaps it and tells; the master places another
//	driver     its executors notice and end; the master has the others ended after
//	           a grace, the workers kill what does not end by itself
//	worker     its executors and drivers end with it; after a grace the master places
//	           others elsewhere
//	master     everything goes on; workers and applications come back to it by
//	           themselves and tell it what there is; nothing new starts meanwhile
package standalone
