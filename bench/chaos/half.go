package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Half runs each query undisturbed, and with one of the four executors killed when
// half of its tasks are done, runs times each. The rows must be those of the
// undisturbed run.
func Half(ctx context.Context, o Options, runs int, most float64) (c *Comparison, err error) {
	c = newComparison("one of four executors killed at half of the tasks", o, most)
	err = play(ctx, o, func(x *scene) error {
		for _, q := range o.Queries {
			r, err := x.half(ctx, q, runs)
			if err != nil {
				return err
			}
			c.Rows = append(c.Rows, r)
			o.Say("%s: %.3f s, %.3f s disturbed", r.Query, r.Plain, r.Disturbed)
		}
		return nil
	})
	return c, err
}

func (x *scene) half(ctx context.Context, q, runs int) (r Row, err error) {
	r.Query = fmt.Sprintf("q%02d", q)
	var want []string
	var plain, disturbed []time.Duration
	tasks := 0
	err = x.session(ctx, func(s *millrace.Session, w *watch) error {
		for i := range runs + 1 { // the first warms up
			got, took, err := rows(ctx, s, q)
			if err != nil {
				return err
			}
			if want = got; i > 0 {
				plain = append(plain, took)
			}
		}
		err := until(func() bool { return w.progress().Ended })
		tasks = w.progress().TasksDone
		return err
	})
	for i := 0; i < runs && err == nil; i++ {
		err = x.session(ctx, func(s *millrace.Session, w *watch) error {
			if _, _, err := rows(ctx, s, q); err != nil { // warms up
				return err
			}
			victim := x.c.executors()[0]
			var armed, struck atomic.Bool
			w.listen(func(p millrace.Progress) {
				if p.TasksDone == 0 { // the query has begun
					armed.Store(true)
				}
				if armed.Load() && p.TasksDone >= tasks/2 && struck.CompareAndSwap(false, true) && kill(victim) != nil {
					struck.Store(false)
				}
			})
			got, took, err := rows(ctx, s, q)
			disturbed = append(disturbed, took)
			switch {
			case err != nil:
				r.Wrong = err.Error()
			case !slices.Equal(got, want):
				r.Wrong = "the rows differ"
			case !struck.Load():
				r.Wrong = "nobody was killed"
			}
			return ctx.Err()
		})
	}
	if err == nil {
		r.Plain, r.Disturbed = median(plain), median(disturbed)
	}
	return r, err
}

// grace is how long a query may take to fail when all executors are gone: the 30 s
// that it waits for others, and some time to notice and to end.
const grace = 40 * time.Second

// Last kills all executors while a query runs. The query must fail with class
// CLUSTER_FAILED within the grace; Last returns what it failed with, and how long
// that took.
func Last(ctx context.Context, o Options) (failure error, took time.Duration, err error) {
	err = play(ctx, o, func(x *scene) error {
		if x.c.renews() {
			return diag.New(diag.InvalidArgument, "executors of a standalone cluster are replaced: there is no last one")
		}
		return x.session(ctx, func(s *millrace.Session, w *watch) error {
			killed := make(chan time.Time, 1)
			var once atomic.Bool
			w.listen(func(p millrace.Progress) {
				if p.Tasks > 0 && !p.Ended && once.CompareAndSwap(false, true) {
					for _, pid := range x.c.executors() {
						_ = kill(pid) // whether that worked is seen below
					}
					killed <- time.Now()
				}
			})
			ctx, cancel := context.WithTimeout(ctx, grace+time.Minute)
			defer cancel()
			_, _, failure = rows(ctx, s, o.Queries[0])
			ended := time.Now()
			if !once.Load() || len(x.c.executors()) > 0 {
				return fmt.Errorf("executors %v are left", x.c.executors())
			}
			took = ended.Sub(<-killed)
			if diag.ClassOf(failure) != diag.ClusterFailed || took > grace {
				return fmt.Errorf("the query ended after %s with %w", took, failure)
			}
			return nil
		})
	})
	return failure, took, err
}
