package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/chaos"
	"github.com/millrace-engine/millrace/internal/diag"
)

// chaosRun is what bench chaos was asked for.
type chaosRun struct {
	o                                   chaos.Options
	queries, faults, cluster, json, mem string
	conf                                []string
}

func chaosCommand() *cobra.Command {
	var x chaosRun
	c := &cobra.Command{
		Use:   "chaos",
		Short: "Kill executors, cut connections, fill and damage disks, and check that answers stay right",
		Long: `Run TPC-H, whose answers are known at scale factors 0.01, 0.1 and 1, while faults
strike: executors are killed (SIGKILL) and stopped (SIGSTOP, later SIGCONT), their
connections are shut, what goes over QUIC between them is lost for a moment or
for good, files that they spill to or keep exchange output in are
damaged, and the file system that these lie in has no room left. All of it comes
from the outside, and each fault counts when it was seen to strike.

It goes on until --kills executors were killed, or --for is over. Without --master
it starts four executors of 1 GiB itself: on local-cluster[4,1,1024], or with
--cluster standalone on a master and four workers. In some of its sessions exchange
output lies in files, in others executors have so little memory that queries spill, or
speak TCP or QUIC with each other as if on several hosts.
With --master the cluster must run on this machine, and nothing else on it: all
executors that are found here are struck. Disks are filled where a file system in
memory can be mounted, which root can.

A query hangs when its schedulers tell of nothing for 60 s, or when it takes ten
times its median, and 40 s for each fault that struck. While a disk is full it may
be refused (SPILL_FAILED).

The exit status is 1 if an answer is wrong, a query hangs or fails, or a kind of
fault never struck.`,
		Example: `  millrace bench chaos --sf 0.1 --kills 1000
  millrace bench chaos --sf 1 --kills 50 --cluster standalone
  millrace bench chaos --sf 0.1 --kills 100 --seed 7 --faults kill,cut --json chaos.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return x.run(cmd.Context()) },
	}
	f := c.Flags()
	f.Float64Var(&x.o.SF, "sf", 0.1, "scale factor: 0.01, 0.1 or 1")
	f.IntVar(&x.o.Kills, "kills", 100, "executors to kill")
	f.DurationVar(&x.o.For, "for", 0, "the most time to take; 0: as much as it needs")
	f.Uint64Var(&x.o.Seed, "seed", 0, "what chooses queries and faults (default: another one each time)")
	f.StringVar(&x.o.Data, "data", "", "directory with TABLE.parquet files (default: they are made first)")
	f.StringVar(&x.queries, "queries", "", "queries to run, as 1,6 (default: all)")
	f.StringVar(&x.faults, "faults", "", "faults: kill, stop, cut, sever, damage, fill (default: all)")
	x.flags(c)
	c.AddCommand(halfCommand(), lastCommand(), accumulateCommand(), stragglerCommand())
	return c
}

// flags are those that all of them have.
func (x *chaosRun) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&x.cluster, "cluster", "local", "what to start without --master: local or standalone")
	f.StringVar(&x.json, "json", "", "write the summary to this file as JSON")
	sessionFlags(c, &x.o.Master, &x.conf, &x.mem)
}

// prepare checks what was asked for and makes what it needs; done takes that away.
func (x *chaosRun) prepare(ctx context.Context) (done func(), err error) {
	o := &x.o
	done = func() {}
	if o.Queries, err = numbers(x.queries); err != nil {
		return done, err
	}
	if x.cluster != "local" && x.cluster != "standalone" {
		return done, fmt.Errorf("%w: --cluster is local or standalone, not %q", errUsage, x.cluster)
	}
	if o.Master != "" {
		if _, err := clusterOf(o.Master); err != nil {
			return done, err
		}
	}
	o.Standalone = x.cluster == "standalone"
	if o.Settings, err = options(x.conf, x.mem); err != nil {
		return done, err
	}
	if o.Program, err = os.Executable(); err != nil {
		return done, err
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	o.Say = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	if o.Data == "" {
		if o.Data, err = os.MkdirTemp("", "millrace-tpch-*"); err != nil {
			return done, diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
		}
		done = func() { os.RemoveAll(o.Data) }
		err = generate(ctx, o.SF, "parquet", o.Data)
	}
	return done, err
}

func (x *chaosRun) run(ctx context.Context) (err error) {
	o := &x.o
	if o.Faults, err = chaos.ParseKinds(x.faults); err != nil {
		return fmt.Errorf("%w: --faults: %w", errUsage, err)
	}
	if o.Kills < 0 || o.Kills == 0 && o.For == 0 {
		return fmt.Errorf("%w: --kills must be positive, or --for be given", errUsage)
	}
	done, err := x.prepare(ctx)
	defer done()
	if err != nil {
		return err
	}
	fmt.Printf("seed %d\n", o.Seed)
	rep, err := chaos.Run(ctx, *o)
	if rep != nil {
		rep.Print(os.Stdout)
		if err := writeJSON(x.json, rep); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if !rep.OK() {
		return errShown
	}
	return nil
}
