package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-engine/millrace"
)

// A slowed process runs for a tenth of each period.
const (
	slowRuns  = 4 * time.Millisecond
	slowStops = 36 * time.Millisecond
)

// slowed lets a process run a tenth of the time, until it is released.
func slowed(pid int) (release func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with release
		defer close(done)
		for {
			resume, err := stop(pid)
			if err != nil {
				return // it has ended
			}
			over := !sleep(context.Background(), slowStops, quit)
			resume()
			if over || !sleep(context.Background(), slowRuns, quit) {
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// Straggler runs each query with all executors as they are, with one of them slowed
// ten times and speculation on, and the same without speculation, runs times each; and
// looks for what attempts leave behind that others were faster than.
func Straggler(ctx context.Context, o Options, runs int, most float64) (c *Comparison, err error) {
	c = newComparison("one of four executors slowed ten times, with speculation", o, most)
	err = play(ctx, o, func(x *scene) error {
		for _, q := range o.Queries {
			r := Row{Query: fmt.Sprintf("q%02d", q)}
			var want []string
			for _, play := range []struct {
				slow        bool
				speculation string
				seconds     *float64
			}{{false, "true", &r.Plain}, {true, "true", &r.Disturbed}, {true, "false", &r.Without}} {
				err := x.session(ctx, func(s *millrace.Session, _ *watch) error {
					first, _, err := rows(ctx, s, q) // warms up
					if err != nil {
						return err
					}
					if want == nil {
						want = first
					}
					if play.slow {
						defer slowed(x.c.executors()[0])()
					}
					var all []time.Duration
					for range runs {
						got, took, err := rows(ctx, s, q)
						if err != nil {
							return err
						}
						if !slices.Equal(got, want) {
							r.Wrong = "the rows differ"
						}
						all = append(all, took)
					}
					*play.seconds = median(all)
					return nil
				}, millrace.WithSetting("task.speculation", play.speculation))
				if err != nil {
					return err
				}
			}
			c.Rows = append(c.Rows, r)
			o.Say("%s: %.3f s, %.3f s with a straggler, %.3f s without speculation", r.Query, r.Plain, r.Disturbed, r.Without)
		}
		c.Left, err = x.leftover(ctx)
		return err
	})
	return c, err
}
