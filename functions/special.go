package functions

import "github.com/millrace-engine/millrace"

// CountDistinct is the number of different values, or of combinations of them,
// none of which is null.
func CountDistinct(args ...any) millrace.Column {
	return millrace.CallFunction("count", args...).Distinct()
}

// SumDistinct is the sum of the different values.
func SumDistinct(a any) millrace.Column { return millrace.CallFunction("sum", a).Distinct() }

// CurrentDate is the date on which the query started, in the session's time zone.
func CurrentDate() millrace.Column { return millrace.CallFunction("current_date") }

// CurrentTimestamp is the time at which the query started.
func CurrentTimestamp() millrace.Column { return millrace.CallFunction("current_timestamp") }

// Nvl2 is b where a is not null, else c.
func Nvl2(a, b, c any) millrace.Column { return millrace.CallFunction("nvl2", a, b, c) }

// Grouping is 1 in rows of a Rollup or Cube that leave the key out, else 0.
func Grouping(key any) millrace.Column { return millrace.CallFunction("grouping", key) }

// GroupingID has a bit for each key, the first one's highest, that a row of a Rollup
// or Cube leaves out; without arguments for all keys.
func GroupingID(keys ...any) millrace.Column { return millrace.CallFunction("grouping_id", keys...) }
