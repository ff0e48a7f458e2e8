package executor

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Outputs that are kept hold no descriptor but while they are read; one whose file
// was removed tells so, and files stay when blocks are dropped.
func TestKept(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts descriptors in /proc")
	}
	dir := t.TempDir()
	root, err := OpenKeep(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	e := New(Config{ID: "x", Slots: 1, Broker: memory.NewBroker(64 << 20), Keep: root})
	s := columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type})
	const outputs = 100
	for m := range outputs {
		w := e.Store().NewWriter(cache.BlockID{Job: 1, Exchange: 1, Map: m}, 3, cache.DiskOnly)
		for range 2 {
			b := &columnar.Batch{Schema: s, Rows: 2, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: 2, Stable: true, Data: columnar.BytesOf([]int64{int64(m), 7})}}}
			if err := w.Append(t.Context(), 2, b, 16); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if n := descriptors(t); n > before+5 {
		t.Errorf("%d descriptors before, %d with %d outputs", before, n, outputs)
	}
	if err := os.Remove(filepath.Join(dir, "job-1-exchange-1", "5-0.mrs")); err != nil {
		t.Fatal(err)
	}
	for m := range outputs {
		p, ok := e.Store().Get(cache.BlockID{Job: 1, Exchange: 1, Map: m, Partition: 2})
		if !ok {
			t.Fatalf("output %d is not there", m)
		}
		b, err := p.Next(t.Context(), nil)
		if m == 5 {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a removed file: %v", err)
			}
		} else if err != nil || b.Rows != 2 || b.Cols[0].Int64At(0) != int64(m) {
			t.Fatalf("output %d: %v", m, err)
		} else if _, err = p.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		} else if _, err = p.Next(t.Context(), nil); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		p.Close()
	}
	e.EndJob(1)
	e.Close()
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
	left, err := filepath.Glob(filepath.Join(dir, "job-1-exchange-1", "*.mrs"))
	if err != nil || len(left) != outputs-1 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
}
