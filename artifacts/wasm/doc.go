// Package wasm runs the functions of WebAssembly libraries, each in a process of its
// own that can be killed.
//
//	expr.ForeignScalar ── columns over a pipe ──► child: this program again (Serve)
//	      │ waits at most Signature.Call             │ wazero, at most Signature.Memory
//	      └ kills it: a typed error                  └ shout(rows, args) in the guest
//
// A library is a module that exports its memory and
//
//	millrace_alloc(bytes u32) u32       room that the host writes arguments into; it
//	                                    lives until the function that is called next
//	                                    returns
//	NAME(rows u32, args u32) u32        a function of SQL: args are as many columns as
//	                                    it has parameters, it returns one; 0 is a failure
//
// A column is three u32 addresses in its memory, 4-byte aligned, 0 for what is not there;
// the buffers are Arrow's, little end first:
//
//	validity   a bit a row, least first; 0 = no row is null
//	data       values (int i32, bigint i64, double f64), bits of boolean, or rows+1
//	           offsets i32 of string and binary
//	bytes      of string and binary
//
// Rows whose argument is null are passed in, and their results do not count: a function
// is strict unless it is declared CALLED ON NULL INPUT. A reactor's _initialize is
// called once; WASI is there without files, arguments, environment and clock. The first
// line that a guest writes to standard error is a part of the error when it traps. A
// runtime that collects garbage has little time to do it between calls: a library that
// takes new memory for each batch has none after some hundreds; take it again, as the
// examples do.
//
// Invariants:
//
//   - W1 A guest that loops, traps, allocates without end or answers with addresses
//     outside its memory fails its query with FUNCTION_FAILED, and nothing else.
//   - W2 What a guest says is checked against its memory before a byte of it is used.
//   - W3 A module is compiled once per host and release: the code lies in a cache beside
//     the artifact store.
//
// It imports artifacts, columnar, plan/expr and diag; wazero runs in the child alone.
// The sources of the tests' guests, in Go and in C, are in examples;
// `make wasm` builds them.
package wasm
