package worker

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// child is a process with its directory.
type child struct {
	*process.Process
	name    string
	dir     string
	parents []string // removed with it if nothing is left in them
}

// spawn starts a process. One that does not start has ended.
func (w *worker) spawn(key Key, start func() (*child, error)) {
	c, err := start()
	if err != nil {
		w.Log.Error("process does not start", "error", err)
		go w.tell(Event{Exited: &Exited{Key: key, Failed: true, Reason: err.Error()}}) // ends when the loop takes it
		return
	}
	w.processes[key] = c
	w.Log.Info("process started", "process", c.name, "pid", c.Pid())
}

// exited tells the loop of the end of a process. It leaves nothing of it (W3).
func (w *worker) exited(key Key, c *child, err error, output string) {
	c.remove()
	reason := ""
	if err != nil {
		reason = c.Reason(err).Error()
	}
	w.Log.Info("process ended", "process", c.name, "pid", c.Pid(), "reason", reason)
	w.tell(Event{Exited: &Exited{Key: key, Failed: err != nil, Reason: reason, Output: output}})
}

func (c *child) remove() { process.Remove(c.dir, c.parents) }

// orphans are the directories above a process's that it removes, when they are
// empty, if the worker is gone. The worker removes Dir only when it ends.
func (w *worker) orphans(c *child) []string {
	if w.Keep {
		return c.parents
	}
	return append(slices.Clone(c.parents), w.Dir)
}

// executor starts an executor's process.
func (w *worker) executor(b *standalone.StartExecutorBody) (*child, error) {
	credential, err := identity.Decode(b.Spec.Credential)
	if err != nil {
		return nil, err
	}
	n := strconv.Itoa(b.ID.N)
	if want := (identity.Name{App: b.ID.App, Role: identity.Executor, ID: n}); credential.Name != want {
		return nil, errors.New("the credential is of " + credential.Name.String() + ", not of " + want.String())
	}
	app := filepath.Join(w.Dir, b.ID.App)
	c := &child{name: credential.Name.String(), dir: filepath.Join(app, n), parents: []string{app}}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	cmd, err := process.Executor()
	if err != nil {
		return nil, err
	}
	cmd.Dir = workDir(b.Spec.WorkDir)
	spec := process.Spec{Name: credential.Name, Credential: b.Spec.Credential, Transport: b.Spec.Transport, Driver: transport.Addr(b.Spec.Driver), Host: w.Host,
		Slots: b.Size.Cores, Memory: b.Size.Memory, SpillDir: c.dir, SpillLimit: b.Spec.SpillLimit, Fetch: b.Spec.Fetch, Keep: b.Spec.Keep, CachePolicy: b.Spec.CachePolicy, CacheFront: b.Spec.CacheFront,
		ArtifactDir: b.Spec.ArtifactDir, ArtifactLimit: b.Spec.ArtifactLimit, Binary: b.Spec.Binary, Dir: c.dir, Parents: w.orphans(c)}
	return c, w.start(Key{Executor: b.ID}, c, cmd, spec, nil)
}

// start starts the process of a child.
func (w *worker) start(key Key, c *child, cmd *exec.Cmd, spec any, output *process.Tail) error {
	known := make(chan struct{})
	defer close(known)
	p, err := process.Spawn(cmd, spec, func(_ *process.Process, err error) {
		<-known
		said := ""
		if output != nil {
			said = output.String()
		}
		w.exited(key, c, err, said)
	})
	if err != nil {
		c.remove()
		return err
	}
	c.Process = p
	return nil
}

// outputBytes is how much of what a driver prints is kept.
const outputBytes = 16 << 10

// driver starts a driver's process: this program as `millrace driver`.
func (w *worker) driver(b *standalone.StartDriverBody) (*child, error) {
	credential, err := w.Authority.Issue(identity.Client, b.ID)
	if err != nil {
		return nil, err
	}
	secret, err := credential.Encode()
	if err != nil {
		return nil, err
	}
	c := &child{name: credential.Name.String(), dir: filepath.Join(w.Dir, b.ID)}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	token := filepath.Join(c.dir, "credential")
	if err := os.WriteFile(token, secret, 0o600); err != nil {
		c.remove()
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		c.remove()
		return nil, err
	}
	output := process.NewTail(outputBytes)
	cmd := exec.Command(self, DriverCommand)
	cmd.Stdout, cmd.Dir = output, workDir(b.Spec.WorkDir)
	return c, w.start(Key{Driver: b.ID}, c, cmd, standalone.DriverProcess{Spec: b.Spec, Master: w.URL, Token: token, Dir: c.dir, Parents: w.orphans(c)}, output)
}

// DriverCommand is the command of the program that runs a driver.
const DriverCommand = "driver"

// workDir is the directory that an application works in, if this host has it, so
// that relative paths mean the same here; else the worker's own.
func workDir(dir string) string {
	if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) {
		return dir
	}
	return ""
}
