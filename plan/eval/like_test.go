package eval

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// likeSlow matches a pattern of characters, % and _ by trying everything.
func likeSlow(s, p []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '%':
		for i := range len(s) + 1 {
			if likeSlow(s[i:], p[1:]) {
				return true
			}
		}
		return false
	case len(s) == 0:
		return false
	case p[0] == '\\':
		return s[0] == p[1] && likeSlow(s[1:], p[2:])
	case p[0] == '_' || p[0] == s[0]:
		return likeSlow(s[1:], p[1:])
	}
	return false
}

func TestLikeColumn(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(n int, alphabet []string) string {
		s := ""
		for range r.IntN(n) {
			s += alphabet[r.IntN(len(alphabet))]
		}
		return s
	}
	for range 300 {
		values := make([]any, 1+r.IntN(200))
		for i := range values {
			values[i] = pick(30, []string{"a", "b", "c", "ab", "ä", "%", "abc"})
		}
		v := vectorOf(columnar.StringType, values, r)
		p := pick(6, []string{"%", "_", "ab", "abc", "a", "ä", "\\%", "bc"})
		c := expr.NewCall("like", columnar.BoolType, &expr.Column{Typ: columnar.StringType}, expr.Lit(p, columnar.StringType))
		prog, err := Compile([]expr.Expr{c}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := prog.Eval(&columnar.Batch{Rows: len(values), Cols: []columnar.Vector{v}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range values {
			want := likeSlow([]rune(x.(string)), []rune(p))
			if got := out[0].Int64At(i) != 0; got != want {
				t.Fatalf("seed %d: '%s' LIKE '%s' is %v, want %v", seed, x, p, got, want)
			}
		}
	}
}

func TestNeedle(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	for range 2000 {
		s := make([]byte, r.IntN(100))
		for i := range s {
			s[i] = "abc"[r.IntN(3)]
		}
		text := make([]byte, 1+r.IntN(4))
		for i := range text {
			text[i] = "abc"[r.IntN(3)]
		}
		n := newNeedle(text)
		want := -1
		for i := 0; i+len(text) <= len(s); i++ {
			if string(s[i:i+len(text)]) == string(text) {
				want = i
				break
			}
		}
		if got := n.find(s, 0); got != want {
			t.Fatalf("seed %d: find %q in %q is %d, want %d", seed, text, s, got, want)
		}
	}
}
