// Package table makes tables for benchmarks, whose values follow from the number
// of their row.
//
//	[]Table ─► Gen ─► DIR/TABLE.parquet, a folder of four files each
//
// It keeps this promise, T1: the files are the same on every machine and for any
// number of workers, since numbers come by integer arithmetic alone.
package table
