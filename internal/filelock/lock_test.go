package filelock

import (
	"os"
	"path/filepath"
	"testing"
)

// Several may share a lock, one alone has it exclusively, and it goes with the file.
func TestLock(t *testing.T) {
	if !Works {
		t.Skip("this system has no locks of files")
	}
	path := filepath.Join(t.TempDir(), "f")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b, c := open(), open(), open()
	defer c.Close()
	if Shared(a) != nil || Shared(b) != nil || Exclusive(c) {
		t.Error("two share it, and a third has it alone")
	}
	a.Close()
	b.Close()
	if !Exclusive(c) {
		t.Error("locks stay when their files are closed")
	}
	d := open()
	defer d.Close()
	if Shared(d) == nil || Exclusive(d) {
		t.Error("two have it")
	}
}
