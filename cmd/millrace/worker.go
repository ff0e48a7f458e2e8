package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/exec/tempdir"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/internal/settings"
)

func workerCommand() *cobra.Command {
	var id, host, token, dir, memory string
	var cores int
	c := &cobra.Command{
		Use:   "worker [millrace://HOST:PORT]",
		Short: "Run a worker of a standalone cluster",
		Long: `Run a worker of a standalone cluster until it is interrupted.

A worker runs executors and drivers as processes of its host, as the master says, and ends them with itself. It needs the
token of the cluster, and nobody dials it. When the master is away what runs goes on; the worker comes back to the master
by itself.`,
		Example: `  millrace worker millrace://10.0.0.1:7077
  millrace worker millrace://10.0.0.1:7077 --cores 8 --memory 32GiB --dir /mnt/fast/millrace`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := settings.Load()
			if err != nil {
				return err
			}
			url := conf.Get(settings.Master).Text
			if len(args) > 0 {
				url = args[0]
			}
			at, err := clusterOf(url)
			if err != nil {
				return err
			}
			if cores < 1 || cores > 1024 {
				return fmt.Errorf("%w: --cores needs 1 to 1024", errUsage)
			}
			size := standalone.Size{Cores: cores}
			if size.Memory, err = settings.Bytes(memory); err != nil {
				return err
			}
			if host == "" {
				if host, err = standalone.HostTowards(at); err != nil {
					return err
				}
			}
			if id == "" {
				id = defaultWorker()
			}
			path, err := tokenFile(token)
			if err != nil {
				return err
			}
			secret, err := identity.ReadToken(path)
			if err != nil {
				return diag.New(diag.ClusterFailed, "there is no way into the cluster: %v", err).WithPath(path).WithCause(err).
					WithRemedy("copy the master's token to %s (mode 0600), or name its file by --token", path)
			}
			authority, err := secret.Authority()
			if err != nil {
				return err
			}
			self, err := authority.Issue(identity.Worker, id)
			if err != nil {
				return fmt.Errorf("%w: --id: %w", errUsage, err)
			}
			keep := dir != ""
			if !keep {
				own, err := tempdir.Make("worker")
				if err != nil {
					return err
				}
				defer own.Remove()
				dir = own.Path
			} else if dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			return worker.Run(cmd.Context(), worker.Config{Transport: standalone.Control(self), Master: standalone.MasterAt(self, at).Addr, URL: settings.Scheme + at,
				ID: id, Host: host, Size: size, Dir: dir, Keep: keep, Authority: authority, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		},
	}
	c.Flags().StringVar(&id, "id", "", "name of the worker in the cluster (default: of the host and process)")
	c.Flags().StringVar(&host, "host", "", "address on which executors serve their blocks (default: the one that leads to the master)")
	c.Flags().IntVar(&cores, "cores", runtime.GOMAXPROCS(0), "cores that applications may use")
	c.Flags().StringVar(&memory, "memory", "auto", "memory that applications may use, as 32GiB; auto is 80 % of what there is")
	c.Flags().StringVar(&dir, "dir", "", "directory for sockets and spills (default: a fresh one)")
	tokenFlag(c, &token)
	_ = c.MarkFlagDirname("dir")
	return c
}

// defaultWorker names a worker after its host and process, by letters that a name
// may have.
func defaultWorker() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("%.40s-%d", host, os.Getpid())
}
