package millrace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestLongKeys groups by strings that agree in length and in their first bytes,
// some of which meet in the slot of the first one: each is a group of its own.
func TestLongKeys(t *testing.T) {
	s := open(t, "local")
	for _, prefix := range []string{"Customer", "Supplier", "Nation", "Clerk", "Line"} {
		var b strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&b, "%s#%09d\n", prefix, i)
		}
		file := filepath.Join(t.TempDir(), "keys.csv")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, _, err := text(t, s, "SELECT count(*), sum(c), max(c) FROM (SELECT coalesce(_c0, '') key, count(*) c FROM csv.`"+file+"` GROUP BY 1)")
		if err != nil {
			t.Fatal(err)
		}
		if want := [][]string{{"100000", "100000", "1"}}; !reflect.DeepEqual(rows, want) {
			t.Errorf("%s: %v, want %v", prefix, rows, want)
		}
	}
}
