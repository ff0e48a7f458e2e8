// Package function makes Go functions of a program callable from queries.
//
//	Registry ── Scalar, Vector, Aggregate, Table ──► expr.Function ──► FunctionTable
//	   │                                                │ Compute, Groups
//	   └─ Fingerprint: what executors must have, too    ▼
//	                              column[T]: vector ⇄ []T, once per batch
//
// Invariants:
//
//   - F1 A function is package-level: closures and method values are refused, since
//     what they capture would silently differ between processes. What varies is an
//     argument of the call.
//   - F2 Types are looked at when a function is registered; what runs per row is the
//     function and generic loops over slices.
//   - F3 Strings and bytes that a function gets are its own to keep: they are copied
//     once per batch.
//   - F4 A panic of a function is an error of its query, with the function, the value
//     and the line; it never leaves the task.
//
// It imports columnar, plan/expr and diag. The tests of the root package reach it
// through SQL; here are tests of columns and encodings.
package function
