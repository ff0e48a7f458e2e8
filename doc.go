// Package millrace is a columnar data engine: SQL in Spark's dialect and lazy
// data frames over files, run by the schedulers and operators that a cluster
// uses.
//
//	s, err := millrace.Open(ctx, "local[*]")
//	defer s.Close()
//	df, err := s.SQL(ctx, "SELECT l_shipmode, count(*) FROM 'lineitem.parquet' GROUP BY 1")
//	rows, err := df.Collect(ctx)
//
// The same with columns, which package functions has the functions for:
//
//	df := s.Read().Parquet("lineitem.parquet").GroupBy("l_shipmode").Agg(functions.Count("*"))
//
// Accumulators gather sums and rows beside a result (DataFrame.Accumulate).
//
// A result comes while its query runs: Batches, ForEach and Write hold a bounded
// number of batches, and a reader that is slow slows the query down. Rows come in
// order and each comes once, whatever failed on the way: the rows of a task are
// held back until it succeeded. A task whose rows are more than half of the setting
// driver.result.buffer gives them out while it runs; if it fails then, it is run
// again where it is known to yield the same rows in the same order, and skips those
// that are out, else the query fails (RESULT_LOST). Collect, Show and CollectInto
// gather rows in memory, up to driver.collect.limit.
//
// Errors that a query or its data cause have a class, a place in the text and a
// remedy; errors.As finds them. A mistake in a frame is reported by its action and
// names the line of the program that made it.
package millrace
