// Package fs finds files. A path names a file, a directory (read recursively) or
// is a glob:
//
//   - ?  [a-z] [^a]   within one name
//     {csv,tsv}          alternatives, which may hold / and nest
//     **                 any number of directories, also none
//
// Invariants:
//
//   - F1 Names that begin with _ or . are not read, unless the path itself names
//     them; partition directories (_k=v) are.
//   - F2 Only regular files are returned, so that opening one cannot wait for
//     somebody to write; symbolic links are followed, loops are not.
//   - F3 Every error is a *diag.Error that names the path.
//
// There is the local file system only. It imports the standard library and diag.
package fs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/millrace-engine/millrace/internal/diag"
)

// File is a file found.
type File struct {
	Path string `json:"p"`
	Size int64  `json:"n"`
	// Stamp is another one once the file was written again or replaced.
	Stamp uint64 `json:"t,omitempty"`
	// Root is the directory named by the path or the glob that the file was found
	// below, "" for a file that was named itself.
	Root string `json:"-"`
}

// Size is how many bytes files have together.
func Size(files []File) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// maxDepth bounds how deep directories are read, against loops of links.
const maxDepth = 128

// Find lists the files of a path, each once, sorted by path.
func Find(path string) ([]File, error) {
	path = strings.TrimPrefix(path, "file://")
	switch {
	case path == "":
		return nil, diag.New(diag.InvalidArgument, "the path is empty").WithRemedy("name a file, a directory or a glob")
	case strings.IndexByte(path, 0) >= 0:
		return nil, diag.New(diag.InvalidArgument, "the path %q holds a zero byte", path).WithPath(path)
	case strings.Contains(path, "://"):
		return nil, diag.New(diag.Unsupported, "the file system of %s is not supported yet", path).WithPath(path).WithRemedy("use a local path")
	}
	names := []string{path}
	if _, err := os.Lstat(path); err != nil && isGlob(path) { // a file may have such a name
		if names, err = expand(path); err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, diag.New(diag.PathNotFound, "no file matches %s", path).WithPath(path).WithRemedy("check the pattern; it is read relative to the working directory")
		}
	}
	w := walker{seen: map[string]bool{}}
	for _, n := range names {
		info, err := os.Stat(n)
		if err != nil {
			return nil, Explain(err, n)
		}
		w.root = ""
		if info.IsDir() {
			w.root = n
		}
		if err := w.walk(n, info, 0); err != nil {
			return nil, err
		}
	}
	if len(w.out) == 0 {
		return nil, diag.New(diag.EmptyInput, "%s holds no data files", path).WithPath(path).WithRemedy("names that begin with _ or . are not read")
	}
	sort.Slice(w.out, func(i, j int) bool { return w.out[i].Path < w.out[j].Path })
	return w.out, nil
}

// walker gathers the files below its roots.
type walker struct {
	out   []File
	root  string
	seen  map[string]bool
	above []fs.FileInfo // the directories that the walk is in
}

func (w *walker) walk(path string, info fs.FileInfo, depth int) error {
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return diag.New(diag.Unsupported, "%s is no regular file", path).WithPath(path).WithRemedy("copy its content into a file")
		}
		if clean := filepath.Clean(path); !w.seen[clean] {
			w.seen[clean] = true
			w.out = append(w.out, File{path, info.Size(), Stamp(info), w.root})
		}
		return nil
	}
	for _, a := range w.above {
		if os.SameFile(a, info) { // a link to a directory above
			return nil
		}
	}
	if depth > maxDepth {
		return diag.New(diag.InvalidArgument, "%s is nested deeper than %d directories", path, maxDepth).WithPath(path)
	}
	w.above = append(w.above, info)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	entries, err := os.ReadDir(path)
	if err != nil {
		return Explain(err, path)
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		p := filepath.Join(path, e.Name())
		info, err := os.Stat(p)
		if err != nil {
			return Explain(err, p)
		}
		if err := w.walk(p, info, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// hidden reports the names that are not data (F1).
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") && !strings.Contains(name, "=")
}

// Explain turns an error of reading a path into one that names it and says what
// to do.
func Explain(err error, path string) error {
	var d *diag.Error
	switch {
	case err == nil || errors.As(err, &d):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		e := diag.New(diag.PathNotFound, "there is no file or directory %s", path).WithPath(path).WithCause(err)
		if near := nearest(path); near != "" {
			return e.WithRemedy("did you mean %s", near)
		}
		return e.WithRemedy("paths are read relative to the working directory")
	case errors.Is(err, fs.ErrPermission):
		return diag.New(diag.PathDenied, "%s may not be accessed", path).WithPath(path).WithCause(err).WithRemedy("check the permissions of the file and of its directories")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return diag.New(diag.CorruptFile, "%s cannot be opened: too many files are open", path).WithPath(path).WithCause(err).WithRemedy("raise the limit of open files (ulimit -n)")
	}
	return diag.New(diag.CorruptFile, "%s cannot be read: %v", path, err).WithPath(path).WithCause(err)
}

// ExplainWrite turns an error of writing to a path into one that names it.
func ExplainWrite(err error, path string) error {
	var d *diag.Error
	switch {
	case err == nil || errors.As(err, &d):
		return err
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return diag.New(diag.PathDenied, "%s may not be written", path).WithPath(path).WithCause(err).WithRemedy("check the permissions of the directory, or choose another")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return diag.New(diag.WriteFailed, "%s cannot be written: the disk is full", path).WithPath(path).WithCause(err).WithRemedy("free space, or choose another directory")
	}
	return diag.New(diag.WriteFailed, "%s cannot be written: %v", path, err).WithPath(path).WithCause(err)
}
