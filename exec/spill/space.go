package spill

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/exec/tempdir"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Space is where an executor spills. It is safe for concurrent use.
type Space struct {
	// Limit is how many bytes may lie in the space at a time; 0 means as many as
	// the device has. It is set before the first File.
	Limit int64
	// Open opens a new file in a directory; it is what all bytes go through. Tests
	// replace it before the first File, to make it fail.
	Open func(dir string) (Device, error)

	dir     string // as asked for; "" = a fresh one below os.TempDir
	mu      sync.Mutex
	made    string       // the directory in use, once there is one
	mine    bool         // made by this space, so removed by it
	fresh   *tempdir.Dir // if that is what it is
	closed  bool
	files   map[*File]struct{}
	written atomic.Int64
	live    atomic.Int64
	codec   breakEven
}

// Device is what a file needs of the operating system.
type Device interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	// Punch gives n bytes back, which nobody reads any more, where that is possible.
	Punch(at, n int64)
	Close() error
}

// NewSpace returns a space in a directory, which is made with mode 0700 at the
// first write if it is not there. "" stands for a fresh one below os.TempDir.
func NewSpace(dir string) *Space {
	return &Space{dir: dir, files: map[*File]struct{}{}, Open: openUnlinked}
}

// File returns a file of the space. Nothing is on disk yet.
func (s *Space) File() *File {
	f := &File{space: s}
	s.mu.Lock()
	s.files[f] = struct{}{}
	s.mu.Unlock()
	return f
}

// Written returns the bytes written in all, Live those that lie on disk now.
func (s *Space) Written() int64 { return s.written.Load() }

// Live returns the bytes that lie on disk now.
func (s *Space) Live() int64 { return s.live.Load() }

// Close closes all files and removes everything. It is idempotent.
func (s *Space) Close() error {
	s.mu.Lock()
	s.closed = true
	files := s.files
	s.files = map[*File]struct{}{}
	s.mu.Unlock()
	var first error
	for f := range files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh != nil {
		if err := s.fresh.Remove(); first == nil {
			first = err
		}
		s.fresh = nil
	}
	if s.mine {
		s.mine = false
		if err := os.Remove(s.made); err != nil && first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	return first
}

// where names the space's directory for messages.
func (s *Space) where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.made != "":
		return s.made
	case s.dir != "":
		return s.dir
	}
	return os.TempDir()
}

// directory returns the directory, made if need be.
func (s *Space) directory() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", os.ErrClosed
	}
	if s.made != "" {
		return s.made, nil
	}
	if s.dir == "" {
		d, err := tempdir.Make("spill")
		if err != nil {
			return "", err
		}
		s.made, s.fresh = d.Path, d
		return d.Path, nil
	}
	_, err := os.Stat(s.dir)
	missing := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", err
	}
	s.made, s.mine = s.dir, missing
	return s.dir, nil
}

// device opens a new file in the directory, which somebody may have taken for one
// that nobody uses any more.
func (s *Space) device() (Device, error) {
	dir, err := s.directory()
	if err != nil {
		return nil, err
	}
	d, err := s.Open(dir)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(dir, 0o700) == nil {
		d, err = s.Open(dir)
	}
	return d, err
}

func (s *Space) forget(f *File) {
	s.mu.Lock()
	delete(s.files, f)
	s.mu.Unlock()
}

// take counts n bytes that are about to be written.
func (s *Space) take(n int64) error {
	if now := s.live.Add(n); s.Limit > 0 && now > s.Limit {
		s.live.Add(-n)
		return errLimit
	}
	return nil
}

var errLimit = errors.New("the limit of spill.limit is reached")

// failed makes the error of a write of n bytes.
func (s *Space) failed(n int64, cause error) error {
	dir := s.where()
	return diag.New(diag.SpillFailed, "%d KiB more could not be spilled to %s, where %d MiB lie already: %v", (n+1023)>>10, dir, s.Live()>>20, cause).
		WithPath(dir).WithCause(cause).
		WithRemedy("make room there, name another directory by spill.dir (MILLRACE_SPILL_DIR), or raise --memory so that less is spilled")
}

// openUnlinked opens a file that has no name any more where the system permits
// that, so that a crash leaves nothing (P1).
func openUnlinked(dir string) (Device, error) {
	f, err := os.CreateTemp(dir, "millrace-*.spill")
	if err != nil {
		return nil, err
	}
	return &disk{f, os.Remove(f.Name()) != nil}, nil
}

// disk is a file of the operating system; named if it could not be unlinked.
type disk struct {
	*os.File
	named bool
}

func (d *disk) Close() error {
	err := d.File.Close()
	if d.named {
		err = errors.Join(err, os.Remove(d.Name()))
	}
	return err
}
