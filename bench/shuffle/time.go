package shuffle

import (
	"context"
	"slices"
	"syscall"
	"time"
)

// rounds is how often a figure is measured; the best counts: what else the
// machine does can only make it worse.
const rounds = 5

// speed returns the bytes per µs (MB/s) that f moves in its best round; f is
// called until a round is over and returns the bytes of a call.
func speed(ctx context.Context, round time.Duration, f func() (int64, error)) (float64, error) {
	best := 0.0
	for range rounds {
		n, start := int64(0), time.Now()
		for time.Since(start) < round/rounds || n == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			k, err := f()
			if err != nil {
				return 0, err
			}
			n += k
		}
		best = max(best, float64(n)/float64(time.Since(start).Nanoseconds())*1000)
	}
	return best, nil
}

// core is speed by the processor time of the process instead of the clock: what
// one core does, the collector's part included, however busy the others are.
func core(ctx context.Context, round time.Duration, f func() (int64, error)) (float64, error) {
	best := 0.0
	for range rounds {
		n, start := int64(0), processor()
		for processor()-start < round.Nanoseconds()/rounds || n == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			k, err := f()
			if err != nil {
				return 0, err
			}
			n += k
		}
		best = max(best, float64(n)/float64(max(1, processor()-start))*1000)
	}
	return best, nil
}

// both measures two things on one core by turns, so that what else the machine
// does meets both.
func both(ctx context.Context, round time.Duration, f, g func() (int64, error)) (x, y float64, err error) {
	for range 3 {
		a, err := core(ctx, round/3, f)
		if err != nil {
			return 0, 0, err
		}
		b, err := core(ctx, round/3, g)
		if err != nil {
			return 0, 0, err
		}
		x, y = max(x, a), max(y, b)
	}
	return x, y, nil
}

// processor returns the processor time of this process in nanoseconds.
func processor() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// percentile returns the p-th percentile of durations in µs.
func percentile(all []time.Duration, p float64) float64 {
	slices.Sort(all)
	return float64(all[min(len(all)-1, int(float64(len(all))*p/100))].Nanoseconds()) / 1000
}
