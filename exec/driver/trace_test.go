package driver

import (
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

var (
	simSeed    = flag.Uint64("sim.seed", 0, "run this seed alone, and print what happens")
	simSeeds   = flag.Int("sim.seeds", 2000, "how many seeds to run")
	simWithout = flag.String("sim.without", "", "sorts of faults that do not strike, as kill,delay")
)

// faults names sorts of faults.
type faults map[string]bool

// sortsOfFaults are those that -sim.without can name.
var sortsOfFaults = []string{"kill", "crash", "damage", "delay", "twice", "jump", "transient", "user", "large", "drain", "unmoved"}

func (f faults) String() string { return strings.Join(slices.Sorted(maps.Keys(f)), ",") }

// trace is what happened in a simulation: its hash, and if asked for its lines.
type trace struct {
	hash    uint64
	events  int
	print   bool
	lines   []string
	failure string // the first property that did not hold
}

func (s *sim) log(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	h := fnv.New64a()
	fmt.Fprint(h, s.hash, s.now, line)
	s.hash = h.Sum64()
	s.events++
	if s.print {
		s.lines = append(s.lines, fmt.Sprintf("%12s %s", s.now, line))
	}
}

// fail notes that a property does not hold.
func (s *sim) fail(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if s.log("FAILURE: %s", line); s.failure == "" {
		s.failure = line
	}
	if s.t != nil && !s.bubble {
		s.t.Error(line)
	}
}

// simulate runs a seed.
func simulate(t *testing.T, seed uint64, without faults, print bool) (s *sim) {
	synctest.Test(t, func(t *testing.T) {
		s = newSim(t, seed, without)
		s.bubble, s.print = true, print
		s.run()
	})
	return s
}

// shortest looks for the shortest trace that fails as a seed does, without sorts of
// faults that it does not need and among seeds that come after it.
func shortest(t *testing.T, seed uint64) *sim {
	without := faults{}
	for _, f := range sortsOfFaults {
		less := maps.Clone(without)
		if less[f] = true; simulate(t, seed, less, false).failure != "" {
			without = less
		}
	}
	best := simulate(t, seed, without, true)
	for next := seed + 1; next < seed+300; next++ {
		if x := simulate(t, next, without, true); x.failure != "" && x.events < best.events {
			best = x
		}
	}
	return best
}

// TestSimulation runs seeds, and some of them twice: the same events follow. Of a
// seed that fails it prints the shortest trace that it finds.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		without := faults{}
		for _, f := range strings.FieldsFunc(*simWithout, func(r rune) bool { return r == ',' }) {
			without[f] = true
		}
		s := simulate(t, *simSeed, without, true)
		t.Logf("\n%s", strings.Join(s.lines, "\n"))
		if s.failure != "" {
			t.Error(s.failure)
		}
		return
	}
	total, parts := tally{}, runtime.GOMAXPROCS(0)
	var mu sync.Mutex
	t.Run("seeds", func(t *testing.T) {
		for part := range parts {
			t.Run(strconv.Itoa(part), func(t *testing.T) {
				t.Parallel()
				for seed := uint64(part + 1); seed <= uint64(*simSeeds) && !t.Failed(); seed += uint64(parts) {
					some := once(t, seed)
					mu.Lock()
					total.add(some)
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d seeds: %+v", *simSeeds, total)
	if total.missing() {
		t.Errorf("a fault never struck: %+v", total)
	}
}

// once runs a seed, a few of them twice.
func once(t *testing.T, seed uint64) tally {
	s := simulate(t, seed, nil, false)
	if s.failure != "" {
		x := shortest(t, seed)
		t.Fatalf("seed %d: %s\nshortest trace (-sim.seed=%d -sim.without=%s):\n%s", seed, s.failure, x.seed, x.without, strings.Join(x.lines, "\n"))
	}
	if seed%50 < 2 {
		if again := simulate(t, seed, nil, false); again.hash != s.hash || again.events != s.events {
			t.Fatalf("seed %d: %d events, then %d others", seed, s.events, again.events)
		}
	}
	return s.tally
}

// missing reports whether something never happened.
func (a *tally) missing() bool {
	return slices.Contains([]int{a.ok, a.failed, a.lost, a.fetch, a.stale, a.transient, a.late, a.rollbacks, a.parked, a.given, a.hurried, a.waited, a.near,
		a.twice, a.discarded, a.jumps, a.damaged, a.crashed, a.delayed, a.waiting, a.refused, a.over, a.replanned, a.inserted, a.dropped, a.unneeded,
		a.parted, a.drained, a.moved, a.unmoved, a.grown, a.shrunk}, 0)
}
