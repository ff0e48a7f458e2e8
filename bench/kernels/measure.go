package kernels

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Result is what the kernels took.
type Result struct {
	Version string          `json:"version"`
	Started string          `json:"started"`
	Machine harness.Machine `json:"machine"`
	Copy    float64         `json:"copy_gb_per_s"` // bytes read and written by copying blocks
	Kernels []Timing        `json:"kernels"`
}

// Timing is one kernel's.
type Timing struct {
	Name  string  `json:"name"`
	NS    float64 `json:"ns_per_row"`
	Bytes float64 `json:"bytes_per_row"`
	Share float64 `json:"share_of_memcpy"`
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }

// Each kernel is measured in rounds of at least this long, of which the fastest
// counts: what else the machine does can only slow a loop down.
const (
	roundTime = 20 * time.Millisecond
	rounds    = 7
)

// Measure runs the kernels one after the other on one thread; done is told each
// one and may be nil.
func Measure(ctx context.Context, version string, list []Kernel, done func(Timing)) (*Result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := &Result{Version: version, Started: time.Now().UTC().Format(time.RFC3339), Machine: harness.ThisMachine()}
	r.Copy = copySpeed()
	for _, k := range list {
		ns, err := k.measure(ctx)
		if ctx.Err() != nil {
			return nil, diag.New(diag.Cancelled, "the benchmark was cancelled").WithCause(context.Cause(ctx))
		}
		if err != nil {
			return nil, fmt.Errorf("kernel %s: %w", k.Name, err)
		}
		t := Timing{Name: k.Name, NS: digits(ns), Bytes: digits(float64(k.Move) / float64(k.Rows))}
		t.Share = digits(t.Bytes / ns / r.Copy)
		r.Kernels = append(r.Kernels, t)
		if done != nil {
			done(t)
		}
	}
	return r, nil
}

// digits keeps three decimals.
func digits(x float64) float64 { return math.Round(x*1000) / 1000 }

// measure returns nanoseconds per row.
func (k Kernel) measure(ctx context.Context) (float64, error) {
	run, done, err := k.Make(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if _, err := run(); err != nil {
		return 0, err
	}
	best, err := fastest(ctx, func() error { _, err := run(); return err })
	return best / float64(k.Rows), err
}

// fastest returns the nanoseconds of one call of f in the fastest round.
func fastest(ctx context.Context, f func() error) (float64, error) {
	calls := 1
	var times []float64
	for len(times) < rounds {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		for range calls {
			if err := f(); err != nil {
				return 0, err
			}
		}
		took := time.Since(start)
		if took < roundTime {
			calls = max(calls+1, int(1.2*float64(calls)*float64(roundTime)/float64(took+1)))
			continue
		}
		times = append(times, float64(took.Nanoseconds())/float64(calls))
	}
	return slices.Min(times), nil
}

// copySpeed returns the bytes per nanosecond that copying moves, read and
// written, in blocks as large as a column of a batch.
func copySpeed() float64 {
	from, to := make([]byte, 8*batchRows), make([]byte, 8*batchRows)
	for i := range from {
		from[i] = byte(i)
	}
	ns, _ := fastest(context.Background(), func() error { copy(to, from); return nil }) // never fails
	return digits(float64(2*len(from)) / ns)
}
