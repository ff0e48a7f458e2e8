// Package cached measures what cached datasets save: TPC-H's q1 and q6 over lineitem
// as Parquet, as CSV and cached, also where memory holds a quarter of it; and PageRank
// and k-means from CSV files, with their data persisted and without.
//
// Invariants:
//
//   - Answers are compared: those of a way with those of the first.
//   - Times are the least of several runs, in turns, so that what else the machine does
//     hits all ways alike.
//
// It imports the root package and bench/harness and bench/tpch, and is tested through
// the command line.
package cached

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/tpch"
)

// Result is what was measured.
type Result struct {
	Started string          `json:"started"`
	Command string          `json:"command"`
	Machine harness.Machine `json:"machine"`
	Rows    []Row           `json:"runs"`
}

// Row is how long a job took in one way.
type Row struct {
	Job    string  `json:"job"`
	Way    string  `json:"way"`
	Memory string  `json:"memory"`                 // the budget, as the setting has it
	Millis float64 `json:"ms"`                     // the least of all runs
	CPU    float64 `json:"cpu_ms"`                 // of this process, the least of all runs
	Hits   float64 `json:"hits_percent,omitempty"` // of the blocks of a hot table, those in memory
	Same   bool    `json:"same_answer"`

	runs        int
	hits, reads int64 // blocks of cached tables that were in memory, of those read
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }

// Options say what is measured. Data is the directory with lineitem.parquet, Dir one
// for what is made, Open opens a session with a memory budget; "" is the usual one;
// settings are more, as key=value.
type Options struct {
	Data, Dir string
	Quarter   string // of what lineitem takes in memory, as a budget
	Runs      int
	Open      func(memory string, settings ...string) (*millrace.Session, func(), error)
	Tell      func(Row)
}

// levels are those that little memory is measured with.
var levels = []string{"MEMORY_AND_DISK", "MEMORY_ONLY"}

// way is one way of having lineitem as a view.
type way struct{ name, statement string }

// Tables measures queries over lineitem.
func Tables(ctx context.Context, o Options) ([]Row, error) {
	csv, parquet := filepath.Join(o.Dir, "lineitem.csv"), filepath.Join(o.Data, "lineitem.parquet")
	ddl, err := export(ctx, o, parquet, csv)
	if err != nil {
		return nil, err
	}
	from := func(name, source string) way { return way{name, "CREATE OR REPLACE TEMP VIEW lineitem AS " + source} }
	files := from("parquet", fmt.Sprintf("SELECT * FROM parquet.`%s`", parquet))
	rows, err := measure(ctx, o, "", []way{files,
		{"csv", fmt.Sprintf("CREATE OR REPLACE TEMP VIEW lineitem (%s) USING csv OPTIONS (path '%s')", ddl, csv)},
		{"cached", "CACHE TABLE lineitem"}})
	if err != nil {
		return nil, err
	}
	for _, level := range levels {
		more, err := measure(ctx, o, o.Quarter, []way{files, {"cached " + level, "CACHE TABLE lineitem OPTIONS ('storageLevel' '" + level + "')"}})
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// export writes lineitem as CSV and returns its columns as a view declares them.
func export(ctx context.Context, o Options, parquet, csv string) (string, error) {
	s, closed, err := o.Open("")
	if err != nil {
		return "", err
	}
	defer closed()
	df := s.Read().Parquet(parquet)
	schema, err := df.Schema(ctx)
	if err != nil {
		return "", err
	}
	var columns []string
	for _, f := range schema.Fields {
		columns = append(columns, f.Name+" "+f.Type.String())
	}
	return strings.Join(columns, ", "), df.Write().Mode("overwrite").CSV(ctx, csv)
}

// measure runs q1 and q6 in sessions of their own, one per way, in turns. A way that
// caches begins with the view of the first.
func measure(ctx context.Context, o Options, memory string, ways []way) ([]Row, error) {
	sessions := make([]*millrace.Session, len(ways))
	for i, w := range ways {
		s, closed, err := o.Open(memory)
		if err != nil {
			return nil, err
		}
		defer closed()
		statements := []string{w.statement}
		if strings.HasPrefix(w.statement, "CACHE") {
			statements = []string{ways[0].statement, w.statement}
		}
		for _, q := range statements {
			if _, err := s.SQL(ctx, q); err != nil {
				return nil, err
			}
		}
		sessions[i] = s
	}
	var rows []Row
	for _, n := range []int{1, 6} {
		q, err := tpch.Query(n)
		if err != nil {
			return nil, err
		}
		all := make([]Row, len(ways))
		for i, w := range ways {
			all[i] = Row{Job: fmt.Sprintf("q%02d", n), Way: w.name, Memory: memory}
		}
		var want []string
		for range o.Runs {
			for i := range ways {
				if err := all[i].run(ctx, sessions[i], q, &want); err != nil {
					return nil, err
				}
			}
		}
		for _, r := range all {
			o.Tell(r)
		}
		rows = append(rows, all...)
	}
	return rows, nil
}

// run runs a query once more. Of its times the row keeps the least; the answer is
// compared with that of the first run of all, which want is set to.
func (r *Row) run(ctx context.Context, s *millrace.Session, text string, want *[]string) error {
	took := start()
	df, err := s.SQL(ctx, text)
	if err != nil {
		return err
	}
	result, err := df.Run(ctx)
	if err != nil {
		return err
	}
	got := []string{}
	if err := result.Each(func(v []string, _ []bool) error {
		got = append(got, strings.Join(v, "|"))
		return nil
	}); err != nil {
		return err
	}
	ms, cpu := took()
	if *want == nil {
		*want = got
	}
	if r.runs++; r.runs == 1 {
		r.Millis, r.CPU, r.Same = ms, cpu, true
	}
	r.Millis, r.CPU, r.Same = min(r.Millis, ms), min(r.CPU, cpu), r.Same && slices.Equal(got, *want)
	for _, st := range result.Stats().Stages {
		for _, o := range st.Operators {
			r.hits += o.CacheHits
			r.reads += o.CacheHits + o.CacheDisk + o.CacheFetched + o.CacheMisses
		}
	}
	return nil
}

// start begins to measure: the function that it returns tells the milliseconds since,
// by the clock and of processors that this process used.
func start() func() (wall, cpu float64) {
	began, used := time.Now(), processors()
	return func() (wall, cpu float64) {
		return millis(time.Since(began)), millis(processors() - used)
	}
}

func processors() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for a process itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
