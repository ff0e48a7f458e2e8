package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/sql"
)

// submission is what the flags of submit say.
type submission struct {
	text, mode, name, memory, driverMemory, url, token string
	conf                                               []string
	executors, cores                                   int
	wait                                               bool
	added                                              additions
	status, stop                                       string
}

func submitCommand() *cobra.Command {
	var o submission
	c := &cobra.Command{
		Use:   "submit [--deploy-mode client|cluster] [APP.sql | -c SQL | ./APP [-- ARGS]]",
		Short: "Run an application on a standalone cluster",
		Long: `Run an application, a file of SQL statements or SQL text, on a standalone cluster.

With --deploy-mode client the driver is this process, and prints what the statements yield. With cluster a worker runs
the driver: submit prints its id and returns, and the application goes on without it; --wait waits for its end.
--status and --stop ask for a driver by its id, and show the last that it printed.

An application written in Go, whose main begins with millrace.Main, is the driver, here or with cluster on a worker: submit
serves it until a worker has it, and then returns. Its sessions take the master and the settings from the flags, and executors on the workers run a copy of the same binary, which they get by its
hash: of a changed one they get what changed. What was sent is said at the end. What follows -- is for the application.

Files that statements read must be where the workers find them, as on a shared file system; --file and --artifact send
along what functions need.`,
		Example: `  millrace submit --master millrace://10.0.0.1:7077 --executors 4 --cores 2 --memory 4GiB report.sql
  millrace submit --deploy-mode cluster --name nightly report.sql
  millrace submit --status driver-abc123`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.status != "" || o.stop != "" {
				return o.ask(cmd, args)
			}
			if len(args) > 0 && !strings.EqualFold(filepath.Ext(args[0]), ".sql") {
				return o.program(cmd, args)
			}
			if len(args) > 1 {
				return fmt.Errorf("%w: one file of SQL at a time", errUsage)
			}
			app, err := o.source(cmd, args)
			if err != nil {
				return err
			}
			switch o.mode {
			case "client":
				if o.wait {
					return fmt.Errorf("%w: --wait is for --deploy-mode cluster", errUsage)
				}
				return o.client(cmd, app)
			case "cluster":
				return o.cluster(cmd.Context(), app)
			}
			return fmt.Errorf("%w: --deploy-mode is client or cluster, not %q", errUsage, o.mode)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.text, "command", "c", "", "the statements to run")
	f.StringVar(&o.mode, "deploy-mode", "client", "where the driver runs: client (here) or cluster (on a worker)")
	f.StringVar(&o.name, "name", "", "name of the application (default: of its file)")
	f.IntVar(&o.executors, "executors", 0, "executors that the application wants (default: executor.count)")
	f.IntVar(&o.cores, "cores", 0, "cores of each executor (default: executor.cores)")
	f.StringVar(&o.memory, "memory", "", "memory of each executor, as 4GiB (default: executor.memory)")
	f.StringVar(&o.driverMemory, "driver-memory", "1GiB", "memory of the driver, with --deploy-mode cluster")
	f.StringArrayVar(&o.conf, "conf", nil, "a setting as key=value (repeatable); millrace config lists them")
	f.BoolVar(&o.wait, "wait", false, "with --deploy-mode cluster: wait for the end, and fail if the driver does")
	o.added.flags(c, "file")
	f.StringVar(&o.status, "status", "", "show the driver of this id")
	f.StringVar(&o.stop, "stop", "", "stop the driver of this id")
	clusterFlags(c, &o.url, &o.token)
	_ = c.RegisterFlagCompletionFunc("deploy-mode", cobra.FixedCompletions([]string{"client", "cluster"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = cobra.FixedCompletions([]string{"sql"}, cobra.ShellCompDirectiveFilterFileExt)
	return c
}

// source returns the statements, and names the application.
func (o *submission) source(cmd *cobra.Command, args []string) (string, error) {
	given := cmd.Flags().Changed("command")
	if len(args) == 0 && !given {
		return "", fmt.Errorf("%w: nothing to run; name a file of SQL, or give statements by -c", errUsage)
	}
	file := ""
	if len(args) > 0 {
		file = args[0]
	}
	text, err := source(o.text, file, nil, given)
	if err != nil {
		return "", err
	}
	if _, err := sql.Split(text); err != nil {
		fmt.Fprintln(os.Stderr, diag.Render(err, text))
		return "", errShown
	}
	if o.name == "" {
		if o.name = "sql"; file != "" {
			o.name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		}
	}
	return text, nil
}

// settings are the application's, as key=value.
func (o *submission) settings() []string {
	conf := append([]string{settings.ArtifactReport + "=on"}, o.conf...)
	put := func(key, value string) { conf = append(conf, key+"="+value) }
	put(settings.AppName, o.name)
	if o.executors != 0 {
		put(settings.ExecutorCount, fmt.Sprint(o.executors))
	}
	if o.cores != 0 {
		put(settings.ExecutorCores, fmt.Sprint(o.cores))
	}
	if o.memory != "" {
		put(settings.ExecutorMemory, o.memory)
	}
	return conf
}

// check tries the settings before anybody else has to.
func (o *submission) check() (url string, err error) {
	conf, err := settings.Load()
	if err != nil {
		return "", err
	}
	for _, kv := range o.settings() {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return "", fmt.Errorf("%w: --conf needs key=value, not %q", errUsage, kv)
		}
		if err := conf.Put(k, v, "--conf"); err != nil {
			return "", err
		}
	}
	if url = o.url; url == "" {
		url = conf.Get(settings.Master).Text
	}
	_, err = clusterOf(url)
	return url, err
}

// client runs the driver in this process.
func (o *submission) client(cmd *cobra.Command, text string) error {
	url, err := o.check()
	if err != nil {
		return err
	}
	conf := o.settings()
	if o.token != "" {
		conf = append(conf, settings.ClusterToken+"="+o.token)
	}
	opts, err := options(conf, "")
	if err != nil {
		return err
	}
	return statements(cmd.Context(), text, "table", false, false, url, append(opts, o.added.options()...))
}

// cluster hands the driver to the master.
func (o *submission) cluster(ctx context.Context, text string) error {
	if len(o.added.files)+len(o.added.libraries) > 0 {
		return fmt.Errorf("%w: with --deploy-mode cluster, ADD FILE and ADD LIBRARY name files of the worker", errUsage)
	}
	spec, m, err := o.spec()
	if err != nil {
		return err
	}
	spec.SQL = text
	d, err := ask[standalone.DriverBody](ctx, m, standalone.Submit, spec, standalone.Submitted)
	if err != nil {
		return err
	}
	if !o.wait {
		fmt.Println(d.ID)
		return nil
	}
	fmt.Fprintln(os.Stderr, d.ID)
	return await(ctx, m, d.ID)
}

// spec is what a master is told of a driver, but for what it runs.
func (o *submission) spec() (spec standalone.DriverSpec, m dialled, err error) {
	url, err := o.check()
	if err != nil {
		return spec, m, err
	}
	spec = standalone.DriverSpec{Name: o.name, Conf: o.settings()}
	if spec.Memory, err = settings.Bytes(o.driverMemory); err != nil {
		return spec, m, err
	}
	if spec.WorkDir, err = os.Getwd(); err != nil {
		return spec, m, err
	}
	m, err = dialMaster(url, o.token)
	return spec, m, err
}

// polling is how often a driver is asked for, and patience how long the master may
// be away meanwhile.
const (
	polling  = 300 * time.Millisecond
	patience = time.Minute
)

// await waits until a driver has ended.
func await(ctx context.Context, m dialled, id string) error {
	t := time.NewTicker(polling)
	defer t.Stop()
	seen := time.Now()
	for {
		d, err := driverState(ctx, m, standalone.Status, id)
		switch {
		case err == nil:
			seen = time.Now()
			if d.State != standalone.DriverWaiting && d.State != standalone.DriverRunning {
				return showDriver(d)
			}
		case ctx.Err() != nil:
			return diag.New(diag.Cancelled, "the wait for %s was cancelled; the driver goes on", id).WithRemedy("millrace submit --stop %s ends it", id)
		case diag.ClassOf(err) != diag.ClusterFailed || time.Since(seen) > patience:
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// driverState asks for a driver, or for its end.
func driverState(ctx context.Context, m dialled, verb kind, id string) (standalone.DriverState, error) {
	state, err := ask[standalone.StateBody](ctx, m, verb, standalone.DriverBody{ID: id}, standalone.State)
	if err != nil {
		return standalone.DriverState{}, err
	}
	for _, d := range state.Drivers {
		if d.ID == id {
			return d, nil
		}
	}
	return standalone.DriverState{}, diag.New(diag.InvalidArgument, "there is no driver %q", id).WithRemedy("`millrace cluster` lists them")
}

// ask shows or stops a driver.
func (o *submission) ask(cmd *cobra.Command, args []string) error {
	if len(args) > 0 || o.text != "" || o.status != "" && o.stop != "" {
		return fmt.Errorf("%w: --status and --stop take the id of a driver, and nothing to run", errUsage)
	}
	m, err := dialMaster(o.url, o.token)
	if err != nil {
		return err
	}
	verb, id := standalone.Status, o.status
	if o.stop != "" {
		verb, id = standalone.StopDriver, o.stop
	}
	d, err := driverState(cmd.Context(), m, verb, id)
	if err != nil {
		return err
	}
	fmt.Printf("%s %s (%s)%s\n", d.ID, d.State, d.Name, on(d.Worker))
	if o.stop != "" {
		return nil
	}
	return showDriver(d)
}

func on(worker string) string {
	if worker == "" {
		return ""
	}
	return " on " + worker
}

// showDriver prints what a driver printed, and fails as it did.
func showDriver(d standalone.DriverState) error {
	if d.Output != "" {
		fmt.Println(d.Output)
	}
	switch d.State {
	case standalone.DriverFailed:
		return diag.New(diag.ClusterFailed, "the driver %s failed: %s", d.ID, d.Reason)
	case standalone.DriverStopped:
		return diag.New(diag.Cancelled, "the driver %s was stopped", d.ID)
	}
	return nil
}
