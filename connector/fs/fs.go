// Package fs finds files: a path may be a file, a directory (read recursively,
// names that begin with _ or . left out) or a glob. Now there is the local file
// system only.
package fs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// File is a file found.
type File struct {
	Path string `json:"p"`
	Size int64  `json:"n"`
}

// Find lists the files of a path, sorted.
func Find(path string) ([]File, error) {
	path = strings.TrimPrefix(path, "file://")
	if strings.Contains(path, "://") {
		return nil, diag.New(diag.Unsupported, "the file system of %s is not supported yet", path).WithPath(path).WithRemedy("use a local path")
	}
	names := []string{path}
	if strings.ContainsAny(path, "*?[") {
		var err error
		if names, err = filepath.Glob(path); err != nil {
			return nil, diag.New(diag.InvalidArgument, "the glob %s is not valid: %v", path, err).WithPath(path)
		}
		if len(names) == 0 {
			return nil, diag.New(diag.PathNotFound, "no file matches %s", path).WithPath(path).WithRemedy("check the pattern; it is read relative to the working directory")
		}
	}
	var out []File
	for _, n := range names {
		if err := walk(n, &out); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, diag.New(diag.EmptyInput, "the directory %s holds no data files", path).WithPath(path).WithRemedy("names beginning with _ or . are not read")
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

func walk(root string, out *[]File) error {
	info, err := os.Stat(root)
	if err != nil {
		return Explain(err, root)
	}
	if !info.IsDir() {
		*out = append(*out, File{root, info.Size()})
		return nil
	}
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return Explain(err, p)
		}
		if p != root && (strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), ".")) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		i, err := d.Info()
		if err != nil {
			return Explain(err, p)
		}
		*out = append(*out, File{p, i.Size()})
		return nil
	})
}

// Explain turns an error of the operating system into one that names the path.
func Explain(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diag.New(diag.PathNotFound, "there is no file or directory %s", path).WithPath(path).WithCause(err).WithRemedy("paths are read relative to the working directory")
	case errors.Is(err, fs.ErrPermission):
		return diag.New(diag.PathDenied, "%s may not be accessed", path).WithPath(path).WithCause(err).WithRemedy("check the permissions of the file and of its directories")
	}
	return diag.New(diag.CorruptFile, "%s cannot be read: %v", path, err).WithPath(path).WithCause(err)
}
