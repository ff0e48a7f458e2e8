package spill

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
)

// The default directory is private to the process and goes away with the space;
// those of processes that died are removed, others are left alone.
func TestDefaultDirectory(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, name := range []string{"millrace-spill-17", "other"} {
		if err := os.Mkdir(filepath.Join(tmp, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := NewSpace("")
	b := &columnar.Batch{Rows: 1, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: 1, Data: make([]byte, 8)}}}
	r := s.File().NewRun("test")
	if err := r.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.where())
	if err != nil || filepath.Dir(s.where()) != tmp || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", s.where(), info, err)
	}
	os.Remove(s.where()) // as one does who cleans up
	if r = s.File().NewRun("test"); r.Append(t.Context(), b) != nil || r.Flush() != nil {
		t.Error("nothing can be spilled once the directory is gone")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
