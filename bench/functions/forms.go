package functions

import (
	"bytes"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace"
)

// Register registers the functions that are measured. The program that measures gives
// it to millrace.Main.
func Register(r *millrace.Registry) {
	millrace.Scalar1(r, "bench_upper", strings.ToUpper)
	millrace.Scalar1(r, "bench_upper_bytes", bytes.ToUpper)
	millrace.Vector1(r, "bench_upper_vector", upper)
	millrace.Scalar1(r, "bench_reverse", reverse)
	millrace.Scalar1(r, "bench_length", utf8.RuneCountInString)
	millrace.Vector1(r, "bench_length_vector", lengths)
}

// upper makes letters large as strings.ToUpper does, those of ASCII in one piece of
// memory for all strings, as a function of vectors can.
func upper(as, out []string) {
	n := 0
	for _, a := range as {
		n += len(a)
	}
	var b strings.Builder
	b.Grow(n)
	for i, a := range as {
		from := b.Len()
		for k := range len(a) {
			c := a[k]
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			b.WriteByte(c)
			if c >= utf8.RuneSelf {
				break
			}
		}
		if out[i] = b.String()[from:]; len(out[i]) < len(a) || out[i] != "" && out[i][len(a)-1] >= utf8.RuneSelf {
			out[i] = strings.ToUpper(a)
		}
	}
}

// reverse does what the engine's reverse does.
func reverse(s string) string {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		_, n := utf8.DecodeLastRuneInString(s)
		out = append(out, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return string(out)
}

func lengths(as []string, out []int) {
	for i, a := range as {
		out[i] = utf8.RuneCountInString(a)
	}
}

// work is a function in all its forms, the engine's own first.
type work struct {
	name  string
	query string // what is measured, CALL(s) being the call
	none  string // the same without the function
	forms []form
}

type form struct {
	name    string
	call    string // the SQL function
	library string // that CREATE FUNCTION makes it of; "": it is registered
	need    float64
	loop    func(as []string) // it, in a plain loop; nil: it is not in Go
}

// Shares of the built-in's speed that functions need to have.
const (
	needGo   = 0.7
	needWasm = 0.2
)

// works lists what is measured. A library has a function shout, which is upper of
// letters of ASCII.
func works(libraries []string) []work {
	text, number := "sum(octet_length(CALL(s)))", "sum(CALL(s) + octet_length(s))"
	up := work{name: "upper", query: text, none: "sum(octet_length(s))", forms: []form{
		{name: "built-in", call: "upper"},
		{name: "Go, values: strings.ToUpper", call: "bench_upper", need: needGo, loop: each(strings.ToUpper)},
		{name: "Go, values: bytes.ToUpper, as the built-in", call: "bench_upper_bytes", need: needGo, loop: func(as []string) {
			for _, a := range as {
				bytesKept = bytes.ToUpper([]byte(a))
			}
		}},
		{name: "Go, vectors", call: "bench_upper_vector", need: needGo, loop: func(as []string) { upper(as, make([]string, len(as))) }},
	}}
	for i, l := range libraries {
		up.forms = append(up.forms, form{name: "WebAssembly: " + filepath.Base(l), call: "bench_shout" + string(rune('a'+i)), library: l, need: needWasm})
	}
	return []work{up,
		{name: "reverse", query: text, none: "sum(octet_length(s))", forms: []form{
			{name: "built-in", call: "reverse"},
			{name: "Go, values", call: "bench_reverse", need: needGo, loop: each(reverse)},
		}},
		{name: "length", query: number, none: "sum(octet_length(s))", forms: []form{
			{name: "built-in", call: "length"},
			{name: "Go, values", call: "bench_length", need: needGo, loop: func(as []string) {
				for _, a := range as {
					numberKept += utf8.RuneCountInString(a)
				}
			}},
			{name: "Go, vectors", call: "bench_length_vector", need: needGo, loop: func(as []string) { lengths(as, make([]int, len(as))) }},
		}},
	}
}

// What plain loops make, so that the compiler keeps them.
var (
	bytesKept  []byte
	numberKept int
)

func each(f func(string) string) func([]string) {
	return func(as []string) {
		out := make([]string, len(as))
		for i, a := range as {
			out[i] = f(a)
		}
	}
}
