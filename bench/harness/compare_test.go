package harness

import (
	"math"
	"strings"
	"testing"
)

// reply makes an answer of rows of values separated by spaces; - is null.
func reply(types string, rows ...string) *Reply {
	r := &Reply{Count: int64(len(rows))}
	for _, t := range strings.Fields(types) {
		r.Columns = append(r.Columns, Column{"c", t})
	}
	for _, row := range rows {
		var values []*string
		for _, v := range strings.Fields(row) {
			if v == "-" {
				values = append(values, nil)
				continue
			}
			values = append(values, &v)
		}
		r.Rows = append(r.Rows, values)
	}
	return r
}

func TestCompare(t *testing.T) {
	differs := "differs"
	for _, x := range []struct {
		name    string
		a, b    *Reply
		want    string
		ordered bool
	}{
		{"widths of integers do not count", reply("int string", "1 a"), reply("bigint string", "1 a"), Same, false},
		{"another digit", reply("bigint", "1"), reply("bigint", "2"), differs, false},
		{"order does not count", reply("bigint", "1", "2"), reply("bigint", "2", "1"), Same, false},
		{"order counts", reply("bigint", "1", "2"), reply("bigint", "2", "1"), differs, true},
		{"a row twice", reply("bigint", "1", "1", "2"), reply("bigint", "1", "2", "2"), differs, false},
		{"a row less", reply("bigint", "1"), reply("bigint", "1", "2"), differs, false},
		{"a column less", reply("bigint", "1"), reply("bigint bigint", "1 2"), differs, false},
		{"null is not zero", reply("bigint", "-"), reply("bigint", "0"), differs, false},
		{"null is null", reply("bigint", "-"), reply("double", "-"), Same, false},
		{"zeros at the end", reply("decimal(15,2)", "1.50"), reply("decimal(38,4)", "1.5000"), Same, false},
		{"one scale is exact", reply("decimal(15,2)", "1.50"), reply("decimal(38,2)", "1.51"), differs, false},
		{"cut and rounded", reply("decimal(19,6)", "0.333333"), reply("decimal(38,8)", "0.33333399"), Near, false},
		{"a unit of the coarser scale", reply("decimal(19,6)", "0.333333"), reply("decimal(38,8)", "0.33333400"), differs, false},
		{"double for decimal", reply("double", "0.3333333333"), reply("decimal(19,6)", "0.333333"), Near, false},
		{"double too far off", reply("double", "0.3333353333"), reply("decimal(19,6)", "0.333333"), differs, false},
		{"last place of a double", reply("double", "1.0000000000000002"), reply("double", "1.0"), Same, false},
		{"a billionth", reply("double", "1.0000000054"), reply("double", "1.0000000046"), Near, false},
		{"more than that", reply("double", "1.00000001"), reply("double", "1.0"), differs, false},
		{"double for integer", reply("double", "1995.0"), reply("bigint", "1995"), Same, false},
		{"number for text", reply("string", "1995"), reply("double", "1995"), differs, false},
		{"text is no number", reply("string", "a"), reply("double", "1995"), differs, false},
		{"rows near each other meet", reply("string double", "a 2.00001", "a 1", "b 0"), reply("string decimal(9,4)", "b 0", "a 1.0000", "a 2.0000"), Near, false},
		{"a date with a time", reply("timestamp", "1995-01-01"), reply("date", "1995-01-01"), Same, false},
		{"not a number", reply("double", "nan"), reply("double", "NaN"), Same, false},
	} {
		for _, swap := range []bool{false, true} {
			a, b := x.a, x.b
			if swap {
				a, b = b, a
			}
			got := compare(a, b, x.ordered)
			if x.want == differs && got != Same && got != Near {
				got = differs
			}
			if got != x.want {
				t.Errorf("%s (swapped: %v): %q, want %q", x.name, swap, got, x.want)
			}
		}
	}
}

// Large results are compared at the same places, and only if they are ordered.
func TestPlaces(t *testing.T) {
	if Places(FullRows) != nil {
		t.Error("a result that is sent in whole is sampled")
	}
	p := Places(FullRows + 1)
	if len(p) != sample+1 || p[0] != 0 || p[sample] != FullRows {
		t.Errorf("%d places from %d to %d", len(p), p[0], p[len(p)-1])
	}
	a := reply("bigint", "1")
	a.Sampled = true
	if got := compare(a, a, false); got == Same {
		t.Error("a sample was compared without an order")
	}
	if got := compare(a, a, true); got != Same {
		t.Error(got)
	}
}

func TestStatistics(t *testing.T) {
	if m := Median([]float64{5, 1, 3}); m != 3 {
		t.Error(m)
	}
	if m := Median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Error(m)
	}
	if m := MAD([]float64{1, 2, 3, 4, 100}); m != 1 {
		t.Error(m)
	}
	if g := Geomean([]float64{1, 4}); math.Abs(g-2) > 1e-12 {
		t.Error(g)
	}
	if Median(nil) != 0 || MAD(nil) != 0 || Geomean(nil) != 0 {
		t.Error("nothing has a value")
	}
}
