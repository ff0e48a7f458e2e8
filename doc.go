// Package millrace is a columnar data engine: SQL in Spark's dialect and lazy
// data frames over files, run by the schedulers and operators that a cluster
// uses.
//
//	s, err := millrace.Open(ctx, "local[*]")
//	defer s.Close()
//	df, err := s.SQL(ctx, "SELECT l_shipmode, count(*) FROM 'lineitem.parquet' GROUP BY 1")
//	rows, err := df.Collect(ctx)
//
// Errors that a query or its data cause have a class, a place in the text and a
// remedy; errors.As finds them.
package millrace
