package functions

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say how to measure.
type Options struct {
	Version, Command string
	Rows             int64    // strings
	Runs             int      // of each query; medians count
	Libraries        []string // WebAssembly modules that have shout
	// Start makes the command of a process that answers one query, with a store for
	// artifacts, and with a file added unless that is "". Nil: starts are not measured.
	Start func(ctx context.Context, store, file string) *exec.Cmd
	// Done is told each figure, Started each start.
	Done    func(Figure)
	Started func(Start)
}

// Measure measures all functions, then starts.
func Measure(ctx context.Context, o Options) (*Result, error) {
	r := &Result{Version: o.Version, Command: o.Command, Started: time.Now().UTC().Format(time.RFC3339), Machine: harness.ThisMachine(), Rows: o.Rows, Runs: o.Runs}
	dir, err := os.MkdirTemp("", "millrace-functions-*")
	if err != nil {
		return nil, diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
	}
	defer os.RemoveAll(dir)
	s, err := millrace.Open(ctx, "local[1]", millrace.WithSetting("artifact.dir", filepath.Join(dir, "store")))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	watch := harness.Watching()
	for _, w := range works(o.Libraries) {
		list, err := w.measure(ctx, s, o)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			o.Done(f)
		}
		r.Figures = append(r.Figures, list...)
	}
	r.Others = watch.Others()
	if o.Start == nil {
		return r, nil
	}
	r.Starts, err = starts(ctx, o, dir)
	for _, x := range r.Starts {
		o.Started(x)
	}
	return r, err
}

// source is the table of the strings that functions get: all different, of 17 to 23 bytes.
func source(rows int64) string {
	return fmt.Sprintf("(SELECT concat('Customer number ', id) AS s FROM range(%d))", rows)
}

// measure runs the forms by turns, and the query without a function.
func (w work) measure(ctx context.Context, s *millrace.Session, o Options) ([]Figure, error) {
	if err := w.check(ctx, s); err != nil {
		return nil, err
	}
	wall, processor := make([][]float64, len(w.forms)+1), make([][]float64, len(w.forms)+1)
	for run := range o.Runs + 1 {
		for i := range wall {
			query := w.none
			if i < len(w.forms) {
				query = strings.Replace(w.query, "CALL", w.forms[i].call, 1)
			}
			busy, start := harness.ProcessorSeconds(), time.Now()
			if _, err := value(ctx, s, "SELECT "+query+" FROM "+source(o.Rows)); err != nil {
				return nil, err
			}
			if run > 0 { // the first warms up
				wall[i] = append(wall[i], time.Since(start).Seconds())
				processor[i] = append(processor[i], harness.ProcessorSeconds()-busy)
			}
		}
	}
	medians := make([]float64, len(processor))
	for i, all := range processor {
		medians[i] = harness.Median(all)
	}
	none, own := medians[len(w.forms)], medians[0]
	var out []Figure
	for i, x := range w.forms {
		t := medians[i]
		f := Figure{Function: w.name, Form: x.name, Seconds: harness.Digits(harness.Median(wall[i])), MAD: harness.Digits(harness.MAD(processor[i])), Processor: harness.Digits(t), Need: x.need,
			Alone: harness.Digits((t - none) / float64(o.Rows) * 1e9), Query: harness.Digits(own / t), Share: harness.Digits((own - none) / (t - none))}
		if x.loop != nil {
			f.Loop = harness.Digits(loop(x.loop, o.Rows))
		}
		out = append(out, f)
	}
	return out, nil
}

// check creates the functions of libraries and compares all forms with the first, over
// a few thousand strings.
func (w work) check(ctx context.Context, s *millrace.Session) error {
	for _, x := range w.forms {
		if x.library != "" {
			quoted := strings.ReplaceAll(x.library, "'", "''")
			if _, err := s.SQL(ctx, fmt.Sprintf("CREATE FUNCTION %s(x STRING) RETURNS STRING USING LIBRARY '%s' SYMBOL 'shout'", x.call, quoted)); err != nil {
				return err
			}
		}
		odd, err := value(ctx, s, fmt.Sprintf("SELECT count(*) FROM %s WHERE CAST(%s(s) AS STRING) IS DISTINCT FROM CAST(%s(s) AS STRING)", source(5000), x.call, w.forms[0].call))
		if err != nil {
			return err
		}
		if odd != "0" {
			return diag.New(diag.Internal, "%s gives other values than %s for %s of 5000 strings", x.call, w.forms[0].call, odd)
		}
	}
	return nil
}

// value runs a query of one row and column.
func value(ctx context.Context, s *millrace.Session, query string) (string, error) {
	d, err := s.SQL(ctx, query)
	if err != nil {
		return "", err
	}
	rows, err := d.Collect(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(rows[0][0]), nil
}

// loop calls a function over as many strings as a batch has, again and again, and
// returns the nanoseconds that a string takes, in the best of several rounds.
func loop(f func([]string), rows int64) float64 {
	as := make([]string, 8192)
	for i := range as {
		as[i] = fmt.Sprint("Customer number ", int64(i)*rows/int64(len(as)))
	}
	best := math.Inf(1)
	for range 10 {
		start := time.Now()
		for range 20 {
			f(as)
		}
		best = min(best, float64(time.Since(start).Nanoseconds())/float64(20*len(as)))
	}
	return best
}
