package process

import (
	"context"
	"os"
	"runtime"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
)

// Binary is a program that is an artifact: an application's own, which its driver
// serves to executors, or a driver, which who submits it serves to a worker.
type Binary struct {
	Offer artifacts.Offer // it is the only one
	For   artifacts.Platform
}

// Fetch makes sure that the store in a directory has the program, and that it can run
// here; it is tried before it is fetched, by what is said, and then by its header. Close
// the store when nothing is started from it any more.
func (b *Binary) Fetch(ctx context.Context, self *identity.Credential, dir string, limit int64) (*artifacts.Store, string, error) {
	if len(b.Offer.Refs) != 1 || b.Offer.Refs[0].Kind != artifacts.Program {
		return nil, "", diag.New(diag.ArtifactFailed, "the application offers %d artifacts as its program", len(b.Offer.Refs))
	}
	ref := b.Offer.Refs[0]
	if err := RunsHere(ref.Name, b.For); err != nil {
		return nil, "", err
	}
	store, err := artifacts.OpenStore(dir, limit)
	if err != nil {
		return nil, "", err
	}
	f := artifacts.NewFetcher(store, self, b.Offer, nil)
	defer f.Close()
	path := store.Path(ref.ID)
	if err = f.Fetch(ctx, ref); err == nil {
		var p artifacts.Platform
		if p, err = PlatformOf(path); err == nil {
			err = RunsHere(ref.Name, p)
		}
	}
	if err != nil {
		store.Close()
		return nil, "", err
	}
	f.Held(ctx, ref)
	return store, path, nil
}

// PlatformOf is what a program is made for, by its header.
func PlatformOf(path string) (artifacts.Platform, error) {
	f, err := os.Open(path)
	if err != nil {
		return artifacts.Platform{}, diag.New(diag.PathNotFound, "the application %s cannot be read: %v", path, err).WithPath(path)
	}
	defer f.Close()
	p, err := artifacts.PlatformOf(f)
	if err != nil {
		return p, diag.New(diag.ArtifactFailed, "the application %s cannot be run: %v", path, err).WithPath(path).WithRemedy("build it by go build")
	}
	return p, nil
}

// RunsHere refuses a program that is made for another system or processor.
func RunsHere(name string, p artifacts.Platform) error {
	here := artifacts.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if p.Runs(here) {
		return nil
	}
	return diag.New(diag.ArtifactFailed, "the application %s is a program for %s; this host runs %s", name, p, here).
		WithRemedy("build it with GOOS=%s GOARCH=%s", here.OS, here.Arch)
}
