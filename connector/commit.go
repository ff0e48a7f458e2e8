package connector

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
)

// temporary is the directory of a target below which jobs work. Readers do not
// look into it.
const temporary = "_temporary"

// Output is the target directory of a write while its job runs: tasks write
// under Staging, and Commit moves their files into place.
//
//	target/_temporary/JOB/      what the job's tasks write
//	target/_temporary/JOB.old/  what an overwrite replaces, until that is done
//	target/JOB-part-…           the job's files once committed
//	target/_SUCCESS             written last
//
// A file is never deleted before the one that replaces it is in place: a commit
// that fails moves everything back, and one that is killed leaves the old files
// below _temporary. Jobs with one target do not touch each other's directories.
type Output struct {
	Target, Staging string
	Skip            bool // mode Ignore and the target exists
	mode            logical.WriteMode
	made            bool // the target did not exist
	disk            disk
}

// disk is what a commit does to the file system; tests make it fail.
type disk interface {
	ReadDir(dir string) ([]os.DirEntry, error)
	Mkdir(dir string) error
	MkdirAll(dir string) error
	Rename(from, to string) error
	WriteFile(path string, data []byte) error
	Remove(path string) error
	RemoveAll(path string) error
}

type localDisk struct{}

func (localDisk) ReadDir(dir string) ([]os.DirEntry, error) { return os.ReadDir(dir) }
func (localDisk) Mkdir(dir string) error                    { return os.Mkdir(dir, 0o755) }
func (localDisk) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o755) }
func (localDisk) Rename(from, to string) error              { return os.Rename(from, to) }
func (localDisk) WriteFile(path string, data []byte) error  { return os.WriteFile(path, data, 0o644) }
func (localDisk) Remove(path string) error                  { return os.Remove(path) }
func (localDisk) RemoveAll(path string) error               { return os.RemoveAll(path) }

// PrepareOutput checks the target against the mode and makes the staging
// directory. Commit or Abort must follow, unless Skip is set.
func PrepareOutput(target string, mode logical.WriteMode) (*Output, error) {
	return prepareOutput(localDisk{}, target, mode)
}

func prepareOutput(d disk, target string, mode logical.WriteMode) (*Output, error) {
	target = strings.TrimPrefix(target, "file://")
	clean := filepath.Clean(target)
	switch {
	case target == "":
		return nil, diag.New(diag.InvalidArgument, "the path to write to is empty").WithRemedy("name a directory")
	case strings.Contains(target, "://"):
		return nil, diag.New(diag.Unsupported, "the file system of %s is not supported yet", target).WithPath(target).WithRemedy("use a local path")
	case filepath.IsAbs(clean) && filepath.Dir(clean) == clean:
		return nil, diag.New(diag.InvalidArgument, "%s is the root of the file system", target).WithPath(target).WithRemedy("name a directory for the table")
	}
	o := &Output{Target: target, mode: mode, disk: d}
	info, err := os.Stat(target)
	switch {
	case err == nil && mode == logical.Ignore:
		o.Skip = true
		return o, nil
	case err == nil && mode == logical.ErrorIfExists:
		return nil, diag.New(diag.PathExists, "%s exists already", target).WithPath(target).WithRemedy("choose another path, or the mode overwrite or append")
	case err == nil && !info.IsDir():
		return nil, diag.New(diag.PathExists, "%s is a file; tables are written as directories", target).WithPath(target).WithRemedy("choose another path")
	case err != nil && !errors.Is(err, iofs.ErrNotExist):
		return nil, fs.ExplainWrite(err, target)
	}
	o.made = err != nil
	if err := d.MkdirAll(filepath.Join(target, temporary)); err != nil {
		o.Abort()
		return nil, fs.ExplainWrite(err, target)
	}
	for id := time.Now().UnixNano(); ; id++ { // until it is a name that no other job has
		dir := filepath.Join(target, temporary, strconv.FormatInt(id, 36))
		err := d.Mkdir(dir)
		if err == nil {
			o.Staging = dir
			return o, nil
		}
		if !errors.Is(err, iofs.ErrExist) {
			o.Abort()
			return nil, fs.ExplainWrite(err, target)
		}
	}
}

// aside is where an overwrite keeps what it replaces.
func (o *Output) aside() string { return o.Staging + ".old" }

// Commit moves the files (relative to Staging) into the target and writes
// _SUCCESS. With overwrite, what was there goes once the new files are in place.
// If it fails, the target is as it was; Abort must follow.
func (o *Output) Commit(files []string) error {
	m := &moves{disk: o.disk}
	if err := o.commit(files, m); err != nil {
		m.undo()
		return fs.ExplainWrite(err, o.Target)
	}
	// From here on the table is complete; what stays below _temporary does no harm.
	o.disk.RemoveAll(o.aside())
	o.clean()
	return nil
}

func (o *Output) commit(files []string, m *moves) error {
	for _, f := range files {
		if !filepath.IsLocal(f) {
			return diag.New(diag.Internal, "a task wrote %s, which is not below its directory", f).WithPath(o.Target)
		}
	}
	entries, err := o.disk.ReadDir(o.Target)
	if err != nil {
		return err
	}
	done := false // a job before this one left _SUCCESS
	for _, e := range entries {
		done = done || e.Name() == "_SUCCESS"
	}
	if o.mode == logical.Overwrite {
		if err := o.disk.Mkdir(o.aside()); err != nil {
			return err
		}
		for _, e := range entries {
			if e.Name() == temporary {
				continue
			}
			if err := m.move(filepath.Join(o.Target, e.Name()), filepath.Join(o.aside(), e.Name())); err != nil {
				return err
			}
		}
		done = false
	}
	prefix := filepath.Base(o.Staging) + "-"
	for _, f := range files {
		dir, name := filepath.Split(f)
		if dir != "" {
			if err := m.mkdir(o.Target, filepath.Clean(dir)); err != nil {
				return err
			}
		}
		if err := m.move(filepath.Join(o.Staging, f), filepath.Join(o.Target, dir, prefix+name)); err != nil {
			return err
		}
	}
	if done {
		return nil
	}
	success := filepath.Join(o.Target, "_SUCCESS")
	if err := o.disk.WriteFile(success, nil); err != nil {
		o.disk.Remove(success)
		return err
	}
	return nil
}

// Abort removes what the job wrote, and the target if the job made it. It never
// removes what was there before.
func (o *Output) Abort() {
	if o.Skip {
		return
	}
	if o.Staging != "" {
		o.disk.Remove(o.aside()) // stays if a commit could not move everything back
	}
	o.clean()
	if o.made {
		o.disk.Remove(o.Target)
	}
}

// clean removes the job's staging directory, and _temporary with its last job.
func (o *Output) clean() {
	if o.Staging != "" {
		o.disk.RemoveAll(o.Staging)
	}
	o.disk.Remove(filepath.Join(o.Target, temporary))
}

// moves are renames and new directories that can be taken back.
type moves struct {
	disk disk
	done []moved
}

// moved is a rename, or a directory made if from is empty.
type moved struct{ from, to string }

func (m *moves) move(from, to string) error {
	if err := m.disk.Rename(from, to); err != nil {
		return err
	}
	m.done = append(m.done, moved{from, to})
	return nil
}

// mkdir makes the directories of a relative path below base that are not there.
func (m *moves) mkdir(base, path string) error {
	for _, part := range strings.Split(filepath.ToSlash(path), "/") {
		base = filepath.Join(base, part)
		err := m.disk.Mkdir(base)
		if errors.Is(err, iofs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		m.done = append(m.done, moved{to: base})
	}
	return nil
}

// undo takes everything back, the last first, as far as it can.
func (m *moves) undo() {
	for i := len(m.done) - 1; i >= 0; i-- {
		if d := m.done[i]; d.from == "" {
			m.disk.Remove(d.to)
		} else {
			m.disk.Rename(d.to, d.from)
		}
	}
}
