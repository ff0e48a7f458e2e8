// Package dbgen generates TPC-H data, equal byte for byte to what the official
// generator writes.
//
//	random stream per column ─► row ─► column vectors ─► batch
//
// Each column draws from a stream of its own with a fixed number of draws per
// row, so that any part of a table can be generated alone: streams are advanced
// in O(log n). Streams, seeds and distributions are those of the TPC-H
// specification's generator.
package dbgen
