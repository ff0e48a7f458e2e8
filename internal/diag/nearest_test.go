package diag_test

import (
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

func TestSlips(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"same", "SAME", 0},
		{"slect", "select", 1}, {"form", "from", 1}, {"wehre", "where", 1}, {"grop yb", "group by", 2},
		{"kitten", "sitting", 3}, {"ca", "abc", 3},
		{strings.Repeat("x", 300), "x", 200},
	} {
		if got := diag.Slips(c.a, c.b); got != c.want {
			t.Errorf("Slips(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := diag.Slips(c.b, c.a); got != c.want {
			t.Errorf("Slips(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"orders", "Customer", "order_id", "orderz"}
	for _, c := range []struct {
		name  string
		limit int
		want  string
	}{
		{"ordres", 1, "orders"}, {"CUSTOMR", 1, "Customer"}, {"orderx", 1, "orders"}, {"lineitem", 3, ""}, {"orders", 0, "orders"},
	} {
		if got := diag.Nearest(c.name, names, c.limit); got != c.want {
			t.Errorf("Nearest(%q, limit %d) = %q, want %q", c.name, c.limit, got, c.want)
		}
	}
}
