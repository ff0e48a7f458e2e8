// Package dbgen generates TPC-H data, equal byte for byte to what the official
// generator writes.
//
//	random stream per column ─► row ─► column vectors ─► batch
//
// Each column draws from a stream of its own with a fixed number of draws per
// row, so that any part of a table can be generated alone: streams are advanced
// in O(log n). Streams, seeds and distributions are those of the TPC-H
// specification's generator.
//
// Comments are cut from 300 MB of text that is made on first use (pool.go), in
// about half a second, and kept while somebody generates.
//
// Tests compare checksums of the official files at scale factor 0.01, and with
// MILLRACE_SLOW=1 at 0.1 and 1.
package dbgen
