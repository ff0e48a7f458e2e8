package function

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// BenchmarkStrings compares functions over batches of different strings with the
// engine's own, in ns per row.
func BenchmarkStrings(b *testing.B) {
	var r Registry
	Scalar1(&r, "go_upper", strings.ToUpper)
	Scalar1(&r, "go_upper_bytes", bytes.ToUpper)
	Scalar1(&r, "go_length", textLength)
	Scalar1(&r, "go_reverse", reversed)
	if r.Err() != nil {
		b.Fatal(r.Err())
	}
	xs := make([]string, columnar.MaxRows)
	for i := range xs {
		xs[i] = fmt.Sprintf("Customer number %d", i*7919)
	}
	v, err := storeTexts(columnar.StringType, xs, nil)
	if err != nil {
		b.Fatal(err)
	}
	batch := &columnar.Batch{Cols: []columnar.Vector{v}, Rows: len(xs)}
	for _, name := range []string{"upper", "go_upper", "go_upper_bytes", "length", "go_length", "reverse", "go_reverse"} {
		b.Run(name, func(b *testing.B) {
			f, ok := r.Table().Lookup(name)
			if !ok {
				b.Fatal("no function")
			}
			arg := &expr.Column{Typ: columnar.StringType}
			sig, err := f.Resolve([]expr.Expr{arg})
			if err != nil {
				b.Fatal(err)
			}
			p, err := eval.Compile([]expr.Expr{&expr.Call{Fn: f, Args: []expr.Expr{arg}, Typ: sig.Result}}, eval.Options{})
			if err != nil {
				b.Fatal(err)
			}
			s := memory.NewScratch(nil)
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				s.Reset()
				if _, err := p.Eval(batch, s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/columnar.MaxRows, "ns/row")
		})
	}
}

func textLength(s string) int32 { return int32(utf8.RuneCountInString(s)) }

func reversed(s string) string {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		_, n := utf8.DecodeLastRuneInString(s)
		out = append(out, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return string(out)
}
