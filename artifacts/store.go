package artifacts

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/filelock"
)

// Store is the directory where a host keeps artifacts. Processes share it; it is
// safe for concurrent use.
type Store struct {
	dir   string
	root  *os.Root
	limit int64

	mu   sync.Mutex
	held map[ID]*os.File // in use by this process: evicted by nobody (A5)
}

// DefaultDir is where a user's store is unless a setting says otherwise.
func DefaultDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("millrace-artifacts-%d", os.Getuid()))
}

// OpenStore opens the store in a directory, which it makes for this user alone; ""
// stands for DefaultDir. Limit bounds its bytes.
func OpenStore(dir string, limit int64) (*Store, error) {
	if dir == "" {
		dir = DefaultDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, failed("the artifact store %s cannot be made: %v", dir, err).WithPath(dir)
	}
	at, err := os.Lstat(dir)
	if err != nil {
		return nil, failed("the artifact store %s cannot be opened: %v", dir, err).WithPath(dir)
	}
	if !at.IsDir() || !private(at) {
		return nil, failed("the artifact store %s is not a directory of this user that nobody else may write to", dir).WithPath(dir).
			WithRemedy("remove it, or name another one: artifact.dir")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failed("the artifact store %s cannot be opened: %v", dir, err).WithPath(dir)
	}
	return &Store{dir: dir, root: root, limit: limit, held: map[ID]*os.File{}}, nil
}

func failed(format string, args ...any) *diag.Error {
	return diag.New(diag.ArtifactFailed, format, args...)
}

// Close lets go of what this process holds.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, f := range s.held {
		f.Close()
		delete(s.held, id)
	}
	return s.root.Close()
}

// Path is where an artifact lies; it is there once it is held.
func (s *Store) Path(id ID) string { return filepath.Join(s.dir, id.String()) }

// hold opens an artifact and keeps it from being evicted until Close. It is false if
// the store does not have it.
func (s *Store) hold(id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] != nil {
		return true
	}
	f, err := s.root.Open(id.String())
	if err != nil {
		return false
	}
	if filelock.Shared(f) != nil {
		f.Close()
		return false
	}
	if _, err := s.root.Stat(id.String()); err != nil { // evicted in between
		f.Close()
		return false
	}
	s.held[id] = f
	now := time.Now()
	s.root.Chtimes(id.String(), now, now)
	return true
}

// readAt reads of an artifact that is held.
func (s *Store) readAt(id ID, b []byte, at int64) error {
	s.mu.Lock()
	f := s.held[id]
	s.mu.Unlock()
	if f == nil {
		return fs.ErrNotExist
	}
	_, err := f.ReadAt(b, at)
	return err
}

// Import puts a file into the store and holds it.
func (s *Store) Import(path string, kind Kind) (Ref, error) {
	in, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Ref{}, diag.New(diag.PathNotFound, "there is no file %s", path).WithPath(path).WithCause(err)
		}
		return Ref{}, failed("%s cannot be read: %v", path, err).WithPath(path)
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return Ref{}, failed("%s is not a regular file", path).WithPath(path).WithRemedy("pack directories into one file")
	}
	if err := s.reserve(st.Size()); err != nil {
		return Ref{}, err
	}
	tmp, err := os.CreateTemp(s.dir, "import-*.tmp")
	if err != nil {
		return Ref{}, s.full(err)
	}
	name := filepath.Base(tmp.Name())
	defer s.root.Remove(name)
	defer tmp.Close()
	m, id, err := split(in, func(b []byte) error { _, err := tmp.Write(b); return err })
	if err != nil {
		return Ref{}, s.full(err)
	}
	ref := Ref{ID: id, Kind: kind, Name: filepath.Base(path), Size: m.Size}
	if s.hold(id) {
		return ref, nil
	}
	return ref, s.adopt(tmp, name, ref, &m)
}

// adopt gives a complete and verified file its name (A2) and holds it.
func (s *Store) adopt(f *os.File, name string, ref Ref, m *Manifest) error {
	mode := fs.FileMode(0o444)
	if _, err := PlatformOf(f); err == nil { // of whatever kind: the name is the content's
		mode = 0o555
	}
	list, err := json.Marshal(m)
	if err != nil {
		return err
	}
	chunks := ref.ID.String() + ".chunks"
	err = errors.Join(f.Sync(), f.Chmod(mode), s.root.WriteFile(name+".chunks", list, 0o444))
	if err == nil {
		err = errors.Join(s.root.Rename(name+".chunks", chunks), s.root.Rename(name, ref.ID.String()))
	}
	if err != nil {
		s.root.Remove(name + ".chunks")
		return s.full(err)
	}
	if !s.hold(ref.ID) {
		return failed("the artifact %s was removed as soon as it was there", ref.Name)
	}
	return nil
}

// full says what a failure to write into the store means.
func (s *Store) full(err error) error {
	var d *diag.Error
	if errors.As(err, &d) {
		return d
	}
	return failed("the artifact store %s cannot be written to: %v", s.dir, err).WithPath(s.dir).WithCause(err).
		WithRemedy("make room there, or name another directory: artifact.dir")
}

// Manifest returns the chunks of an artifact that is held.
func (s *Store) Manifest(id ID) (*Manifest, error) {
	b, err := s.root.ReadFile(id.String() + ".chunks")
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	return &m, m.check(m.Size)
}

// reserve evicts what was not used for longest until n more bytes have room.
func (s *Store) reserve(n int64) error {
	type entry struct {
		id   ID
		size int64
		used time.Time
	}
	list, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return s.full(err)
	}
	var found []entry
	total := n
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			continue // gone
		}
		total += info.Size()
		if id, err := ParseID(e.Name()); err == nil {
			found = append(found, entry{id, info.Size(), info.ModTime()})
		} else if strings.HasSuffix(e.Name(), ".tmp") && time.Since(info.ModTime()) > time.Hour {
			s.root.Remove(e.Name()) // of a process that was killed
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range found {
		if total <= s.limit {
			return nil
		}
		if s.evict(e.id) {
			total -= e.size
		}
	}
	if total > s.limit {
		return failed("the artifact store %s has no room for %d bytes: its limit is %d", s.dir, n, s.limit).WithPath(s.dir).
			WithRemedy("raise artifact.limit, or end sessions that hold artifacts")
	}
	return nil
}

// evict removes an artifact that nobody holds.
func (s *Store) evict(id ID) bool {
	f, err := s.root.Open(id.String())
	if err != nil {
		return false
	}
	defer f.Close()
	if !filelock.Exclusive(f) {
		return false
	}
	s.root.Remove(id.String() + ".chunks")
	s.root.Remove(id.String() + ".lock")
	return s.root.Remove(id.String()) == nil
}

// place is where a chunk lies in the store.
type place struct {
	id ID
	at int64
}

// index returns where the chunks of all artifacts lie.
func (s *Store) index() map[ID]place {
	out := map[ID]place{}
	list, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return out
	}
	for _, e := range list {
		id, err := ParseID(strings.TrimSuffix(e.Name(), ".chunks"))
		if err != nil || !strings.HasSuffix(e.Name(), ".chunks") {
			continue
		}
		m, err := s.Manifest(id)
		if err != nil {
			continue
		}
		at := int64(0)
		for _, c := range m.Chunks {
			out[c.Hash] = place{id, at}
			at += int64(c.Size)
		}
	}
	return out
}

// copyOf reads a chunk from another artifact of the store; it is false unless it is
// there and has its hash.
func (s *Store) copyOf(p place, c Chunk, b []byte) bool {
	f, err := s.root.Open(p.id.String())
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.ReadAt(b[:c.Size], p.at)
	return err == nil && sha256.Sum256(b[:c.Size]) == c.Hash
}

// sum is the hash of a file's first n bytes, and whether there are no more.
func sum(f *os.File, n int64) (id ID, err error) {
	h := sha256.New()
	got, err := io.Copy(h, io.NewSectionReader(f, 0, n+1))
	if err == nil && got != n {
		err = fmt.Errorf("%d bytes instead of %d", got, n)
	}
	h.Sum(id[:0])
	return id, err
}
