// Package functions measures what functions of a program cost: the same functions of
// strings by the engine, in Go over values and over vectors, and in WebAssembly, over
// many different strings; and what a process takes to start with and without artifacts.
//
//	SELECT sum(octet_length(F(s))) FROM strings     F: built-in, Go, WebAssembly, none
//	   │ by turns, in one session on one core
//	   ├─► whole query: the built-in's processor time ÷ F's
//	   └─► function alone: the same without the time of the query that has no F
//	millrace sql -c 'SELECT …'                      with and without --with-file
//	   └─► time until it has ended, peak of resident memory
//
// Invariants:
//
//   - All ways of a function give the same sum, or there is no result.
//   - What is compared runs by turns, and medians of the processor time of all processes
//     are compared: what else the machine does meets all alike, and hardly counts.
//
// It imports the root package and bench/harness. Its test runs every case over few
// rows.
package functions
