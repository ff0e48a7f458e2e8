package functions

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Start is what a process takes that answers one query.
type Start struct {
	What      string  `json:"what"`
	Seconds   float64 `json:"seconds"`   // until it has ended, median
	Processor float64 `json:"processor"` // seconds, median
	RSS       int64   `json:"rss_bytes"` // peak as seen every millisecond, median; 0: not known
	Store     bool    `json:"store"`     // it made a directory for artifacts
}

// slack is what one process may take of another's time and memory that takes the same.
const slack = 1.1

// Cheap reports whether a process without artifacts takes no more than one with, and
// makes no store; it is true where that was not measured.
func (r *Result) Cheap() bool {
	if len(r.Starts) != 2 {
		return true
	}
	a, b := r.Starts[0], r.Starts[1]
	return !a.Store && a.Seconds <= slack*b.Seconds && float64(a.RSS) <= slack*float64(b.RSS)
}

// starts runs processes without and with an artifact by turns.
func starts(ctx context.Context, o Options, dir string) ([]Start, error) {
	file := filepath.Join(dir, "artifact")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		return nil, diag.New(diag.WriteFailed, "%s cannot be written: %v", file, err).WithPath(file)
	}
	out := []Start{{What: "without artifacts"}, {What: "with a file of 1 MiB"}}
	var wall, processor, rss [2][]float64
	for run := range startsPerRun*o.Runs + 1 {
		for i, added := range []string{"", file} {
			store := filepath.Join(dir, fmt.Sprintf("start-%d", i))
			x, err := o.start(ctx, store, added)
			if err != nil {
				return nil, err
			}
			if run == 0 { // it warms up
				continue
			}
			wall[i], processor[i], rss[i] = append(wall[i], x.Seconds), append(processor[i], x.Processor), append(rss[i], float64(x.RSS))
			if _, err := os.Stat(store); err == nil {
				out[i].Store = true
			}
		}
	}
	for i := range out {
		out[i].Seconds, out[i].Processor, out[i].RSS = harness.Digits(harness.Median(wall[i])), harness.Digits(harness.Median(processor[i])), int64(harness.Median(rss[i]))
	}
	return out, nil
}

// startsPerRun is how many processes of each kind there are for each run of a query.
const startsPerRun = 4

// start runs one process to its end.
func (o *Options) start(ctx context.Context, store, file string) (x Start, err error) {
	c := o.Start(ctx, store, file)
	var text bytes.Buffer
	c.Stdout, c.Stderr = &text, &text
	start := time.Now()
	if err = c.Start(); err == nil {
		ended := make(chan struct{})
		peak := make(chan int64)
		go func() { peak <- watchPeak(c.Process.Pid, ended) }()
		err = c.Wait()
		x.Seconds = time.Since(start).Seconds()
		close(ended)
		x.RSS = <-peak
	}
	if err != nil {
		return x, diag.New(diag.Internal, "%s: %v: %s", strings.Join(c.Args, " "), err, text.Bytes())
	}
	x.Processor = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	return x, nil
}

// watchPeak looks at a process until it has ended. What the system tells at the end
// would do if that did not count the memory of the parent, which starts it.
func watchPeak(pid int, ended <-chan struct{}) (most int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, harness.Peak(pid))
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
	}
}
