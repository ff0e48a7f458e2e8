package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/skew"
)

// skewRun is what bench skew was asked for.
type skewRun struct {
	skew.Work
	cases, master, memory, json string
	against, gain, spread       float64
	conf                        []string
}

func skewCommand() *cobra.Command {
	var o skewRun
	c := &cobra.Command{
		Use:   "skew",
		Short: "Measure a join and an aggregation of which one key has 90 % of the rows",
		Long: `Run a join and an aggregation over keys of which one has 90 % of the rows, with
and without skewed partitions being split, and over even keys, in turn.

The sides of the join stay exchanged (sql.broadcast.rows and
sql.adaptive.broadcast.threshold are 0): it is the splitting that is measured.
The exit status is 1 if answers differ, if nothing was split, or if a bound is not
held: --against (skewed keys to even ones), --gain (without splitting to with it),
--spread (the largest task to the median one).`,
		Example: "  millrace bench skew --master 'local-cluster[2,1,1024]'\n  millrace bench skew --rows 2000000 --gain 0 --against 0 --spread 0",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.Int64Var(&o.Rows, "rows", 20_000_000, "rows of the table")
	f.Int64Var(&o.Keys, "keys", 100_000, "keys that it has")
	f.IntVar(&o.Runs, "runs", 3, "how often each query runs; the best time counts")
	f.StringVar(&o.cases, "cases", "", "what to measure, as join,aggregate (default: all)")
	f.Float64Var(&o.against, "against", 1.25, "how many times as long as even keys skewed ones may take; 0: any")
	f.Float64Var(&o.gain, "gain", 1.7, "how many times as long it must take without splitting; 0: any")
	f.Float64Var(&o.spread, "spread", 2, "how many times as long as the median one the largest task may take; 0: any")
	f.StringVar(&o.json, "json", "", "write the numbers to this file as JSON")
	sessionFlags(c, &o.master, &o.conf, &o.memory)
	return c
}

func (o *skewRun) run(ctx context.Context) error {
	if o.Rows < 1 || o.Keys < 1 {
		return fmt.Errorf("%w: --rows and --keys are at least 1", errUsage)
	}
	if o.master == "" {
		o.master = "local-cluster[2,1,2048]"
	}
	opts, err := options(append([]string{"sql.broadcast.rows=0", "sql.adaptive.broadcast.threshold=0B"}, o.conf...), o.memory)
	if err != nil {
		return err
	}
	s, closed, err := open(ctx, o.master, opts)
	if err != nil {
		return err
	}
	defer closed()
	if err := skew.Prepare(ctx, s, o.Work); err != nil {
		return err
	}
	names := skew.Cases()
	if o.cases != "" {
		names = strings.Split(o.cases, ",")
	}
	res := &skew.Result{Started: time.Now().UTC().Format(time.RFC3339), Command: "millrace " + strings.Join(os.Args[1:], " "), Rows: o.Rows, Machine: harness.ThisMachine()}
	fmt.Printf("%-10s %9s %10s %11s %9s %6s %12s %11s %7s\n", "case", "even ms", "skewed ms", "unsplit ms", "× even", "gain", "largest ms", "median ms", "spread")
	fine := true
	for _, name := range names {
		c, err := skew.Measure(ctx, s, o.Work, name)
		if err != nil {
			return err
		}
		res.Cases = append(res.Cases, c)
		note := ""
		switch {
		case !c.Same:
			note = "  ANSWERS DIFFER"
		case !c.Split:
			note = "  NOTHING WAS SPLIT"
		case o.against > 0 && c.Against() > o.against, o.gain > 0 && c.Gain() < o.gain, o.spread > 0 && c.Spread() > o.spread:
			note = "  A BOUND IS NOT HELD"
		}
		fine = fine && note == ""
		fmt.Printf("%-10s %9.1f %10.1f %11.1f %9.2f %6.2f %12.1f %11.1f %7.2f%s\n", c.Name, c.EvenMillis, c.OnMillis, c.OffMillis, c.Against(), c.Gain(), c.Largest, c.Median, c.Spread(), note)
	}
	if o.json != "" {
		if err := res.Write(o.json); err != nil {
			return err
		}
	}
	if !fine {
		return errShown
	}
	return nil
}
