package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Leftover is what attempts that others were faster than leave behind, while their
// query goes on.
type Leftover struct {
	Attempts int     `json:"attempts"` // that were not the first to end
	Blocks   int     `json:"blocks"`   // beyond those of one attempt of each task
	Bytes    int64   `json:"bytes"`    // that those take, at most
	Seconds  float64 `json:"seconds"`  // from the moment on in which the executor runs again
}

// String says it in a line.
func (l *Leftover) String() string {
	return fmt.Sprintf("of %d losing attempts %d blocks, %d bytes, are left after %.1f s, while their query goes on", l.Attempts, l.Blocks, l.Bytes, l.Seconds)
}

// The query of leftover: so many tasks write so many blocks each, which are read
// after that.
const (
	leftTasks  = 16
	leftBlocks = 2
	leftRows   = 8_000_000
	leftAfter  = time.Minute // the most that losers may take
)

// leftover stops an executor amidst a task until others have run that, lets it go on
// and waits until all executors together have the output of one attempt of each task.
// The query ends only then: nobody reads its rows before.
func (x *scene) leftover(ctx context.Context) (left *Leftover, err error) {
	err = x.session(ctx, func(s *millrace.Session, w *watch) error {
		df, err := s.SQL(ctx, fmt.Sprintf("SELECT id, id %% 1000 AS k FROM range(0, %d, 1, %d)", leftRows, leftTasks))
		if err != nil {
			return err
		}
		done := make(chan int, 1) // how many tasks are, the last word
		w.listen(func(p millrace.Progress) {
			select {
			case <-done:
			default:
			}
			done <- p.TasksDone
		})
		until := func(n int) error {
			for end := time.After(leftAfter); ; {
				select {
				case have := <-done:
					if have >= n {
						return nil
					}
				case <-end:
					return diag.New(diag.ClusterFailed, "tasks of an executor that stands still do not run elsewhere")
				case <-ctx.Done():
					return diag.New(diag.Cancelled, "the run was cancelled")
				}
			}
		}
		res, err := df.Repartition(leftBlocks, millrace.Col("k")).Run(ctx)
		if err != nil {
			return err
		}
		defer res.Close()
		if err := until(leftTasks - executorCount - 1); err != nil { // all are at work yet, not for long
			return err
		}
		resume, err := stop(x.c.executors()[0])
		if err != nil {
			return err
		}
		defer resume()
		if err := until(leftTasks); err != nil {
			return err
		}
		resume()
		began, told := time.Now(), map[string]int{}
		for _, e := range s.Executors() {
			told[e.ID] = e.Told
		}
		for {
			left = &Leftover{Attempts: w.progress().TasksDone - leftTasks, Blocks: -leftTasks * leftBlocks, Seconds: time.Since(began).Seconds()}
			heard, blocks, bytes := true, 0, int64(0)
			for _, e := range s.Executors() {
				heard = heard && e.Told >= told[e.ID]+2
				blocks, bytes = blocks+e.Blocks, bytes+e.BlockBytes
			}
			if left.Blocks += blocks; left.Blocks > 0 {
				left.Bytes = bytes
			}
			if heard && left.Attempts > 0 && left.Blocks == 0 || time.Since(began) > leftAfter {
				return nil
			}
			if !sleep(ctx, 50*time.Millisecond, nil) {
				return diag.New(diag.Cancelled, "the run was cancelled")
			}
		}
	}, millrace.WithSetting("task.speculation", "true"), millrace.WithSetting("sql.adaptive.enabled", "false"))
	return left, err
}
