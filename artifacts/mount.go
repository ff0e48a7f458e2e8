package artifacts

import (
	"slices"
	"strings"
	"sync"

	"github.com/millrace-engine/millrace/internal/diag"
)

// mounted are the artifacts that the tasks of this process may use: those of its
// session, in order.
var mounted struct {
	sync.Mutex
	refs  []Ref
	store *Store
}

// Mount makes artifacts that the store holds known to this process, in place of those
// before.
func Mount(s *Store, refs []Ref) {
	mounted.Lock()
	defer mounted.Unlock()
	mounted.store, mounted.refs = s, slices.Clone(refs)
}

// Unmount forgets the artifacts of a store.
func Unmount(s *Store) {
	mounted.Lock()
	defer mounted.Unlock()
	if mounted.store == s {
		mounted.store, mounted.refs = nil, nil
	}
}

// Lookup returns where an artifact lies: by its name, of which the last one that was
// added counts, or by name@ and the first digits of its hash.
func Lookup(name string) (path string, err error) {
	mounted.Lock()
	defer mounted.Unlock()
	plain, version, _ := strings.Cut(name, "@")
	for _, r := range slices.Backward(mounted.refs) {
		if r.Name == plain && strings.HasPrefix(r.ID.String(), version) {
			return mounted.store.Path(r.ID), nil
		}
	}
	var have []string
	for _, r := range mounted.refs {
		have = append(have, r.Name)
	}
	e := diag.New(diag.ArtifactFailed, "there is no artifact %q here", name)
	if near := diag.Nearest(plain, have, 3); near != "" {
		return "", e.WithRemedy("did you mean %s?", near)
	}
	return "", e.WithRemedy("add it to the session: AddFile or AddLibrary, ADD FILE or ADD LIBRARY, --file or --artifact")
}

// LookupID returns where the artifact of a hash lies.
func LookupID(id ID) (path string, err error) {
	mounted.Lock()
	defer mounted.Unlock()
	for _, r := range mounted.refs {
		if r.ID == id {
			return mounted.store.Path(id), nil
		}
	}
	return "", diag.New(diag.ArtifactFailed, "the library %s is not here", id.Short()).WithRemedy("add it to the session: AddLibrary, ADD LIBRARY, --artifact")
}
