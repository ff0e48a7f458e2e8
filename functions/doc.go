// Package functions has SQL's functions as Go functions over columns:
//
//	df.GroupBy("city").Agg(functions.Sum("sales").As("total"))
//	df.Filter(functions.Upper("name").Eq("ADA"))
//
// Arguments are any: a Column; a string, which names a column; another Go value,
// which is a constant. A constant text is millrace.Lit("…"). What a function does,
// takes and returns is what it does in SQL; a wrong argument is reported by the
// action of the frame.
//
// functions.go is generated from the function table of the planner (make gen); a
// test checks that it is up to date. It imports the root package alone.
package functions

//go:generate go run ./gen functions.go
