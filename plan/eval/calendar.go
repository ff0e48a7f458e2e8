package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// ymd returns the calendar date of a day number, by multiplications alone
// (Neri and Schneider's algorithm). It holds for the years −32800 to 2.9 million.
func ymd(day int32) (y int32, m, d uint32) {
	const eras = 82 // of 400 years, to start from
	n := uint32(day) + 719468 + 146097*eras
	n1 := 4*n + 3
	century := n1 / 146097
	n2 := n1%146097 | 3
	p := uint64(n2) * 2939745
	z := uint32(p >> 32)
	dayOfYear := uint32(p) / 2939745 / 4
	n3 := 2141*dayOfYear + 197913
	y, m, d = int32(100*century+z)-400*eras, n3>>16, n3&0xffff/2141+1
	if dayOfYear >= 306 { // January and February, of the next year
		y, m = y+1, m-12
	}
	return y, m, d
}

// calendarLoop computes a field of dates; nil for fields that have no loop.
func calendarLoop(c *expr.Call) function {
	name := c.Fn.Name
	switch name {
	case "year", "month", "day", "quarter":
	default:
		return nil
	}
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v := flat(args[0], r.s)
		out := memory.Slice[int32](r.s, r.n)
		days := columnar.Values[int32](v)
		switch name {
		case "year":
			for i, x := range days {
				out[i], _, _ = ymd(x)
			}
		case "month":
			for i, x := range days {
				_, m, _ := ymd(x)
				out[i] = int32(m)
			}
		case "day":
			for i, x := range days {
				_, _, d := ymd(x)
				out[i] = int32(d)
			}
		default:
			for i, x := range days {
				_, m, _ := ymd(x)
				out[i] = int32(m+2) / 3
			}
		}
		return columnar.Vector{Type: c.Typ, Width: 4, Len: r.n, Valid: v.Valid, Data: columnar.BytesOf(out)}, nil
	}
}
