package millrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Artifact is a file or a library of a session, named by the SHA-256 of what it
// holds.
type Artifact struct {
	Name    string // the last element of the path that it was added by
	SHA256  string
	Bytes   int64
	Library bool
}

// artifactSet is what a session has added. It opens a store with the first artifact.
type artifactSet struct {
	mu    sync.Mutex
	store *artifacts.Store
	refs  []artifacts.Ref
}

// AddFile adds a file to the session: from the next query on every executor has a
// copy, which functions find by ArtifactPath. A file that is added again after it has
// changed is another version; ArtifactPath finds both.
func (s *Session) AddFile(ctx context.Context, path string) (Artifact, error) {
	return s.addArtifact(path, artifacts.File)
}

// AddLibrary adds a library: a WebAssembly module, for CREATE FUNCTION, or whatever
// the program's functions load.
func (s *Session) AddLibrary(ctx context.Context, path string) (Artifact, error) {
	return s.addArtifact(path, artifacts.Library)
}

// Artifacts lists what was added, in order.
func (s *Session) Artifacts() []Artifact {
	s.artifacts.mu.Lock()
	defer s.artifacts.mu.Unlock()
	var out []Artifact
	for _, r := range s.artifacts.refs {
		out = append(out, artifactOf(r))
	}
	return out
}

// ArtifactBytes is how many bytes of artifacts this session has sent to executors, its
// own program among them, and how many the artifacts have: executors pass on what they
// have, keep it for the next session, and of a changed artifact get what changed.
func (s *Session) ArtifactBytes() (sent, size int64) {
	if b, ok := s.driver.Backend.(cluster.Sharing); ok {
		return b.Shared()
	}
	return 0, 0
}

// report says that on standard error, where artifact.report asks for it.
func (s *Session) report() {
	if sent, size := s.ArtifactBytes(); size > 0 && s.conf.Get(settings.ArtifactReport).Text == "on" {
		fmt.Fprintf(os.Stderr, "artifacts: sent %d bytes to executors; the artifacts have %d\n", sent, size)
	}
}

// ArtifactPath is where a function finds an artifact of its session: by its name, of
// which the version added last counts, or by NAME@ and the first digits of its
// SHA-256. The file is read-only and stays as long as the session. It works where
// tasks run; in local mode the sessions of a process share the names.
func ArtifactPath(name string) (string, error) { return artifacts.Lookup(name) }

func artifactOf(r artifacts.Ref) Artifact {
	return Artifact{Name: r.Name, SHA256: r.ID.String(), Bytes: r.Size, Library: r.Kind == artifacts.Library}
}

// openStore opens the store of this host. The set's mu is held.
func (a *artifactSet) openStore(conf *settings.Set) (err error) {
	if a.store == nil {
		a.store, err = artifacts.OpenStore(conf.Get(settings.ArtifactDir).Text, conf.Size(settings.ArtifactLimit))
	}
	return err
}

func (s *Session) addArtifact(path string, kind artifacts.Kind) (Artifact, error) {
	s.mu.Lock()
	conf := s.conf.Copy()
	s.mu.Unlock()
	a := &s.artifacts
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.openStore(conf); err != nil {
		return Artifact{}, err
	}
	ref, err := a.store.Import(path, kind)
	if err != nil {
		return Artifact{}, err
	}
	refs := append(slices.DeleteFunc(slices.Clone(a.refs), func(r artifacts.Ref) bool { return r.ID == ref.ID && r.Name == ref.Name }), ref)
	if b, ok := s.driver.Backend.(cluster.Sharing); ok {
		if _, err := b.Share(a.store, refs); err != nil {
			return Artifact{}, err
		}
	} else {
		artifacts.Mount(a.store, refs)
	}
	a.refs = refs
	return artifactOf(ref), nil
}

// close lets go of the store.
func (a *artifactSet) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store != nil {
		artifacts.Unmount(a.store)
		a.store.Close()
	}
}

// binary shares this program's own binary, which executors on a cluster run if it has
// functions that the workers' does not have.
func (s *Session) binary(b cluster.Sharing) (*process.Binary, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &s.artifacts
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.openStore(s.conf); err != nil {
		return nil, err
	}
	ref, err := a.store.Import(self, artifacts.Program)
	if err != nil {
		return nil, err
	}
	offer, err := b.Share(a.store, []artifacts.Ref{ref})
	if err != nil {
		return nil, err
	}
	offer.Refs = []artifacts.Ref{ref}
	return &process.Binary{Offer: offer, For: artifacts.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}}, nil
}

// artifact carries out ADD FILE, ADD LIBRARY, LIST FILES and LIST LIBRARIES.
func (s *Session) artifact(x *logical.Artifact) (*DataFrame, error) {
	list := s.Artifacts()
	if x.Path != "" {
		kind := artifacts.File
		if x.Library {
			kind = artifacts.Library
		}
		a, err := s.addArtifact(x.Path, kind)
		if err != nil {
			var e *diag.Error
			if errors.As(err, &e) {
				e.Pos = x.Place
			}
			return nil, err
		}
		list = []Artifact{a}
	}
	rows := [][]string{}
	for _, a := range list {
		if a.Library == x.Library {
			rows = append(rows, []string{a.Name, strconv.FormatInt(a.Bytes, 10), a.SHA256})
		}
	}
	return s.table([]string{"name", "size", "sha256"}, rows), nil
}
