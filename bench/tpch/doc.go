// Package tpch holds the TPC-H benchmark: its 22 queries with the validation
// parameters, the answers at scale factors 0.01, 0.1 and 1, and the making of
// data files. The generator itself is in dbgen.
package tpch
