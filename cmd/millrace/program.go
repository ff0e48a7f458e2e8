package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/internal/settings"
)

// program runs an application written in Go: its process is the driver, here or on a
// worker.
func (o *submission) program(cmd *cobra.Command, args []string) error {
	switch {
	case o.mode != "client" && o.mode != "cluster":
		return fmt.Errorf("%w: --deploy-mode is client or cluster, not %q", errUsage, o.mode)
	case o.mode == "client" && o.wait:
		return fmt.Errorf("%w: --wait is for --deploy-mode cluster", errUsage)
	case cmd.Flags().Changed("command"):
		return fmt.Errorf("%w: a program takes no statements", errUsage)
	case len(o.added.files)+len(o.added.libraries) > 0:
		return fmt.Errorf("%w: a program adds files itself: Session.AddFile, AddLibrary", errUsage)
	}
	st, err := os.Stat(args[0])
	if err != nil {
		return diag.New(diag.PathNotFound, "there is no application %s", args[0]).WithPath(args[0])
	}
	if !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: %s is neither a file of SQL (.sql) nor a program", errUsage, args[0])
	}
	if o.name == "" {
		o.name = filepath.Base(args[0])
	}
	url, err := o.check()
	if err != nil {
		return err
	}
	made, err := process.PlatformOf(args[0])
	if err != nil {
		return err
	}
	if o.mode == "cluster" {
		return o.handOver(cmd.Context(), args, made)
	}
	if err := process.RunsHere(args[0], made); err != nil {
		return err
	}
	path, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	conf := append(o.settings(), settings.Master+"="+url)
	if o.token != "" {
		conf = append(conf, settings.ClusterToken+"="+o.token)
	}
	return runProgram(cmd.Context(), path, args[1:], conf, os.Stdin)
}

// runProgram runs an application whose sessions have these settings. In is nil on a
// worker.
func runProgram(ctx context.Context, path string, args, conf []string, in io.Reader) error {
	app := exec.CommandContext(ctx, path, args...)
	app.Cancel = func() error { return app.Process.Signal(os.Interrupt) }
	app.WaitDelay = 15 * time.Second
	app.Stdin, app.Stdout, app.Stderr, app.Env = in, os.Stdout, os.Stderr, os.Environ()
	if in == nil { // there is no terminal, and it ends with this process
		app.SysProcAttr = artifacts.Child()
	}
	for _, kv := range conf {
		k, v, _ := strings.Cut(kv, "=")
		app.Env = append(app.Env, settings.EnvName(k)+"="+v)
	}
	if err := app.Run(); err != nil {
		if app.ProcessState != nil {
			return errShown // by the application
		}
		return diag.New(diag.ClusterFailed, "the application %s does not start: %v", path, err).WithPath(path)
	}
	return nil
}

// handOver hands a program to the master, and serves it until a worker has it.
func (o *submission) handOver(ctx context.Context, args []string, made artifacts.Platform) error {
	spec, m, err := o.spec()
	if err != nil {
		return err
	}
	conf, err := settings.Load()
	if err != nil {
		return err
	}
	store, err := artifacts.OpenStore(conf.Get(settings.ArtifactDir).Text, conf.Size(settings.ArtifactLimit))
	if err != nil {
		return err
	}
	defer store.Close()
	ref, err := store.Import(args[0], artifacts.Program)
	if err != nil {
		return err
	}
	path, err := tokenFile(o.token)
	if err != nil {
		return err
	}
	self, err := standalone.Load(path, identity.Driver, "driver")
	if err != nil {
		return err
	}
	host := conf.Get(settings.ClusterHost).Text
	if host == "" {
		if host, err = standalone.HostTowards(m.at); err != nil {
			return err
		}
	}
	token := rand.Text()
	server, err := artifacts.Serve(store, self, identity.Client, host, token, true)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := server.Add(ref.ID); err != nil {
		return err
	}
	spec.Program = &process.Binary{Offer: artifacts.Offer{Refs: []artifacts.Ref{ref}, Server: server.Addr(), Token: token}, For: made}
	spec.Args = args[1:]
	d, err := ask[standalone.DriverBody](ctx, m, standalone.Submit, spec, standalone.Submitted)
	if err != nil {
		return err
	}
	if o.wait {
		fmt.Fprintln(os.Stderr, d.ID)
	} else {
		fmt.Println(d.ID)
	}
	if err := o.served(ctx, m, d.ID, server.Held(ref.ID)); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "artifacts: sent %d bytes to the worker; the program has %d\n", server.Sent(), ref.Size)
	if o.wait {
		return await(ctx, m, d.ID)
	}
	return nil
}

// served waits until a worker has the program, or its driver has ended without.
func (o *submission) served(ctx context.Context, m dialled, id string, held <-chan struct{}) error {
	t := time.NewTicker(polling)
	defer t.Stop()
	for {
		select {
		case <-held:
			return nil
		case <-ctx.Done():
			return diag.New(diag.Cancelled, "no worker has the program yet, so %s cannot start any more", id).WithRemedy("millrace submit --stop %s takes it from the queue", id)
		case <-t.C:
		}
		if d, err := driverState(ctx, m, standalone.Status, id); err == nil && d.State != standalone.DriverWaiting && d.State != standalone.DriverRunning {
			return showDriver(d)
		}
	}
}
