// Package micro holds small benchmarks of one operator each, and makes their
// data.
//
//	facts    20,000,000 rows  k1, k4, k6, k7: keys of 10, 10⁴, 10⁶, 10⁷ values; z: a skewed one of 10⁶; v
//	dim       1,000,000       key, w: each key once
//	west      5,000,000       key, a: each key once, in any order
//	east      5,000,000       key, b: the same keys in another order
//	ints     10,000,000       k: 64 bits at random, id
//	strings   5,000,000       s: one of 16 words, a slash and 12 digits at random, id
//	lineitem.csv              of TPC-H, with a header
//
// The numbers of rows are those of scale factor 1; others are in proportion, and
// a key has no more values than its table has rows. With two threads a run of
// ten queries takes about ten seconds per engine.
//
// bench/table makes them, the same on every machine. One promise more, M1:
// results are small and need all rows of the work that is measured, or they
// are in a total order, so that they can be compared between engines.
package micro
