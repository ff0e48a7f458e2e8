//go:build unix

package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/internal/identity"
)

// specVariable names the file with the spec of a process that became another.
const specVariable = "MILLRACE_EXECUTOR_SPEC"

// become replaces this process by the application's own binary, fetched by its hash:
// the process id stays, and who started it goes on watching it.
func (s *Spec) become(ctx context.Context) error {
	b := s.Binary
	if b.OS != runtime.GOOS || b.Arch != runtime.GOARCH {
		return fmt.Errorf("the application is a program for %s/%s, this worker runs %s/%s: build it with GOOS=%s GOARCH=%s", b.OS, b.Arch, runtime.GOOS, runtime.GOARCH, runtime.GOOS, runtime.GOARCH)
	}
	if len(b.Offer.Refs) != 1 || b.Offer.Refs[0].Kind != artifacts.Program {
		return fmt.Errorf("the application offers %d artifacts as its program", len(b.Offer.Refs))
	}
	self, err := identity.Decode(s.Credential)
	if err != nil {
		return err
	}
	store, err := artifacts.OpenStore(s.ArtifactDir, s.ArtifactLimit)
	if err != nil {
		return err
	}
	defer store.Close()
	f := artifacts.NewFetcher(store, self, b.Offer, nil)
	defer f.Close()
	if err := f.Fetch(ctx, b.Offer.Refs[0]); err != nil {
		return err
	}
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
		path := store.Path(b.Offer.Refs[0].ID)
		err = syscall.Exec(path, []string{path}, append(os.Environ(), specVariable+"="+file.Name()))
	}
	os.Remove(file.Name())
	return err
}
