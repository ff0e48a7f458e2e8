package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/internal/settings"
)

// filtersRun is what bench filters was asked for.
type filtersRun struct {
	data, queries, master, memory, json string
	least                               float64
	conf                                []string
}

// filtersRow is what runtime filters did to a query.
type filtersRow struct {
	Query    string  `json:"query"`
	Off      int64   `json:"shuffled_bytes_off"`
	On       int64   `json:"shuffled_bytes_on"`
	MillisOn float64 `json:"ms_on"`
	MillisOf float64 `json:"ms_off"`
	Same     bool    `json:"same_answer"`
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
	f.StringVar(&o.json, "json", "", "write the numbers to this file as JSON")
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
	s, err := millrace.Open(ctx, o.master, opts...)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := views(ctx, s, o.data); err != nil {
		return err
	}
	var rows []filtersRow
	all, differ := filtersRow{Query: "all", Same: true}, 0
	fmt.Printf("%-5s %14s %14s %7s %9s %9s\n", "query", "shuffled off", "shuffled on", "saved", "ms off", "ms on")
	for _, n := range list {
		text, err := tpch.Query(n)
		if err != nil {
			return err
		}
		r := filtersRow{Query: fmt.Sprintf("q%02d", n)}
		var without, with []string
		if without, r.Off, r.MillisOf, err = shuffled(ctx, s, text, "off"); err != nil {
			return err
		}
		if with, r.On, r.MillisOn, err = shuffled(ctx, s, text, "on"); err != nil {
			return err
		}
		if r.Same = slices.Equal(without, with); !r.Same {
			differ++
		}
		all.Off, all.On, all.MillisOf, all.MillisOn = all.Off+r.Off, all.On+r.On, all.MillisOf+r.MillisOf, all.MillisOn+r.MillisOn
		rows = append(rows, r)
		r.print()
	}
	all.Same = differ == 0
	all.print()
	if err := writeJSON(o.json, append(rows, all)); err != nil {
		return err
	}
	if differ > 0 || all.saved() < o.least {
		fmt.Printf("%d of %d answers differ; %.0f %% of the bytes are saved, at least %.0f %% is asked for\n", differ, len(list), 100*all.saved(), 100*o.least)
		return errShown
	}
	return nil
}

func (r filtersRow) saved() float64 {
	if r.Off == 0 {
		return 0
	}
	return 1 - float64(r.On)/float64(r.Off)
}

func (r filtersRow) print() {
	note := ""
	if !r.Same {
		note = "  ANSWERS DIFFER"
	}
	fmt.Printf("%-5s %14d %14d %6.1f%% %9.1f %9.1f%s\n", r.Query, r.Off, r.On, 100*r.saved(), r.MillisOf, r.MillisOn, note)
}

// shuffled runs a query with runtime filters on or off. It returns the rows,
// rendered, and the bytes that its stages put into exchanges.
func shuffled(ctx context.Context, s *millrace.Session, text, filters string) (rows []string, bytes int64, ms float64, err error) {
	if _, err := s.SQL(ctx, "SET "+settings.RuntimeFilters+" = "+filters); err != nil {
		return nil, 0, 0, err
	}
	start := time.Now()
	df, err := s.SQL(ctx, text)
	if err != nil {
		return nil, 0, 0, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	if err := r.Fetch(); err != nil {
		return nil, 0, 0, err
	}
	ms = float64(time.Since(start).Microseconds()) / 1000
	err = r.Each(func(v []string, _ []bool) error {
		rows = append(rows, strings.Join(v, "|"))
		return nil
	})
	for _, st := range r.Stats().Stages {
		bytes += st.Written
	}
	slices.Sort(rows) // rows that are equal in order stand as they came
	return rows, bytes, ms, err
}
