package connector

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
)

// failing is a disk that fails at its n-th change, and from then on if it is
// dead.
type failing struct {
	localDisk
	n    int
	dead bool
	err  error
	hit  bool
}

func (f *failing) change() error {
	f.n--
	if f.n == 0 || f.dead && f.n < 0 {
		f.hit = true
		return &os.PathError{Op: "change", Path: "x", Err: f.err}
	}
	return nil
}

func (f *failing) Mkdir(dir string) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.Mkdir(dir) }))
}
func (f *failing) MkdirAll(dir string) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.MkdirAll(dir) }))
}
func (f *failing) Rename(from, to string) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.Rename(from, to) }))
}
func (f *failing) WriteFile(p string, b []byte) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.WriteFile(p, b) }))
}
func (f *failing) Remove(p string) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.Remove(p) }))
}
func (f *failing) RemoveAll(p string) error {
	return errors.Join(f.change(), unless(f, func() error { return f.localDisk.RemoveAll(p) }))
}

// unless runs do, except at a change that fails.
func unless(f *failing, do func() error) error {
	if f.n == 0 || f.dead && f.n < 0 {
		return nil
	}
	return do()
}

// contents lists the files below a directory and what they hold, without
// _SUCCESS.
func contents(t *testing.T, dir string, hidden bool) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, e iofs.DirEntry, err error) error {
		if errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.IsDir() {
			if e.Name() == temporary && !hidden {
				return filepath.SkipDir
			}
			return nil
		}
		if e.Name() == "_SUCCESS" {
			return nil
		}
		b, err := os.ReadFile(p)
		out = append(out, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return out
}

// write runs a job that writes the given contents; the error is Commit's or
// that of PrepareOutput.
func write(t *testing.T, d disk, target string, mode logical.WriteMode, data ...string) error {
	t.Helper()
	o, err := prepareOutput(d, target, mode)
	if err != nil || o.Skip {
		return err
	}
	var files []string
	for i, x := range data {
		f := "part-" + string(rune('0'+i))
		if i%2 == 1 {
			f = filepath.Join("k=1", f)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(o.Staging, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.Staging, f), []byte(x), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if err := o.Commit(files); err != nil {
		o.Abort()
		return err
	}
	return nil
}

func TestCommit(t *testing.T) {
	target := filepath.Join(t.TempDir(), "a", "table")
	for _, step := range []struct {
		mode logical.WriteMode
		data []string
		want []string
	}{
		{logical.ErrorIfExists, []string{"1", "2"}, []string{"1", "2"}},
		{logical.Append, []string{"3"}, []string{"1", "2", "3"}},
		{logical.Ignore, []string{"4"}, []string{"1", "2", "3"}},
		{logical.Overwrite, []string{"5", "6", "7"}, []string{"5", "6", "7"}},
		{logical.Overwrite, nil, nil},
	} {
		if err := write(t, localDisk{}, target, step.mode, step.data...); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(step.want, contents(t, target, true)); d != "" {
			t.Errorf("mode %v: %s", step.mode, d)
		}
		if _, err := os.Stat(filepath.Join(target, "_SUCCESS")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(target, temporary)); err == nil {
			t.Error(temporary + " was left behind")
		}
	}
}

// TestCommitFails lets each change to the disk fail in turn: the target then
// holds all the old files or all the new ones, and nothing is left over.
func TestCommitFails(t *testing.T) {
	for _, mode := range []logical.WriteMode{logical.ErrorIfExists, logical.Append, logical.Overwrite} {
		failures := 0
		for n := 1; ; n++ {
			target := filepath.Join(t.TempDir(), "table")
			var old []string
			if mode != logical.ErrorIfExists {
				old = []string{"old1", "old2"}
				if err := write(t, localDisk{}, target, logical.Overwrite, old...); err != nil {
					t.Fatal(err)
				}
			}
			all := []string{"new1", "new2", "new3"}
			if mode == logical.Append {
				all = append(all, old...)
			}
			d := &failing{n: n, err: syscall.ENOSPC}
			err := write(t, d, target, mode, "new1", "new2", "new3")
			if !d.hit {
				break
			}
			want := all
			if err != nil {
				failures++
				want = old
				if diag.ClassOf(err) != diag.WriteFailed || !strings.Contains(err.Error(), target) || !strings.Contains(err.Error(), "full") {
					t.Errorf("change %d: %v", n, err)
				}
			}
			if diff := cmp.Diff(want, contents(t, target, false)); diff != "" {
				t.Errorf("mode %v, change %d, %v: %s", mode, n, err, diff)
			}
			if err == nil {
				continue // what could not be removed stays below _temporary
			}
			if diff := cmp.Diff(want, contents(t, target, true)); diff != "" {
				t.Errorf("mode %v, change %d, %v: left over: %s", mode, n, err, diff)
			}
			if err := write(t, localDisk{}, target, logical.Overwrite, "next"); err != nil {
				t.Errorf("mode %v, change %d: the next write: %v", mode, n, err)
			}
		}
		if failures < 4 {
			t.Errorf("mode %v: only %d changes failed", mode, failures)
		}
	}
}

// TestCommitKilled stops all changes from the n-th on, as a kill does: no old
// file is lost, and readers never see old and new ones together.
func TestCommitKilled(t *testing.T) {
	for n := 1; ; n++ {
		target := filepath.Join(t.TempDir(), "table")
		if err := write(t, localDisk{}, target, logical.Overwrite, "old1", "old2"); err != nil {
			t.Fatal(err)
		}
		d := &failing{n: n, dead: true, err: syscall.EIO}
		err := write(t, d, target, logical.Overwrite, "new1", "new2")
		if !d.hit {
			break
		}
		everything := strings.Join(contents(t, target, true), " ")
		if err != nil && !(strings.Contains(everything, "old1") && strings.Contains(everything, "old2")) {
			t.Errorf("change %d: old files are lost: %s", n, everything)
		}
		visible := strings.Join(contents(t, target, false), " ")
		if strings.Contains(visible, "old") && strings.Contains(visible, "new") {
			t.Errorf("change %d: old and new files together: %s", n, visible)
		}
	}
}

// TestTwoJobs: jobs with one target leave each other's staging alone.
func TestTwoJobs(t *testing.T) {
	target := filepath.Join(t.TempDir(), "table")
	slow, err := PrepareOutput(target, logical.Append)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(slow.Staging, "f"), []byte("slow"), 0o644); err != nil {
		t.Fatal(err)
	}
	gone, err := PrepareOutput(target, logical.Append)
	if err != nil {
		t.Fatal(err)
	}
	gone.Abort()
	if err := write(t, localDisk{}, target, logical.Append, "quick"); err != nil {
		t.Fatal(err)
	}
	if err := slow.Commit([]string{"f"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"quick", "slow"}, contents(t, target, true)); d != "" {
		t.Error(d)
	}
}

func TestPrepareErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		target string
		mode   logical.WriteMode
		class  diag.Class
	}{
		{"file", logical.ErrorIfExists, diag.PathExists},
		{"file", logical.Overwrite, diag.PathExists},
		{"file/x", logical.Overwrite, diag.WriteFailed},
		{"", logical.Overwrite, diag.InvalidArgument},
		{"/", logical.Overwrite, diag.InvalidArgument},
		{"s3://bucket/x", logical.Append, diag.Unsupported},
	} {
		if _, err := PrepareOutput(test.target, test.mode); diag.ClassOf(err) != test.class {
			t.Errorf("%q: %v, want %s", test.target, err, test.class)
		}
	}
	for _, refused := range []error{syscall.EACCES, syscall.EROFS} {
		if _, err := prepareOutput(&failing{n: 1, err: refused}, "x", logical.Append); diag.ClassOf(err) != diag.PathDenied {
			t.Errorf("%v: %v", refused, err)
		}
	}
	o, err := PrepareOutput("y", logical.Append)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Commit([]string{"../../../file"}); diag.ClassOf(err) != diag.Internal {
		t.Errorf("a file outside of the staging directory: %v", err)
	}
	o.Abort()
	if _, err := os.Stat("y"); err == nil {
		t.Error("an aborted job left its target")
	}
}
