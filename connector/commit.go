package connector

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Output is the target directory of a write while its job runs: tasks write
// under Staging, and Commit moves their files into place.
type Output struct {
	Target, Staging string
	Skip            bool // mode Ignore and the target exists
	mode            logical.WriteMode
	made            bool // the target did not exist
}

// PrepareOutput checks the target against the mode and makes the staging
// directory.
func PrepareOutput(target string, mode logical.WriteMode) (*Output, error) {
	o := &Output{Target: target, mode: mode}
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
		return nil, fs.Explain(err, target)
	}
	o.made = err != nil
	o.Staging = filepath.Join(target, "_temporary", strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.MkdirAll(o.Staging, 0o755); err != nil {
		o.Abort()
		return nil, fs.Explain(err, target)
	}
	return o, nil
}

// Commit moves the files (relative to Staging) into the target and writes
// _SUCCESS. With overwrite, what was there goes once the new files are complete.
func (o *Output) Commit(files []string) error {
	var old []string
	if o.mode == logical.Overwrite {
		entries, err := os.ReadDir(o.Target)
		if err != nil {
			return fs.Explain(err, o.Target)
		}
		for _, e := range entries {
			if e.Name() != "_temporary" {
				old = append(old, filepath.Join(o.Target, e.Name()))
			}
		}
	}
	prefix := filepath.Base(o.Staging) + "-"
	for _, f := range old {
		if err := os.RemoveAll(f); err != nil {
			return fs.Explain(err, f)
		}
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(o.Staging, f), filepath.Join(o.Target, prefix+f)); err != nil {
			return fs.Explain(err, o.Target)
		}
	}
	if err := os.WriteFile(filepath.Join(o.Target, "_SUCCESS"), nil, 0o644); err != nil {
		return fs.Explain(err, o.Target)
	}
	return os.RemoveAll(filepath.Join(o.Target, "_temporary"))
}

// Abort removes what the job wrote, and the target if the job made it.
func (o *Output) Abort() {
	if o.Skip {
		return
	}
	os.RemoveAll(filepath.Join(o.Target, "_temporary"))
	if o.made {
		os.Remove(o.Target)
	}
}
