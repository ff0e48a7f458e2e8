package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say what to run.
type Options struct {
	SF         float64 // of the data in Data, which has TABLE.parquet; its answers are known
	Data       string
	Queries    []int
	Kills      int           // executors to kill
	For        time.Duration // ends the run early; 0: nothing does
	Seed       uint64
	Faults     []Kind
	Standalone bool   // start a master and workers; else local-cluster
	Master     string // of a cluster that runs on this machine; "": one is started
	Program    string // this program: `millrace`
	Settings   []millrace.Option
	Say        func(format string, args ...any) // is told of what happens
}

// perSession bounds the queries of a session.
const perSession = 12

// run is a run that goes on.
type run struct {
	Options
	answers *tpch.Answers
	text    map[int]string
	c       *cluster
	r       *rand.Rand
	end     time.Time // zero: none

	mu       sync.Mutex // the imp counts, too
	rep      *Report
	baseline map[int]time.Duration // undisturbed
	typical  map[int]time.Duration // how long each takes under faults
}

// Run runs queries under faults until enough executors were killed. The report is
// there also with an error, which is one of setting up, or of ctx.
func Run(ctx context.Context, o Options) (rep *Report, err error) {
	if supported != nil {
		return nil, diag.New(diag.InvalidArgument, "%v", supported)
	}
	x := &run{Options: o, r: rand.New(rand.NewPCG(o.Seed, 0)), rep: newReport(o), text: map[int]string{}, baseline: map[int]time.Duration{}, typical: map[int]time.Duration{}}
	var known bool
	if x.answers, known, err = tpch.AnswersAt(o.SF); err != nil {
		return nil, err
	}
	if !known {
		return nil, diag.New(diag.InvalidArgument, "the answers at scale factor %g are not known", o.SF).WithRemedy("use 0.01, 0.1 or 1")
	}
	for _, q := range o.Queries {
		if x.text[q], err = tpch.Query(q); err != nil {
			return nil, err
		}
	}
	if x.c, err = newCluster(ctx, o); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.c.close()) }()
	if x.c.nodisk != nil && slices.Contains(o.Faults, Fill) {
		o.Say("disks cannot be filled here: %v", x.c.nodisk)
		x.Faults = slices.DeleteFunc(slices.Clone(o.Faults), func(k Kind) bool { return k == Fill })
		x.rep.Note = fmt.Sprint("disks were not filled: ", x.c.nodisk)
	}
	began := time.Now()
	if o.For > 0 {
		x.end = began.Add(o.For)
	}
	defer func() { x.rep.Seconds = time.Since(began).Seconds() }()
	if err := x.measure(ctx); err != nil {
		return x.rep, err
	}
	said := time.Now()
	for n := 0; !x.over(); n++ {
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			o.Say("%5.0f s, %s", time.Since(began).Seconds(), x.rep.Line())
		}
		v := []variant{plain, kept, quic, lean, tcp}[n%5]
		if err := x.session(ctx, v); err != nil {
			return x.rep, err
		}
	}
	for _, k := range x.Faults {
		if x.rep.Faults[k].Struck == 0 {
			x.rep.fail("no fault of the kind %s struck", k)
		}
	}
	return x.rep, nil
}

// over reports whether the run is done.
func (x *run) over() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rep.Faults[Kill].Struck >= x.Kills || !x.end.IsZero() && time.Now().After(x.end) || x.rep.Hung > 3
}

// views makes the tables known.
func views(ctx context.Context, s *millrace.Session, dir string) error {
	for _, t := range dbgen.Tables() {
		if err := s.Read().Parquet(filepath.Join(dir, t.Name+".parquet")).CreateOrReplaceTempView(ctx, t.Name); err != nil {
			return err
		}
	}
	return nil
}

// measure takes the median of each query without faults.
func (x *run) measure(ctx context.Context) error {
	s, err := x.c.open(ctx, plain, x.Settings...)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := views(ctx, s, x.Data); err != nil {
		return err
	}
	for _, q := range x.Queries {
		var took []time.Duration
		for range 3 {
			start := time.Now()
			if err := x.query(ctx, s, q); err != nil {
				return fmt.Errorf("q%02d without faults: %w", q, err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		x.baseline[q], x.typical[q] = took[1], took[1]
		x.rep.Median[fmt.Sprintf("q%02d", q)] = took[1].Seconds()
	}
	return nil
}

// errWrong is the error of an answer that is not right.
var errWrong = errors.New("wrong")

// query answers a query and compares the answer.
func (x *run) query(ctx context.Context, s *millrace.Session, q int) error {
	df, err := s.SQL(ctx, x.text[q])
	if err != nil {
		return err
	}
	res, err := df.Run(ctx)
	if err == nil {
		err = res.Fetch()
	}
	if err != nil {
		return err
	}
	var rows [][]string
	if err := res.Each(func(v []string, _ []bool) error { rows = append(rows, slices.Clone(v)); return nil }); err != nil {
		return err
	}
	if err := x.answers.Check(q, res.Schema, rows); err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	return nil
}

// session runs queries in a session of a variant, until too few executors are left
// or it has had enough.
func (x *run) session(ctx context.Context, v variant) error {
	s, err := x.c.open(ctx, v, x.Settings...)
	if err != nil {
		return err
	}
	x.rep.Sessions++
	w := newWatch(s)
	defer func() {
		err := s.Close()
		w.end()
		x.c.sweep()
		if err != nil {
			x.rep.SlowEnds++
			if !x.c.gone(silence) {
				x.rep.fail("executors of a session (%s) do not end: %v", v, err)
			}
		}
		p := w.progress()
		x.rep.TasksFailed += p.TasksFailed
		x.rep.ExecutorsLost += p.ExecutorsLost
	}()
	if err := views(ctx, s, x.Data); err != nil {
		return err
	}
	for range perSession {
		if x.over() || !x.c.renews() && len(x.c.executors()) < 2 {
			return nil
		}
		if err := x.disturbed(ctx, s, w, v, x.Queries[x.r.IntN(len(x.Queries))]); err != nil {
			return err
		}
		x.c.sweep()
	}
	return nil
}

// disturbed runs a query under faults and books what became of it. Its error is
// that of ctx, or that the session is of no use any more.
func (x *run) disturbed(ctx context.Context, s *millrace.Session, w *watch, v variant, q int) error {
	faults := plan(x.r, x.Faults, v, x.typical[q])
	slices.SortFunc(faults, func(a, b fault) int { return int(a.after - b.after) })
	var told []string
	i := &imp{c: x.c, v: v, counts: func(k Kind, n int, err error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.rep.count(k, n, err)
		if n > 0 {
			told = append(told, string(k))
		}
	}}
	ended := make(chan struct{})
	var imps sync.WaitGroup
	imps.Go(func() { i.run(ctx, faults, ended) })
	guarded, done := w.guard(ctx, x.baseline[q], func() int { return int(i.struck.Load()) })
	start := time.Now()
	err := x.query(guarded, s, q)
	took := time.Since(start)
	hung := done()
	close(ended)
	imps.Wait()
	if ctx.Err() != nil {
		return diag.New(diag.Cancelled, "the run was cancelled")
	}
	x.rep.Queries++
	what := fmt.Sprintf("query %d, q%02d, %s, after %s, faults %s", x.rep.Queries, q, v, took.Round(time.Millisecond), strings.Join(told, " "))
	switch {
	case hung:
		x.rep.Hung++
		x.rep.fail("%s: hung", what)
		x.Say("HUNG: %s; the driver's goroutines are in %s", what, x.dump())
	case errors.Is(err, errWrong):
		x.rep.Wrong++
		x.rep.fail("%s: %v", what, err)
		x.Say("WRONG: %s: %v", what, err)
	case err != nil && diag.ClassOf(err) == diag.SpillFailed && i.filled.Load():
		x.rep.Refused++
	case err != nil:
		x.rep.Failed++
		x.rep.fail("%s: %v", what, err)
		x.Say("FAILED: %s: %v", what, err)
	default:
		x.rep.Right++
		x.rep.slower(q, took.Seconds()/x.baseline[q].Seconds())
	}
	x.typical[q] = (3*x.typical[q] + min(took, 4*x.typical[q])) / 4
	return nil
}

// dump writes the goroutines of this process to a file.
func (x *run) dump() string {
	f, err := os.CreateTemp("", "millrace-hung-*.txt")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := pprof.Lookup("goroutine").WriteTo(f, 1); err != nil {
		return err.Error()
	}
	return f.Name()
}
