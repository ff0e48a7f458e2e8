// Package records is what the formats of text records share: how files are cut
// into splits, the batch reader with its modes, options, and the memory of
// inferred schemas.
//
//	Ranges ─► splits ─► Reader ◄── Source (csv, json, text): cells of some records
//	                      │  filter columns ─► filters ─► the other columns
//	                      └► batches
//
// A record is malformed if the format says so, or if a cell of it that is looked at
// is no value of its column's type. By mode such a record is read as far as that
// goes, with nulls, and its text goes to the column for corrupt records if the
// table has one (PERMISSIVE); or it is left out (DROPMALFORMED); or it is an error
// (FAILFAST). Where the column for corrupt records is asked for, every column is
// looked at, so that its content does not depend on what else a query needs.
//
// It imports columnar, connector, connector/cells, connector/fs, connector/lines,
// plan/eval and plan/expr. It is tested through the formats.
package records
