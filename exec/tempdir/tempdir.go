// Package tempdir makes directories below os.TempDir for sockets and spilled rows.
//
//	Make ──► millrace-NAME-123/ ── locked while its process lives ──► Remove
//	  └─► removes those whose process died before it could
//
// Invariants:
//
//   - T1 Who makes a directory holds a lock on it until Remove, or its end: the
//     operating system takes it back, also of a process that is killed.
//   - T2 Only a directory whose lock can be had is removed for others, whatever the
//     process numbers are: those of containers that share a directory mean nothing.
//
// The package imports internal/filelock. It is tested by directories whose owner
// is there, and is not.
package tempdir

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/millrace-engine/millrace/internal/filelock"
)

// Dir is a directory of this process.
type Dir struct {
	Path string
	lock *os.File // nil where the system has no locks
}

var ours = regexp.MustCompile(`^millrace-(spill|cluster|worker)-\d+$`)

// Make makes a directory, mode 0700, for one of the purposes spill, cluster and worker,
// and removes those that others left behind.
func Make(purpose string) (*Dir, error) {
	sweep(os.TempDir())
	for {
		path, err := os.MkdirTemp("", "millrace-"+purpose+"-")
		if err != nil {
			return nil, err
		}
		if f, ok := lock(path); ok {
			return &Dir{path, f}, nil
		} // somebody took it for one that nobody uses
	}
}

// lock locks a directory, if nobody else has and it is still there. Where the system has
// no locks it does nothing: directories of processes that died stay.
func lock(path string) (*os.File, bool) {
	if !filelock.Works {
		return nil, true
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if filelock.Exclusive(f) {
		if _, err := os.Stat(path); err == nil {
			return f, true
		}
	}
	_ = f.Close()
	return nil, false
}

// Remove removes the directory with all that is in it. It is idempotent.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if d.lock != nil {
		_ = d.lock.Close()
		d.lock = nil
	}
	return err
}

// sweep removes directories whose processes died before they could.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // nobody is harmed by what stays
	}
	for _, e := range entries {
		if !e.IsDir() || !ours.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		if f, ok := lock(path); ok && f != nil {
			_ = os.RemoveAll(path)
			_ = f.Close()
		}
	}
}
