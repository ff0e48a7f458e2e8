package tempdir

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// What a process left that died is removed by the next one; what somebody holds, has
// another name or is no directory is not.
func TestSweep(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks of directories")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	held, err := Make("cluster")
	if err != nil {
		t.Fatal(err)
	}
	left, other, file := filepath.Join(temp, "millrace-cluster-123"), filepath.Join(temp, "millrace-test-1"), filepath.Join(temp, "millrace-spill-7")
	for _, dir := range []string{left, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(left, "driver.sock"), filepath.Join(held.Path, "driver.sock"), file} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine, err := Make("spill")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{left: false, other: true, file: true, mine.Path: true, filepath.Join(held.Path, "driver.sock"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}
	for range 2 {
		if err := held.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(held.Path); err == nil {
		t.Error("a directory is there after Remove")
	}
	if err := mine.Remove(); err != nil {
		t.Error(err)
	}
}
