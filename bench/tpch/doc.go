// Package tpch holds the TPC-H benchmark: its 22 queries with the validation
// parameters, the answers at scale factors 0.01, 0.1 and 1, and the making of
// data files. The generator itself is in dbgen.
//
//	dbgen ─► Gen ─► TABLE.parquet | .csv | .tbl
//	                     │ an engine
//	queries/qNN.sql ─────┴──► rows as text ─► Check ◄── answers/sf*.tar.gz
//
// It keeps these promises:
//
//   - A table in a directory is whole: Gen moves complete tables into place.
//   - The files of a scale factor and format are the same on every machine.
//   - The queries are one text for every engine that is compared.
//   - Check trusts nothing: a changed digit in any answer is found, which is
//     tested for every query.
//
// It knows the connectors and the columnar types, not the engine: who runs the
// queries renders the rows as columnar/text does.
package tpch
