package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/filters"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/tpch"
)

// filtersRun is what bench filters was asked for.
type filtersRun struct {
	data, queries, master, memory, json string
	least                               float64
	conf                                []string
}

func filtersCommand() *cobra.Command {
	var o filtersRun
	c := &cobra.Command{
		Use:   "filters",
		Short: "Show what runtime filters save: bytes shuffled by TPC-H with and without them",
		Long: `Run the queries of TPC-H with runtime filters off and on, compare the answers,
and show how many bytes each put into its exchanges, by the engine's own counters.

The exit status is 1 if an answer differs, or if the filters save less than
--least of all bytes together.`,
		Example: "  millrace bench filters --data /data/tpch1 --master 'local-cluster[2,1,2048]'",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "directory with TABLE.parquet files, made by bench tpch gen")
	f.StringVar(&o.queries, "queries", "", "queries to run, as 1,6 (default: all)")
	f.Float64Var(&o.least, "least", 0.3, "the share of bytes that must be saved")
	f.StringVar(&o.json, "json", "", "write the numbers to this file as JSON, for bench report")
	sessionFlags(c, &o.master, &o.conf, &o.memory)
	return c
}

func (o *filtersRun) run(ctx context.Context) error {
	list, err := numbers(o.queries)
	if err != nil {
		return err
	}
	if o.data == "" {
		return fmt.Errorf("%w: --data names the directory with the data", errUsage)
	}
	opts, err := options(o.conf, o.memory)
	if err != nil {
		return err
	}
	s, closed, err := open(ctx, o.master, opts)
	if err != nil {
		return err
	}
	defer closed()
	if err := views(ctx, s, o.data); err != nil {
		return err
	}
	res := &filters.Result{Started: time.Now().UTC().Format(time.RFC3339), Command: "millrace " + strings.Join(os.Args[1:], " "), Data: o.data, Machine: harness.ThisMachine()}
	fmt.Printf("%-5s %14s %14s %7s %9s %9s\n", "query", "shuffled off", "shuffled on", "saved", "ms off", "ms on")
	for _, n := range list {
		text, err := tpch.Query(n)
		if err != nil {
			return err
		}
		r, err := filters.Measure(ctx, s, fmt.Sprintf("q%02d", n), text)
		if err != nil {
			return err
		}
		res.Rows = append(res.Rows, r)
		printFilters(r)
	}
	all := res.All()
	printFilters(all)
	if o.json != "" {
		if err := res.Write(o.json); err != nil {
			return err
		}
	}
	if !all.Same || all.Saved() < o.least {
		fmt.Printf("answers are the same: %t; %.0f %% of the bytes are saved, at least %.0f %% is asked for\n", all.Same, 100*all.Saved(), 100*o.least)
		return errShown
	}
	return nil
}

func printFilters(r filters.Row) {
	note := ""
	if !r.Same {
		note = "  ANSWERS DIFFER"
	}
	fmt.Printf("%-5s %14d %14d %6.1f%% %9.1f %9.1f%s\n", r.Query, r.Off, r.On, 100*r.Saved(), r.MillisOff, r.MillisOn, note)
}
