package shuffle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/cluster"
	"github.com/millrace-engine/millrace/bench/tpch"
)

// queries are the gates of whole queries, on executors that are processes.
func queries(o *Options) []probe {
	list := []probe{
		{Gate{Name: "a query of one stage on a warm local-cluster, median", Unit: "ms", Need: 20, Most: true}, latency("SELECT c_custkey, c_name FROM customer WHERE c_custkey < 50", false)},
		{Gate{Name: "a shuffle of 1,500 rows on a warm local-cluster, median", Unit: "ms", Need: 60, Most: true}, latency("SELECT o_orderkey, count(*), sum(o_totalprice) FROM orders GROUP BY o_orderkey", true)},
	}
	if o.Data != "" {
		list = append(list, probe{Gate{Name: "TPC-H on local-cluster[2,1,2048]", Unit: "ms", Limit: "local[2]", Need: 1.15, Aim: 1.04, Most: true}, tpchRatio})
	}
	return list
}

// latency measures one query over small tables in Parquet files, after some that
// warm it up.
func latency(text string, shuffles bool) func(context.Context, *Options, *Gate) error {
	return func(ctx context.Context, o *Options, g *Gate) (err error) {
		dir, err := os.MkdirTemp("", "millrace-shuffle-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := tpch.Gen(ctx, tpch.GenOptions{SF: 0.001, Format: "parquet", Dir: dir, Workers: 1, Tables: []string{"customer", "orders"}}); err != nil {
			return err
		}
		s, err := millrace.Open(ctx, "local-cluster[2,1,256]", millrace.WithSetting("sql.shuffle.partitions", "4"))
		if err != nil {
			return err
		}
		defer s.Close()
		for _, t := range []string{"customer", "orders"} {
			if err := s.Read().Parquet(filepath.Join(dir, t+".parquet")).CreateOrReplaceTempView(ctx, t); err != nil {
				return err
			}
		}
		df, err := s.SQL(ctx, text)
		if err != nil {
			return err
		}
		plan, err := df.Explain(ctx, "")
		if err != nil {
			return err
		}
		if strings.Contains(plan, "Exchange") != shuffles {
			return fmt.Errorf("the plan is another one:\n%s", plan)
		}
		var took []time.Duration
		for i := range 60 {
			start := time.Now()
			if err := run(ctx, s, text); err != nil {
				return err
			}
			if i >= 10 {
				took = append(took, time.Since(start))
			}
		}
		g.Value = percentile(took, 50) / 1000
		g.Note = fmt.Sprintf("p99 %.1f ms", percentile(took, 99)/1000)
		return nil
	}
}

func run(ctx context.Context, s *millrace.Session, text string) error {
	df, err := s.SQL(ctx, text)
	if err != nil {
		return err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return err
	}
	return r.Fetch()
}

// tpchRatio runs the 22 queries on executors that are processes and in this
// process, by turns; the best of three of each counts.
func tpchRatio(ctx context.Context, o *Options, g *Gate) error {
	m := cluster.Options{Data: o.Data, Executors: 2, Cores: 1, MiB: 2048, Runs: 3}
	for n := range tpch.Queries {
		m.Queries = append(m.Queries, n+1)
	}
	r, err := cluster.Measure(ctx, m)
	if err != nil {
		return err
	}
	all := r.All()
	if !all.Same {
		return errors.New("answers differ")
	}
	g.Value, g.Of = all.Figs[1].Best, all.Figs[0].Best
	var worst []string
	for _, q := range r.Queries {
		if x := q.Ratio(1); x > 1.3 {
			worst = append(worst, fmt.Sprintf("%s %.2f", q.Query, x))
		}
	}
	if worst != nil {
		g.Note = "above 1.3: " + strings.Join(worst, ", ")
	}
	return nil
}
