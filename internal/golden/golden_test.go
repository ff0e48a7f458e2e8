package golden

import (
	"os"
	"strings"
	"testing"
)

// With the flag set, the files become what is asked of them; then they compare.
func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.txt", []byte("x\n----\nold\n====\ny\n====\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	upper := func(_ *testing.T, name, in string) string { return name + " " + strings.ToUpper(in) + "\n" }
	defer func(old bool) { *rewrite = old }(*rewrite)
	for _, *rewrite = range []bool{true, false} {
		Cases(t, "*.txt", upper)
		File(t, "b/c.svg", "whole\n")
		if got := Seed(t, "FuzzX", "one", []byte{0, '"', 0xff}); string(got) != "\x00\"\xff" {
			t.Errorf("the seed is %q", got)
		}
	}
	got, err := os.ReadFile("a.txt")
	if want := "x\n----\na X\n====\ny\n----\na Y\n====\n"; err != nil || string(got) != want {
		t.Errorf("the file is %q, %v", got, err)
	}
}
