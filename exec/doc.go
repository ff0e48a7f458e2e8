// Package exec names what runs: jobs, stages, tasks and executors, and the ways
// in which a task can fail.
//
//	driver ── dag (what must exist) ── task (where and when) ── cluster backend
//	                                                              └── executor ── build ── op
//
// A failure is classified by its type once, where it happens, and never again
// from its text: it crosses the wire field by field (EncodeFailure). The package
// imports diag only.
package exec
