// Package memory holds benchmarks of work that does not fit into memory, and
// lists their data.
//
//	west   10,000,000 rows  key, a: each key once, in any order
//	east   10,000,000       key, b: the same keys in another order
//	wide   20,000,000       k: each key once, v, s: 101 bytes, each once
//	lists   5,000,000       g: 0 for 4,000,000 rows, else one of 1,000 groups; v
//	hot     3,001,000       key: 0 for 3,000,000 rows, each of 1,000 others once; v
//
// The numbers of rows are those of scale factor 1, which is meant for 96 MiB;
// scale factor 5 is meant for 512 MiB. bench/table makes the data. One promise
// more, M1: results are small and need all rows of the work that is measured, or
// they are the end of a total order.
package memory
