package artifacts

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

// A disk that is full, really: neither an import nor a fetch leaves anything that has a
// name, says what to do, and what is smaller has room afterwards.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("millrace-test", dir, "tmpfs", 0, "size=3m,mode=0700"); err != nil {
		t.Skipf("a file system of 3 MiB cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	store, err := OpenStore(dir, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := newApp(t, "app-1")
	large, small := a.add(random(1, 8<<20)), a.add(random(2, 1<<20))
	check := func(what string, err error) {
		t.Helper()
		var full syscall.Errno = syscall.ENOSPC
		if diag.ClassOf(err) != diag.ArtifactFailed || !strings.Contains(err.Error(), full.Error()) || !strings.Contains(err.Error(), "artifact.dir") {
			t.Errorf("%s: %v", what, err)
		}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if !strings.HasSuffix(e.Name(), ".lock") {
				t.Errorf("%s: %s is left", what, e.Name())
			}
		}
	}
	f := a.executor("1", store)
	check("a fetch", f.Fetch(t.Context(), large))
	_, err = store.Import(a.store.Path(large.ID), File)
	check("an import", err)
	if err := f.Fetch(t.Context(), small); err != nil {
		t.Errorf("what has room: %v", err)
	}
	holds(t, store, small, random(2, 1<<20))
}
