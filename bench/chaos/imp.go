package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// fault is one that is to strike.
type fault struct {
	kind  Kind
	after time.Duration // of the query's start
	lasts time.Duration // of those that end: stop, sever and fill
	all   bool          // cut: all connections; kill: half of the executors; sever: for good
	seed  uint64        // of what it chooses
}

// imp strikes faults while a query runs.
type imp struct {
	c      *cluster
	v      variant
	struck atomic.Int64 // during this query
	filled atomic.Bool  // a disk was full during it
	counts func(k Kind, n int, err error)
}

// patience is how long an executor that is stopped counts as one that goes on.
const patience = 8 * time.Second

// plan draws the faults of a query that takes about so long, by the kinds that a
// run allows and a variant has something to strike for.
func plan(r *rand.Rand, kinds []Kind, v variant, took time.Duration) (out []fault) {
	for _, k := range kinds {
		odds := 0.0
		switch {
		case k == Kill:
			odds = 0.7
		case k == Stop:
			odds = 0.12
		case k == Cut && v != quic:
			odds = 0.25
		case k == Sever && v == quic:
			odds = 0.5
		case k == Damage && (v == kept || v == lean):
			odds = 0.5
		case k == Fill && (v == kept || v == lean):
			odds = 0.25
		}
		draw, f := r.Float64(), fault{kind: k, seed: r.Uint64(), all: r.IntN(4) == 0}
		f.after = time.Duration(r.Float64() * float64(took))
		f.lasts = time.Duration(20+r.IntN(800)) * time.Millisecond
		if k == Stop && r.IntN(8) == 0 { // longer than the driver waits
			f.lasts = time.Duration(11+r.IntN(4)) * time.Second
		}
		if k == Sever && f.all { // longer than anybody waits for a sign of life
			f.lasts = silence
		}
		if draw < odds {
			out = append(out, f)
		}
	}
	return out
}

// run strikes faults, each at its time, and ends those that end, when their time
// has come or ended is closed. Those that come when the query is over strike what is
// idle.
func (i *imp) run(ctx context.Context, faults []fault, ended <-chan struct{}) {
	var undo []func()
	defer func() {
		for _, u := range undo {
			u()
		}
	}()
	start := time.Now()
	for _, f := range faults {
		if !sleep(ctx, f.after-time.Since(start), ended) && (f.kind == Sever || f.kind == Damage || f.kind == Fill) {
			continue
		}
		u, n, err := i.strike(ctx, f, start, ended)
		i.counts(f.kind, n, err)
		i.struck.Add(int64(n))
		if u != nil {
			undo = append(undo, u)
			sleep(ctx, f.lasts, ended)
			u()
		}
	}
}

// sleep waits for d; it is false if the query ended meanwhile.
func sleep(ctx context.Context, d time.Duration, ended <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ended:
	case <-ctx.Done():
	}
	return false
}

// strike returns how many faults there were, and what ends them.
func (i *imp) strike(ctx context.Context, f fault, since time.Time, ended <-chan struct{}) (undo func(), n int, err error) {
	r := rand.New(rand.NewPCG(f.seed, 1))
	pids := i.c.executors()
	r.Shuffle(len(pids), func(a, b int) { pids[a], pids[b] = pids[b], pids[a] })
	spare := 1 // who goes on where nobody is replaced
	if i.c.renews() {
		spare = 0
	}
	if len(pids) == 0 {
		return nil, 0, errMissed
	}
	switch f.kind {
	case Kill:
		victims := pids[:min(1, max(0, len(pids)-spare))]
		if f.all && len(pids) > 3 {
			victims = pids[:2]
		}
		for _, pid := range victims {
			if err := kill(pid); err != nil {
				return nil, n, err
			}
			n++
		}
		if n == 0 {
			err = errMissed
		}
		return nil, n, err
	case Stop:
		if len(pids) <= spare {
			return nil, 0, errMissed
		}
		undo, err = stop(pids[0])
		if err == nil && f.lasts > patience {
			i.c.given[pids[0]] = true
		}
	case Cut:
		if len(pids) <= spare {
			return nil, 0, errMissed
		}
		if _, err = cut(pids[0], f.all, r); err == nil && !i.c.renews() {
			i.c.given[pids[0]] = true // one of them may have been to the driver
		}
	case Sever:
		if len(pids) <= spare {
			return nil, 0, errMissed
		}
		undo, err = sever(pids[0], append(slices.Clone(pids[1:]), os.Getpid()))
		if err == nil && f.lasts > patience {
			i.c.given[pids[0]] = true
		}
	case Damage:
		err = i.again(ctx, ended, func() error {
			if i.v == kept {
				return damageKept(i.c.keep(), since, r)
			}
			return damageSpill(pids, r)
		})
	case Fill:
		if i.c.nodisk != nil {
			return nil, 0, errMissed
		}
		i.filled.Store(true)
		undo, err = i.disk(r).fill()
	}
	if err != nil {
		return undo, 0, err
	}
	return undo, 1, nil
}

// disk is one that executors of the variant write to.
func (i *imp) disk(r *rand.Rand) *disk {
	var out []*disk
	for _, d := range i.c.disks {
		shared := filepath.Base(d.dir) == "data" // kept output, and what local executors spill
		if shared == (i.v == kept || i.c.token == "") {
			out = append(out, d)
		}
	}
	return out[r.IntN(len(out))]
}

// again tries until there is something to strike, or the query is over.
func (i *imp) again(ctx context.Context, ended <-chan struct{}, strike func() error) error {
	for {
		err := strike()
		if !errors.Is(err, errMissed) || !sleep(ctx, 2*time.Millisecond, ended) {
			return err
		}
	}
}
