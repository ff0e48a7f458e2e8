package physical

import "github.com/millrace-engine/millrace/columnar"

// StateTypes returns the columns in which an aggregate function's partial state
// travels, for a call's function and argument types:
//
//	count            [bigint]
//	sum              [result type]           null: no value seen
//	avg              [sum, bigint count]     sum of decimals is decimal(38, s), of others double
//	min max first last any_value …           [argument type] (+ [bool seen] for first/last)
//	bool_and bool_or [bool]
//	stddev* var*     [double n, double mean, double m2]
//	collect_list     [result type]
//	those of others  what they say
//
// ok is false where partial states would be no smaller than the rows (the
// planner then uses AggComplete over rows partitioned by the keys).
func StateTypes(call AggCall) (types []columnar.Type, ok bool) {
	if call.Foreign != nil {
		return []columnar.Type{call.Foreign.State()}, true
	}
	switch call.Fn {
	case "count", "count_if":
		return []columnar.Type{columnar.Int64Type}, true
	case "sum":
		return []columnar.Type{call.Result}, true
	case "avg":
		sum := columnar.Float64Type
		if t := call.ArgTypes[0]; t.Kind == columnar.Decimal {
			sum = columnar.DecimalType(columnar.MaxPrecision, int(t.Scale))
		}
		return []columnar.Type{sum, columnar.Int64Type}, true
	case "min", "max", "any_value", "bool_and", "bool_or":
		return []columnar.Type{call.Result}, true
	case "collect_list":
		return []columnar.Type{call.Result}, false
	case "first", "last":
		return []columnar.Type{call.Result, columnar.BoolType}, true
	case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return []columnar.Type{columnar.Float64Type, columnar.Float64Type, columnar.Float64Type}, true
	}
	return nil, false
}

// Windowed reports whether a function can be computed over windows.
func Windowed(fn string) bool {
	switch fn {
	case "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "nth_value",
		"first", "last", "any_value", "count", "count_if", "sum", "avg", "min", "max", "bool_and", "bool_or",
		"stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return true
	}
	return false
}

// WindowConstant reports the arguments of window functions that are numbers, not
// values of rows: how far lag and lead look, n of nth_value and ntile.
func WindowConstant(fn string, i int) bool {
	switch fn {
	case "lag", "lead", "nth_value":
		return i == 1
	case "ntile":
		return i == 0
	}
	return false
}

// WindowPlaces returns in how many places a call reads a partition at once that
// memory does not hold.
func WindowPlaces(c *WindowCall) int {
	switch c.Fn {
	case "row_number", "rank", "dense_rank", "ntile", "percent_rank":
		return 0
	case "cume_dist", "lag", "lead":
		return 1
	}
	if c.Frame != nil && c.Frame.Start == nil && !(c.Fn == "first" || c.Fn == "last" || c.Fn == "any_value" || c.Fn == "nth_value") {
		return 1
	}
	return 3
}
