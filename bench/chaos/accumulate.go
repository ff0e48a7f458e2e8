package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/millrace-engine/millrace"
)

// Accumulated is what accumulators came to.
type Accumulated struct {
	Kills   int `json:"kills"`
	Queries int `json:"queries"`
	Wrong   int `json:"wrong"` // of them: not what was to be added
}

// Accumulate adds rows of a query up by accumulators, with speculation on, while
// executors are killed, until so many were.
func Accumulate(ctx context.Context, o Options) (a Accumulated, err error) {
	r := rand.New(rand.NewPCG(o.Seed, 2))
	err = play(ctx, o, func(x *scene) error {
		typical := 200 * time.Millisecond // what a query takes
		for a.Kills < o.Kills {
			err := x.session(ctx, func(s *millrace.Session, _ *watch) error {
				for i := 0; i < perSession && a.Kills < o.Kills && (x.c.renews() || len(x.c.executors()) > 1); i++ {
					took, err := x.accumulate(ctx, s, &a, r.Uint64(), time.Duration(r.Float64()*float64(typical)))
					if err != nil {
						return err
					}
					typical = (3*typical + min(took, 4*typical)) / 4
				}
				return nil
			}, millrace.WithSetting("task.speculation", "true"))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

// accumulate runs a query and kills an executor some time after its start. The rows
// are exchanged afterwards, so that tasks run again whose output is lost.
func (x *scene) accumulate(ctx context.Context, s *millrace.Session, a *Accumulated, choice uint64, after time.Duration) (took time.Duration, err error) {
	want, err := collect(ctx, s, "SELECT sum(l_orderkey), count(*) FROM lineitem")
	if err != nil {
		return 0, err
	}
	keys := s.LongAccumulator("keys")
	df, err := s.SQL(ctx, "SELECT * FROM lineitem")
	if err != nil {
		return 0, err
	}
	struck := make(chan int, 1)
	t := time.AfterFunc(after, func() {
		if pids := x.c.executors(); len(pids) > 0 && kill(pids[choice%uint64(len(pids))]) == nil {
			struck <- 1
		} else {
			struck <- 0
		}
	})
	start := time.Now()
	_, err = df.Accumulate(keys, "l_orderkey").GroupBy("l_partkey").Agg("sum(l_quantity) AS q").OrderBy("q DESC").Limit(10).Collect(ctx)
	took = time.Since(start)
	if !t.Stop() {
		a.Kills += <-struck
	}
	if err != nil {
		return took, err
	}
	a.Queries++
	if keys.Value() != want[0][0] || keys.Count() != want[0][1] {
		a.Wrong++
		x.Say("WRONG: %d of %d rows, expected %v of %v", keys.Value(), keys.Count(), want[0][0], want[0][1])
	}
	return took, nil
}
