package report

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/bench/cached"
	"github.com/millrace-engine/millrace/bench/cluster"
	"github.com/millrace-engine/millrace/bench/filters"
	"github.com/millrace-engine/millrace/bench/functions"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/kernels"
	"github.com/millrace-engine/millrace/bench/shuffle"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Inputs are what a report is made from.
type Inputs struct {
	Runs      []Run
	Kernels   *kernels.Result   // nil if they were not measured
	Shuffle   *shuffle.Result   // likewise
	Filters   *filters.Result   // likewise
	Cluster   *cluster.Result   // likewise
	Functions *functions.Result // likewise
	Cached    *cached.Result    // likewise
	Notes     Notes
}

// Run is a result with the name of its file, which its chart gets too.
type Run struct {
	Name string
	*harness.Result
}

// The names of results that are not of engines and queries.
const (
	kernelsFile   = "kernels.json"
	shuffleFile   = "shuffle.json"
	filtersFile   = "filters.json"
	clusterFile   = "cluster.json"
	functionsFile = "functions.json"
	cacheFile     = "cache.json"
)

// Load reads result files, as named by paths, each a file or a pattern, and the
// notes, which need not be there.
func Load(patterns []string, notes string) (*Inputs, error) {
	var paths []string
	for _, p := range patterns {
		m, err := filepath.Glob(p)
		if err != nil {
			return nil, diag.New(diag.InvalidArgument, "the pattern %q cannot be read: %v", p, err)
		}
		if m == nil && !strings.ContainsAny(p, "*?[") {
			m = []string{p} // so that its absence is told
		}
		paths = append(paths, m...)
	}
	slices.Sort(paths)
	in := &Inputs{}
	var err error
	for _, p := range slices.Compact(paths) {
		switch filepath.Base(p) {
		case kernelsFile:
			in.Kernels, err = harness.Load[kernels.Result](p, "result of the kernels")
		case shuffleFile:
			in.Shuffle, err = harness.Load[shuffle.Result](p, "result of the shuffle's gates")
		case clusterFile:
			in.Cluster, err = harness.Load[cluster.Result](p, "result of executors")
		case cacheFile:
			in.Cached, err = harness.Load[cached.Result](p, "result of cached tables")
		case functionsFile:
			in.Functions, err = harness.Load[functions.Result](p, "result of functions")
		case filtersFile:
			in.Filters, err = harness.Load[filters.Result](p, "result of runtime filters")
		default:
			var r *harness.Result
			r, err = harness.Read(p)
			in.Runs = append(in.Runs, Run{strings.TrimSuffix(filepath.Base(p), ".json"), r})
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(in.Runs, before)
	var b []byte
	b, err = os.ReadFile(notes)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fs.Explain(err, notes)
	}
	if in.Notes, err = parseNotes(string(b)); err != nil {
		return nil, err
	}
	return in, in.Notes.check(in.Runs)
}

// before orders runs as a reader wants them: TPC-H first, by scale, and the most
// threads first.
func before(a, b Run) int {
	if a.Suite != b.Suite {
		return strings.Compare(b.Suite, a.Suite)
	}
	switch {
	case a.SF != b.SF:
		return sign(a.SF < b.SF)
	case a.Threads != b.Threads:
		return sign(a.Threads > b.Threads)
	case a.Memory != b.Memory: // first as much as it takes
		return sign(a.Memory < b.Memory)
	case a.Data != b.Data:
		return strings.Compare(a.Data, b.Data)
	}
	return strings.Compare(a.Name, b.Name)
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// engine returns what is known of an engine in the run.
func (r Run) engine(name string) (harness.EngineInfo, bool) {
	for _, e := range r.Engines {
		if e.Name == name {
			return e, true
		}
	}
	return harness.EngineInfo{}, false
}

// us is the engine that others are compared with.
const us = "millrace"

// rivals lists the other engines, in the order of the run.
func (r Run) rivals() []string {
	var out []string
	for _, e := range r.Engines {
		if e.Name != us {
			out = append(out, e.Name)
		}
	}
	return out
}

// duel is Millrace against a rival over the queries that both answered.
type duel struct {
	queries, of  int
	ours, theirs float64 // ms, summed over medians
	processor    float64 // ratio of the processor time, summed likewise
	geomean      float64 // of the ratios ours ÷ theirs
	worst        float64
	worstQuery   string
}

func (r Run) duel(rival string) duel {
	d := duel{of: len(r.Queries)}
	var ratios []float64
	var ours, theirs float64
	for _, q := range r.Queries {
		a, b := q.Engines[us], q.Engines[rival]
		if !a.OK() || !b.OK() {
			continue
		}
		x := a.Median / b.Median
		ratios = append(ratios, x)
		d.queries++
		d.ours += a.Median
		d.theirs += b.Median
		ours += harness.Median(a.CPU)
		theirs += harness.Median(b.CPU)
		if x > d.worst {
			d.worst, d.worstQuery = x, q.Name
		}
	}
	d.geomean = harness.Geomean(ratios)
	if theirs > 0 {
		d.processor = ours / theirs
	}
	return d
}
