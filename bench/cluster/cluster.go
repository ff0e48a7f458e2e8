// Package cluster measures what it costs to run queries in several processes of
// one host: the same queries in this process, in executors that are processes of
// their own, and in those with all output of exchanges written to disk.
//
//	query ─┬─ local[2] ───────────────────────────────┐
//	       ├─ local-cluster[2,1,MiB] ─────────────────┼─► best time, processor time, bytes
//	       └─ local-cluster[2,1,MiB], shuffle.keep ───┘   answers compared
//
// Invariants:
//
//   - All places have the same cores and the same memory, and run by turns.
//   - Answers are compared, as sets of rows: a query may order equal rows as it likes.
//
// It imports the root package, bench/harness and bench/tpch, and is tested through
// the command line.
package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
)

// The most that the places may take in all, as a multiple of the first's time.
const (
	NeedFits    = 1.15
	NeedSpilled = 1.4
)

// Options say what to measure.
type Options struct {
	Data             string // directory with TABLE.parquet files
	Queries          []int
	Executors, Cores int
	MiB              int // of memory for each executor
	Runs             int // after one that warms up; the best counts
	Spill            bool
	Scratch          string      // an existing directory for what is written to disk
	Done             func(q Row) // is told what a query came to; may be nil
}

// Result is what was measured.
type Result struct {
	Started string          `json:"started"`
	Command string          `json:"command"`
	Data    string          `json:"data"`
	Machine harness.Machine `json:"machine"`
	Runs    int             `json:"runs"`
	Others  float64         `json:"others_cpu_share"` // of the machine's processor time, taken by other programs
	Places  []Place         `json:"places"`
	Queries []Row           `json:"queries"`
}

// Place is where queries ran.
type Place struct {
	Name   string  `json:"name"`
	Master string  `json:"master"`
	Need   float64 `json:"need,omitempty"` // bounds its time as a multiple of the first place's
}

// Row is a query's figures, by place.
type Row struct {
	Query string   `json:"query"`
	Figs  []Figure `json:"places"`
	Same  bool     `json:"same_answers"`
}

// Figure is a query in one place.
type Figure struct {
	MS      []float64 `json:"ms"` // of each run
	Best    float64   `json:"best_ms"`
	CPU     float64   `json:"cpu_ms"`          // of all processes, the mean of the runs
	Written int64     `json:"exchanged_bytes"` // put into exchanges, as they lie in memory
	Spilled int64     `json:"disk_bytes"`      // written to disk, as they lie there
}

// All adds the queries up.
func (r *Result) All() Row {
	all := Row{Query: "all", Figs: make([]Figure, len(r.Places)), Same: true}
	for _, q := range r.Queries {
		all.Same = all.Same && q.Same
		for i, f := range q.Figs {
			a := &all.Figs[i]
			a.Best, a.CPU, a.Written, a.Spilled = a.Best+f.Best, a.CPU+f.CPU, a.Written+f.Written, a.Spilled+f.Spilled
		}
	}
	return all
}

// Ratio is a place's time as a multiple of the first's.
func (r Row) Ratio(place int) float64 { return r.Figs[place].Best / r.Figs[0].Best }

// OK reports whether answers are the same and no place takes more than it may.
func (r *Result) OK() bool {
	all := r.All()
	for i, p := range r.Places {
		if p.Need > 0 && all.Ratio(i) > p.Need {
			return false
		}
	}
	return all.Same
}

// place is a session.
type place struct {
	Place
	session *millrace.Session
	kept    string // directory of the output of exchanges, "" if memory holds it
}

// Measure runs the queries in all places.
func Measure(ctx context.Context, o Options) (*Result, error) {
	r := &Result{Started: time.Now().UTC().Format(time.RFC3339), Data: o.Data, Machine: harness.ThisMachine(), Runs: o.Runs}
	places := []place{
		{Place: Place{Name: "in one process", Master: fmt.Sprintf("local[%d]", o.Executors*o.Cores)}},
		{Place: Place{Name: "in executors", Master: fmt.Sprintf("local-cluster[%d,%d,%d]", o.Executors, o.Cores, o.MiB), Need: NeedFits}},
	}
	if o.Spill {
		places = append(places, place{Place: Place{Name: "in executors, all of it on disk", Master: places[1].Master, Need: NeedSpilled}, kept: o.Scratch})
	}
	for i := range places {
		p := &places[i]
		r.Places = append(r.Places, p.Place)
		opts := []millrace.Option{millrace.WithSetting("memory", fmt.Sprintf("%dMiB", o.Executors*o.MiB))}
		if p.kept != "" {
			opts = append(opts, millrace.WithSetting("shuffle.keep", p.kept))
		}
		var err error
		if p.session, err = millrace.Open(ctx, p.Master, opts...); err != nil {
			return nil, err
		}
		defer p.session.Close()
		for _, t := range dbgen.Tables() {
			if err := p.session.Read().Parquet(filepath.Join(o.Data, t.Name+".parquet")).CreateOrReplaceTempView(ctx, t.Name); err != nil {
				return nil, err
			}
		}
	}
	watch := harness.Watching()
	for _, n := range o.Queries {
		text, err := tpch.Query(n)
		if err != nil {
			return nil, err
		}
		q, err := query(ctx, places, text, o.Runs)
		if err != nil {
			return nil, fmt.Errorf("q%02d: %w", n, err)
		}
		q.Query = fmt.Sprintf("q%02d", n)
		r.Queries = append(r.Queries, q)
		if o.Done != nil {
			o.Done(q)
		}
	}
	r.Others = watch.Others()
	return r, nil
}

// query runs one in all places, by turns.
func query(ctx context.Context, places []place, text string, runs int) (Row, error) {
	out := Row{Figs: make([]Figure, len(places)), Same: true}
	var first []string
	for i := range places {
		rows, err := places[i].run(ctx, text, &Figure{})
		if err != nil {
			return out, err
		}
		if i == 0 {
			first = rows
		}
		out.Same = out.Same && slices.Equal(first, rows)
	}
	for range runs {
		for i := range places {
			if _, err := places[i].run(ctx, text, &out.Figs[i]); err != nil {
				return out, err
			}
		}
	}
	for i := range out.Figs {
		f := &out.Figs[i]
		f.Best = slices.Min(f.MS)
		f.CPU /= float64(runs)
	}
	return out, nil
}

// run runs a query once, adds what it took to a figure, and returns the rows,
// rendered and sorted.
func (p *place) run(ctx context.Context, text string, f *Figure) (rows []string, err error) {
	cpu, start := harness.ProcessorSeconds(), time.Now()
	df, err := p.session.SQL(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Fetch(); err != nil {
		return nil, err
	}
	f.MS = append(f.MS, float64(time.Since(start).Microseconds())/1000)
	f.CPU += 1000 * (harness.ProcessorSeconds() - cpu)
	f.Written, f.Spilled = 0, 0
	for _, s := range r.Stats().Stages {
		f.Written, f.Spilled = f.Written+s.Written, f.Spilled+s.Spilled
	}
	err = r.Each(func(v []string, _ []bool) error {
		rows = append(rows, strings.Join(v, "|"))
		return nil
	})
	slices.Sort(rows)
	if p.kept != "" && err == nil {
		err = empty(p.kept)
	}
	return rows, err
}

// empty removes what queries that have ended left in a directory.
func empty(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*")) // APPLICATION/job-1-exchange-1
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	return err
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }
