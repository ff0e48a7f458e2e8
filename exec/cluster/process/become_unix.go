//go:build unix

package process

import (
	"context"
	"encoding/json"
	"os"
	"syscall"

	"github.com/millrace-engine/millrace/internal/identity"
)

// specVariable names the file with the spec of a process that became another.
const specVariable = "MILLRACE_EXECUTOR_SPEC"

// become replaces this process by the application's own binary, fetched by its hash:
// the process id stays, and who started it goes on watching it.
func (s *Spec) become(ctx context.Context) error {
	self, err := identity.Decode(s.Credential)
	if err != nil {
		return err
	}
	store, path, err := s.Binary.Fetch(ctx, self, s.ArtifactDir, s.ArtifactLimit)
	if err != nil {
		return err
	}
	defer store.Close()
	next := *s
	next.Binary = nil
	spec, err := json.Marshal(next)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(s.Dir, "spec-*") // for this user alone: it has a key
	if err != nil {
		return err
	}
	_, err = file.Write(spec)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = syscall.Exec(path, []string{path}, append(os.Environ(), specVariable+"="+file.Name()))
	}
	os.Remove(file.Name())
	return err
}
