// Package skew measures what it costs that one key has most rows: a join and an
// aggregation of such keys, with and without skewed partitions being split, beside
// even keys.
//
// Invariants:
//
//   - Rows are as many and as wide in each, and so are the pairs of the join.
//   - Answers with and without splitting are compared.
//   - Every query runs in turn, so that what slows the machine meets all of them.
//
// It imports the root package and bench/harness, and is tested through the command
// line.
package skew

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
)

// Work is what to measure.
type Work struct {
	Rows int64 // of the fact table
	Keys int64 // that it has
	Runs int   // the best counts
}

// Result is what was measured.
type Result struct {
	Started string          `json:"started"`
	Command string          `json:"command"`
	Machine harness.Machine `json:"machine"`
	Rows    int64           `json:"rows"`
	Cases   []Case          `json:"cases"`
}

// Case is a query over even keys, over skewed ones, and over these without splitting.
type Case struct {
	Name          string  `json:"name"`
	Even, On, Off Run     `json:"-"`
	EvenMillis    float64 `json:"even_ms"`
	OnMillis      float64 `json:"skewed_ms"`
	OffMillis     float64 `json:"unsplit_ms"`
	Largest       float64 `json:"largest_task_ms"`
	Median        float64 `json:"median_task_ms"`
	Same          bool    `json:"same_answer"`
	Split         bool    `json:"split"` // the plan in the end tells so
}

// Run is the best run of a query.
type Run struct {
	Millis float64   // from its start to its last row
	Times  []float64 // of the tasks that read the skewed exchange
	Rows   []string  // sorted
	Split  bool
}

// Against returns how many times as long skewed keys take as even ones.
func (c Case) Against() float64 { return c.OnMillis / c.EvenMillis }

// Gain returns how many times as long it takes without splitting.
func (c Case) Gain() float64 { return c.OffMillis / c.OnMillis }

// Spread returns how many times as long the largest task takes as the median one.
func (c Case) Spread() float64 { return c.Largest / c.Median }

// queries are what is measured: most of their time goes to what reads the exchange, so
// that it is the skew there that counts. On two slots a partition of 90 % of that work
// gains 1.8 times at most, and less by what share writing the exchange has. The join
// meets eight rows of each key. Sums are of integers: answers do not depend on the order.
var queries = []struct{ name, text string }{
	{"join", `SELECT g, count(*), sum(v * w), sum((v + w) * 31 %% 1009), max(v - w), min(v * w + g), count_if(v %% 3 < w %% 5) FROM %s JOIN skew_dim ON k = d GROUP BY g`},
	{"aggregate", `SELECT count(*), sum(n), sum(a), sum(b), sum(c), sum(d), max(e), min(f), sum(g), count_if(h > 1), count_if(i > 1), count_if(j > 1), sum(l), sum(m), sum(o), sum(p), sum(q), sum(r), sum(s), sum(t), sum(u), sum(w), sum(x), sum(y) FROM (
		SELECT k, count(*) AS n, sum(v) AS a, sum((v * 31 + 7) %% 1009) AS b, sum((v * 17 + 3) %% 977) AS c, sum((v * v + 5) %% 883) AS d, max(v * 5 %% 773) AS e,
			min(v * 3 %% 669) AS f, count_if(v * 11 %% 7 < 3) AS g, stddev(v) AS h, stddev(v * 13 %% 499) AS i, avg(v * 19 %% 401) AS j,
			sum((v * 23 + 11) %% 307) AS l, sum((v * 29 + 13) %% 211) AS m, count_if(sin(v) > 0.5) AS o, count_if(cos(v) > 0.3) AS p, count_if(sin(v + 1) > 0.1) AS q, count_if(cos(v + 1) > 0.7) AS r,
			count_if(sin(v + 2) > 0.2) AS s, count_if(cos(v + 2) > 0.4) AS t, count_if(sin(v + 3) > 0.6) AS u, count_if(cos(v + 3) > 0.8) AS w, count_if(ln(v + 1) > 9) AS x, count_if(ln(v + 2) > 10) AS y FROM %s_by_key GROUP BY k)`},
}

// Prepare makes the tables.
func Prepare(ctx context.Context, s *millrace.Session, w Work) error {
	hot := w.Keys / 3
	for name, key := range map[string]string{
		"skew_even": fmt.Sprintf("CASE WHEN id %% 10 < 9 THEN id * 7919 %% %[1]d ELSE id * 7919 %% %[1]d END", w.Keys),
		"skew_hot":  fmt.Sprintf("CASE WHEN id %% 10 < 9 THEN CAST(%d AS BIGINT) ELSE id * 7919 %% %d END", hot, w.Keys),
	} {
		if _, err := s.SQL(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s AS k, id AS v FROM range(0, %d, 1, 32)", name, key, w.Rows)); err != nil {
			return err
		}
		if err := s.Table(name).Repartition(0, millrace.Col("k")).CreateOrReplaceTempView(ctx, name+"_by_key"); err != nil {
			return err
		}
	}
	_, err := s.SQL(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW skew_dim AS SELECT id %% %d AS d, id %% 97 AS w, id %% 50 AS g FROM range(0, %d, 1, 4)", w.Keys, 8*w.Keys))
	return err
}

// Measure measures a query by its name.
func Measure(ctx context.Context, s *millrace.Session, w Work, name string) (Case, error) {
	c := Case{Name: name}
	at := slices.IndexFunc(queries, func(q struct{ name, text string }) bool { return q.name == name })
	if at < 0 {
		return c, fmt.Errorf("there is no case %q", name)
	}
	for range max(1, w.Runs) {
		for _, x := range []struct {
			table, split string
			best         *Run
		}{{"skew_even", "true", &c.Even}, {"skew_hot", "true", &c.On}, {"skew_hot", "false", &c.Off}} {
			r, err := run(ctx, s, fmt.Sprintf(queries[at].text, x.table), x.split)
			if err != nil {
				return c, err
			}
			if x.best.Millis == 0 || r.Millis < x.best.Millis {
				*x.best = r
			}
		}
	}
	c.EvenMillis, c.OnMillis, c.OffMillis = c.Even.Millis, c.On.Millis, c.Off.Millis
	c.Same, c.Split = slices.Equal(c.On.Rows, c.Off.Rows), c.On.Split && !c.Off.Split
	if times := slices.Sorted(slices.Values(c.On.Times)); len(times) > 0 {
		c.Largest, c.Median = times[len(times)-1], times[len(times)/2]
	}
	return c, nil
}

// Cases lists the names of what can be measured.
func Cases() (out []string) {
	for _, q := range queries {
		out = append(out, q.name)
	}
	return out
}

func run(ctx context.Context, s *millrace.Session, text, split string) (r Run, err error) {
	if _, err := s.SQL(ctx, "SET sql.adaptive.skew.enabled = "+split); err != nil {
		return r, err
	}
	start := time.Now()
	df, err := s.SQL(ctx, text)
	if err != nil {
		return r, err
	}
	res, err := df.Run(ctx)
	if err != nil {
		return r, err
	}
	if err := res.Fetch(); err != nil {
		return r, err
	}
	r.Millis = float64(time.Since(start).Microseconds()) / 1000
	err = res.Each(func(v []string, _ []bool) error {
		r.Rows = append(r.Rows, strings.Join(v, "|"))
		return nil
	})
	slices.Sort(r.Rows)
	for _, st := range res.Stats().Stages {
		for _, what := range st.Stage.Rewrites {
			if strings.Contains(what, "is skewed and read by") {
				r.Split, r.Times = true, st.Times
			}
		}
	}
	return r, err
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }
