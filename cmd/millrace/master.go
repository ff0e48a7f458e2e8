package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/master"
	"github.com/millrace-engine/millrace/exec/ui"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/internal/settings"
)

func masterCommand() *cobra.Command {
	var host, port, token, dir, place, pages string
	var elect bool
	c := &cobra.Command{
		Use:   "master",
		Short: "Run the master of a standalone cluster",
		Long: `Run the master of a standalone cluster until it is interrupted.

The master hands out the workers' cores and memory to applications, in the order in which these come. Who wants to join
the cluster or submit to it needs its token, a secret in a file of mode 0600 that the master makes when there is none:
copy it to the hosts of workers and users. All connections are encrypted, and both sides prove that they have the token.

A master that is killed may be started again, with the same token and directory: workers and applications go on
meanwhile, and come back to it. With --elect several masters share the directory: one leads and serves, the others wait,
and one of them takes over within ten seconds when it is gone. Workers and applications are given the addresses of all.`,
		Example: `  millrace master
  millrace master --ui
  millrace master --host 10.0.0.1 --token /etc/millrace/token --dir /var/lib/millrace
  millrace worker millrace://10.0.0.1:7077 --token /etc/millrace/token
  millrace master --host 10.0.0.2 --token /etc/millrace/token --dir /shared/millrace --elect
  millrace worker millrace://10.0.0.1:7077,10.0.0.2:7077 --token /etc/millrace/token
  millrace sql --master millrace://10.0.0.1:7077 -c "SELECT 1"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if pages != "" {
				if _, _, err := ui.CheckAddress(pages); err != nil {
					return err
				}
			}
			policy, ok := master.Policies[place]
			if !ok {
				return fmt.Errorf("%w: --place is spread or pack, not %q", errUsage, place)
			}
			path, err := tokenFile(token)
			if err != nil {
				return err
			}
			secret, made, err := identity.MakeToken(path)
			if err != nil {
				return diag.New(diag.ClusterFailed, "there is no token: %v", err).WithPath(path).WithCause(err).WithRemedy("--token names another file")
			}
			self, err := credential(secret, identity.Master, "master")
			if err != nil {
				return err
			}
			if dir == "" {
				dir = filepath.Join(filepath.Dir(path), "master")
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			if made {
				log.Info("a token was made", "file", path)
			}
			at := net.JoinHostPort(host, port)
			config := master.Config{Transport: standalone.Control(self), At: standalone.MasterAt(self, at).Addr, Dir: dir, Policy: policy, Log: log}
			for cmd.Context().Err() == nil {
				if elect {
					log.Info("waits to lead", "dir", dir)
					if config.Lease, err = master.Elect(cmd.Context(), master.Election{Dir: dir, Self: at}); cmd.Context().Err() != nil {
						break
					} else if err != nil {
						return err
					}
				}
				if err := lead(cmd.Context(), config, pages); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&host, "host", "127.0.0.1", "address to listen on")
	c.Flags().StringVar(&port, "port", settings.MasterPort, "port to listen on; 0 takes a free one")
	c.Flags().StringVar(&dir, "dir", "", "directory for what must outlive the master (default: master, beside the token)")
	c.Flags().BoolVar(&elect, "elect", false, "be one of several masters that share --dir, of which one leads")
	c.Flags().StringVar(&place, "place", "spread", "where executors go: spread over the workers, or pack them on few")
	c.Flags().StringVar(&pages, "ui", "", "show workers, applications and drivers as pages on an address of the loopback")
	c.Flags().Lookup("ui").NoOptDefVal = "127.0.0.1:8080"
	tokenFlag(c, &token)
	_ = c.RegisterFlagCompletionFunc("place", cobra.FixedCompletions([]string{"spread", "pack"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("dir")
	return c
}

// lead serves a cluster until ctx ends or another master leads, and shows it as pages on
// an address, if there is one.
func lead(ctx context.Context, c master.Config, pages string) error {
	release := func() error { return nil }
	lost := make(<-chan struct{}) // never, without others
	if c.Lease != nil {
		release, lost = c.Lease.Release, c.Lease.Lost()
	}
	m, err := master.Start(ctx, c)
	if err != nil {
		return errors.Join(err, release())
	}
	_, at := m.Addr().Split()
	url := settings.Scheme + at
	if pages != "" {
		server, err := ui.Listen(ctx, pages, ui.Cluster(url, m.State))
		if err != nil {
			return errors.Join(err, m.Close(), release())
		}
		defer server.Close()
		c.Log.Info("pages", "url", server.URL)
	}
	fmt.Println(url)
	select {
	case <-ctx.Done():
	case <-lost:
		c.Log.Warn("another master leads, or the directory cannot be reached")
	}
	return errors.Join(m.Close(), release())
}

func tokenFlag(c *cobra.Command, token *string) {
	c.Flags().StringVar(token, "token", "", "file with the cluster's token (default: cluster.token of `millrace config`)")
	_ = c.MarkFlagFilename("token")
}

// tokenFile is the file with the cluster's token.
func tokenFile(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	conf, err := settings.Load()
	if err != nil {
		return "", err
	}
	return settings.TokenFile(conf.Get(settings.ClusterToken).Text), nil
}

func credential(t identity.Token, role identity.Role, id string) (*identity.Credential, error) {
	a, err := t.Authority()
	if err != nil {
		return nil, err
	}
	return a.Issue(role, id)
}

// clusterCommand shows what a master knows.
func clusterCommand() *cobra.Command {
	var url, token string
	var asJSON bool
	c := &cobra.Command{
		Use:     "cluster",
		Short:   "Show the workers, applications and drivers of a standalone cluster",
		Example: "  millrace cluster --master millrace://10.0.0.1:7077",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := dialMaster(url, token)
			if err != nil {
				return err
			}
			state, err := ask[standalone.StateBody](cmd.Context(), at, standalone.Status, struct{}{}, standalone.State)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(state)
			}
			return printState(os.Stdout, state)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	clusterFlags(c, &url, &token)
	c.AddCommand(drainCommand())
	return c
}

// drainCommand has a worker end without loss.
func drainCommand() *cobra.Command {
	var url, token string
	c := &cobra.Command{
		Use:   "drain WORKER",
		Short: "End a worker without loss",
		Long: `End a worker of a standalone cluster without loss: it gets nothing more to run. Its executors finish their tasks, hand
the output of exchanges to others, and end when nobody reads from them any more; drivers on it run to their end. The
worker ends when it runs nothing. The only executor of an application that is at work stays until there is another.`,
		Example: "  millrace cluster drain w1 --master millrace://10.0.0.1:7077",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := dialMaster(url, token)
			if err != nil {
				return err
			}
			state, err := ask[standalone.StateBody](cmd.Context(), at, standalone.DrainWorker, standalone.WorkerBody{ID: args[0]}, standalone.State)
			if err != nil {
				return err
			}
			return printState(os.Stdout, state)
		},
	}
	clusterFlags(c, &url, &token)
	return c
}

func clusterFlags(c *cobra.Command, url, token *string) {
	c.Flags().StringVar(url, "master", "", "URL of the master, as millrace://host:7077 (default: master of `millrace config`)")
	tokenFlag(c, token)
}

// dialled is how a master is asked.
type dialled struct {
	self *identity.Credential
	at   string
}

// dialMaster makes ready to ask the master of a URL.
func dialMaster(url, token string) (dialled, error) {
	conf, err := settings.Load()
	if err != nil {
		return dialled{}, err
	}
	if url == "" {
		url = conf.Get(settings.Master).Text
	}
	at, err := clusterOf(url)
	if err != nil {
		return dialled{}, err
	}
	path, err := tokenFile(token)
	if err != nil {
		return dialled{}, err
	}
	self, err := standalone.Load(path, identity.Client, "client-"+strconv.Itoa(os.Getpid()))
	return dialled{self, at}, err
}

// clusterOf returns where the master of a URL is.
func clusterOf(url string) (string, error) {
	p, err := settings.ParseMaster(url)
	if err == nil && p.Cluster == "" {
		err = diag.New(diag.InvalidArgument, "%q is not the master of a cluster", url).WithRemedy("give its URL by --master, as millrace://host:7077")
	}
	return p.Cluster, err
}

func ask[T any](ctx context.Context, m dialled, verb kind, body any, answer kind) (T, error) {
	return standalone.Request[T](ctx, standalone.Control(m.self), standalone.MasterAt(m.self, m.at), verb, body, answer)
}
