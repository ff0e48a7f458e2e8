package kernels_test

import (
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/kernels"
)

// Every kernel does its work, the same in each run.
func TestKernels(t *testing.T) {
	names := map[string]bool{}
	for _, k := range kernels.List() {
		if names[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		names[k.Name] = true
		run, done, err := k.Make(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		first, err := run()
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		again, err := run()
		if err != nil || again != first {
			t.Errorf("%s: %d rows, then %d (%v)", k.Name, first, again, err)
		}
		if k.Out >= 0 && first != k.Out || k.Out < 0 && (first <= 0 || first >= k.Rows) {
			t.Errorf("%s: %d rows, want %d of %d", k.Name, first, k.Out, k.Rows)
		}
		done()
	}
}

// A measurement has figures, and is read as it was written.
func TestMeasure(t *testing.T) {
	told := 0
	r, err := kernels.Measure(t.Context(), "test", kernels.List()[:2], func(kernels.Timing) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if told != 2 || len(r.Kernels) != 2 || r.Copy <= 0 || r.Kernels[0].NS <= 0 || r.Kernels[0].Bytes != 16 || r.Kernels[0].Share <= 0 {
		t.Errorf("%d told, %+v", told, r)
	}
	path := filepath.Join(t.TempDir(), "kernels.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if got, err := harness.Load[kernels.Result](path, "result"); err != nil || got.Kernels[1] != r.Kernels[1] || got.Copy != r.Copy {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := harness.Load[kernels.Result](path+"x", "result"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func Benchmark(b *testing.B) {
	for _, k := range kernels.List() {
		b.Run(k.Name, func(b *testing.B) {
			run, done, err := k.Make(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer done()
			b.SetBytes(k.Move)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := run(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(k.Rows), "ns/row")
		})
	}
}
