package standalone_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/master"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/transport/message"
)

// world is a cluster under simulation: the decisions are the real ones, streams,
// processes, time and faults come out of a seed.
type world struct {
	t       *testing.T
	r       *rand.Rand
	seed    uint64
	now     time.Duration
	began   time.Duration // of the master
	master  *master.State // nil while it is dead
	disk    []master.Driver
	workers []*simWorker
	apps    []*simApp
	drivers map[string]bool // accepted
	spawned map[worker.Key]bool
	trace   []string
	faults  map[string]int
}

type packet struct {
	kind message.Kind
	body any
}

// link is a stream to the master, with what is on its way.
type link struct {
	there      bool
	up, down   []packet
	registered bool // the master has taken the first message in
}

func (l *link) cut() { *l = link{} }

type simWorker struct {
	link
	id    string
	size  standalone.Size
	alive bool
	state *worker.State
	procs map[worker.Key]*proc
}

type proc struct {
	size  standalone.Size
	stuck bool
	asked bool
	up    bool
}

type simApp struct {
	link
	id    string
	want  int
	size  standalone.Size
	alive bool
	next  int
	held  map[int]string
	ups   map[int]bool
	ended bool // given up by the master
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), seed: seed, drivers: map[string]bool{}, spawned: map[worker.Key]bool{}, faults: map[string]int{}}
	w.startMaster()
	for i := range 1 + w.r.IntN(4) {
		x := &simWorker{id: fmt.Sprint("w", i), size: standalone.Size{Cores: 1 + w.r.IntN(8), Memory: int64(1+w.r.IntN(8)) << 30}}
		w.workers = append(w.workers, x)
		w.startWorker(x)
	}
	return w
}

func (w *world) logf(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8s ", w.now)+fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	for _, l := range w.trace[max(0, len(w.trace)-120):] {
		w.t.Log(l)
	}
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

func (w *world) startMaster() {
	p := master.Spread
	if w.r.IntN(2) == 0 {
		p = master.Pack
	}
	w.master, w.began = master.New(p, w.disk), w.now
}

func (w *world) startWorker(x *simWorker) {
	x.alive, x.state, x.procs = true, worker.New(x.size), map[worker.Key]*proc{}
}

// masterStep gives the master an event and sends what it decides.
func (w *world) masterStep(e master.Event) {
	if w.master == nil {
		return
	}
	e.Now = w.now - w.began
	for _, a := range w.master.Step(e) {
		if a.Save {
			w.disk = w.master.Drivers()
			continue
		}
		for _, x := range w.workers {
			if a.Worker == x.id && x.registered {
				x.down = append(x.down, packet{a.Kind, a.Body})
			}
		}
		for _, x := range w.apps {
			if a.App == x.id && x.registered {
				x.down = append(x.down, packet{a.Kind, a.Body})
			}
		}
	}
}

// workerStep gives a worker an event and does what it decides.
func (w *world) workerStep(x *simWorker, e worker.Event) {
	if !x.alive { // it has left
		return
	}
	e.Now = w.now
	for _, a := range x.state.Step(e) {
		switch {
		case a.SpawnExecutor != nil:
			w.spawn(x, worker.Key{Executor: a.SpawnExecutor.ID}, a.SpawnExecutor.Size)
		case a.SpawnDriver != nil:
			w.spawn(x, worker.Key{Driver: a.SpawnDriver.ID}, standalone.Size{Memory: a.SpawnDriver.Spec.Memory})
		case a.Ask != nil:
			if p := x.procs[*a.Ask]; p != nil {
				p.asked = true
			}
		case a.Kill != nil:
			w.exit(x, *a.Kill, "killed")
		case a.Report != nil:
			if b, ok := a.Report.Body.(standalone.ExecutorEndedBody); ok && (strings.HasPrefix(b.Reason, "the worker") || b.Reason == "it is ending") {
				w.failf("%s was told to run what it cannot: %s", x.id, b.Reason)
			}
			if x.there {
				x.up = append(x.up, packet{a.Report.Kind, a.Report.Body})
			}
		case a.Done: // it was drained
			if len(x.procs) > 0 {
				w.failf("%s ends, and runs %v", x.id, keys(x))
			}
			w.logf("%s ends", x.id)
			w.leaves(x, true)
			return
		}
	}
}

// leaves ends a worker.
func (w *world) leaves(x *simWorker, done bool) {
	registered := x.registered
	x.cut()
	x.alive, x.procs, x.state = false, nil, nil
	if registered {
		w.masterStep(master.Event{Lost: &master.Lost{Worker: x.id, Done: done}})
	}
}

func (w *world) spawn(x *simWorker, k worker.Key, size standalone.Size) {
	w.logf("%s spawns %v", x.id, k)
	if w.spawned[k] {
		w.failf("%v was started twice", k)
	}
	w.spawned[k] = true
	x.procs[k] = &proc{size: size}
	free := x.size
	for _, p := range x.procs {
		free = free.Plus(-1, p.size)
	}
	if free.Cores < 0 || free.Memory < 0 {
		w.failf("%s runs more than it has: %v", x.id, free)
	}
}

func (w *world) exit(x *simWorker, k worker.Key, reason string) {
	if _, ok := x.procs[k]; !ok {
		return
	}
	delete(x.procs, k)
	w.logf("%v on %s ends: %s", k, x.id, reason)
	w.workerStep(x, worker.Event{Exited: &worker.Exited{Key: k, Failed: reason != "", Reason: reason}})
}

func (w *world) app(id string) *simApp {
	for _, a := range w.apps {
		if a.id == id && a.alive {
			return a
		}
	}
	return nil
}

// keys are the processes of a worker in a fixed order.
func keys(x *simWorker) []worker.Key {
	return slices.SortedFunc(maps.Keys(x.procs), func(a, b worker.Key) int {
		return slices.Compare([]string{a.Driver, a.Executor.App, fmt.Sprintf("%9d", a.Executor.N)}, []string{b.Driver, b.Executor.App, fmt.Sprintf("%9d", b.Executor.N)})
	})
}

// live lets processes do what they do by themselves.
func (w *world) live(x *simWorker) {
	for _, k := range keys(x) {
		p := x.procs[k]
		switch a := w.app(k.Executor.App); {
		case p == nil: // killed meanwhile
		case p.stuck && p.up && a != nil && w.r.IntN(5) == 0: // its driver does not hear of it
			if a.ups[k.Executor.N] {
				delete(a.ups, k.Executor.N)
				delete(a.held, k.Executor.N)
				if a.there {
					a.up = append(a.up, packet{standalone.Down, standalone.UpBody{N: k.Executor.N}})
				}
			}
		case p.stuck:
		case p.asked:
			w.exit(x, k, "")
		case k.Driver != "":
			if w.r.IntN(60) == 0 {
				w.exit(x, k, "")
			}
		case a == nil: // it has lost its driver
			w.exit(x, k, "the driver is gone")
		case !p.up && w.r.IntN(3) == 0:
			p.up = true
			a.ups[k.Executor.N] = true
			if a.there {
				a.up = append(a.up, packet{standalone.Up, standalone.UpBody{N: k.Executor.N}})
			}
		}
	}
}

// connect has workers and applications come to the master, or back.
func (w *world) connect() {
	if w.master == nil {
		return
	}
	for _, x := range w.workers {
		if x.alive && !x.there && w.r.IntN(3) == 0 {
			x.there, x.up = true, append(x.up, packet{standalone.Join, x.state.Running()})
		}
	}
	for _, a := range w.apps {
		if a.alive && !a.there && !a.ended && w.r.IntN(3) == 0 {
			b := standalone.RegisterBody{App: a.id, Name: a.id, Executors: a.want, Size: a.size, Next: a.next}
			a.there, a.up = true, nil
			for _, n := range slices.Sorted(maps.Keys(a.held)) {
				b.Have = append(b.Have, standalone.Held{N: n, Worker: a.held[n]})
			}
			a.up = append(a.up, packet{standalone.Register, b})
			for _, n := range slices.Sorted(maps.Keys(a.ups)) {
				a.up = append(a.up, packet{standalone.Up, standalone.UpBody{N: n}})
			}
		}
	}
}

// deliver hands over some of what is on its way.
func (w *world) deliver() {
	for _, x := range w.workers {
		for n := w.r.IntN(4); n > 0 && len(x.up) > 0 && w.master != nil; n-- {
			p := x.up[0]
			x.up = x.up[1:]
			switch b := p.body.(type) {
			case standalone.JoinBody:
				if w.master.Refuses(x.id, "") != "" {
					x.cut()
					break
				}
				x.registered = true
				w.masterStep(master.Event{Join: &master.Join{Worker: x.id, Body: b}})
			case standalone.ExecutorEndedBody:
				w.masterStep(master.Event{Ended: &master.Ended{Worker: x.id, Body: b}})
			case standalone.DriverReport:
				w.masterStep(master.Event{Driver: &master.DriverSaid{Worker: x.id, Report: b}})
			}
		}
		for n := w.r.IntN(4); n > 0 && len(x.down) > 0; n-- { // none once it has left
			p := x.down[0]
			x.down = x.down[1:]
			w.logf("%s gets %d %+v", x.id, p.kind, p.body)
			switch b := p.body.(type) {
			case standalone.StartExecutorBody:
				w.workerStep(x, worker.Event{StartExecutor: &b})
			case standalone.StopExecutorBody:
				w.workerStep(x, worker.Event{StopExecutor: &b.ID})
			case standalone.StartDriverBody:
				w.workerStep(x, worker.Event{StartDriver: &b})
			case struct{}:
				w.workerStep(x, worker.Event{Drain: true})
			case standalone.DriverBody:
				if p.kind == standalone.NotedDriver {
					w.workerStep(x, worker.Event{Noted: &b.ID})
				} else {
					w.workerStep(x, worker.Event{EndDriver: &b.ID})
				}
			}
		}
	}
	for _, a := range w.apps {
		for n := w.r.IntN(4); n > 0 && len(a.up) > 0 && w.master != nil; n-- {
			p := a.up[0]
			a.up = a.up[1:]
			switch b := p.body.(type) {
			case standalone.RegisterBody:
				if w.master.Refuses("", a.id) != "" {
					a.cut()
					break
				}
				a.registered = true
				w.masterStep(master.Event{Register: &b})
			case standalone.SpecBody:
				w.masterStep(master.Event{Spec: &master.Answer{App: a.id, Body: b}})
			case standalone.WantBody:
				w.masterStep(master.Event{Want: &master.Want{App: a.id, Executors: b.Executors}})
			case standalone.UpBody:
				id := &standalone.ExecutorID{App: a.id, N: b.N}
				if p.kind == standalone.Up {
					w.masterStep(master.Event{Up: id})
				} else {
					w.masterStep(master.Event{Down: id})
				}
			}
		}
		for n := w.r.IntN(4); n > 0 && len(a.down) > 0; n-- {
			p := a.down[0]
			a.down = a.down[1:]
			switch b := p.body.(type) {
			case standalone.PlacedBody:
				a.next, a.held[b.N] = max(a.next, b.N+1), b.Worker
				a.up = append(a.up, packet{standalone.Spec, standalone.SpecBody{N: b.N}})
			case standalone.GoneBody:
				delete(a.held, b.N)
				delete(a.ups, b.N)
			case standalone.EmptyBody:
				w.empty(a, b.N)
			case standalone.ReasonBody:
				a.ended = p.kind == standalone.GivenUp
			}
		}
	}
}

// empty has an application give up an executor that is up.
func (w *world) empty(a *simApp, n int) {
	if !a.ups[n] {
		return
	}
	delete(a.ups, n)
	delete(a.held, n)
	if a.there {
		a.up = append(a.up, packet{standalone.Down, standalone.UpBody{N: n}})
	}
}

func (w *world) cutWorker(x *simWorker) {
	registered := x.registered
	x.cut()
	if registered {
		w.masterStep(master.Event{Lost: &master.Lost{Worker: x.id}})
	}
}

func (w *world) cutApp(a *simApp, done bool) {
	registered := a.registered
	a.cut()
	if registered {
		w.masterStep(master.Event{Left: &master.Left{App: a.id, Done: done}})
	}
}

// fault does something bad, or lets somebody come or go.
func (w *world) fault() {
	x := w.workers[w.r.IntN(len(w.workers))]
	var a *simApp
	if len(w.apps) > 0 {
		a = w.apps[w.r.IntN(len(w.apps))]
	}
	what := []string{"arrive", "submit", "executor", "stuck", "cut worker", "cut app", "kill worker", "kill master", "kill app", "leave", "stop driver", "drain", "want"}[w.r.IntN(13)]
	switch what {
	case "arrive":
		if len(w.apps) < 8 {
			w.apps = append(w.apps, &simApp{id: fmt.Sprint("a", len(w.apps)), want: 1 + w.r.IntN(5), size: standalone.Size{Cores: 1 + w.r.IntN(4), Memory: int64(1+w.r.IntN(4)) << 30},
				alive: true, held: map[int]string{}, ups: map[int]bool{}})
		}
	case "submit":
		if w.master != nil && len(w.drivers) < 5 {
			id := fmt.Sprint("d", len(w.drivers))
			w.drivers[id] = true
			w.masterStep(master.Event{Submit: &master.Driver{ID: id, Spec: standalone.DriverSpec{Memory: 1 << 30}}})
		}
	case "stop driver":
		id := fmt.Sprint("d", w.r.IntN(5))
		w.masterStep(master.Event{Stop: &id})
	case "drain":
		w.masterStep(master.Event{Drain: &x.id})
	case "want":
		if a != nil && a.alive {
			a.want = 1 + w.r.IntN(5)
			if a.there {
				a.up = append(a.up, packet{standalone.Want, standalone.WantBody{Executors: a.want}})
			}
			for _, n := range slices.Sorted(maps.Keys(a.ups)) {
				if len(a.ups) > a.want {
					w.empty(a, n)
				}
			}
		}
	case "executor", "stuck":
		if all := keys(x); len(all) > 0 && x.alive {
			k := all[w.r.IntN(len(all))]
			if what == "stuck" {
				x.procs[k].stuck = true
			} else {
				w.exit(x, k, "it was killed")
			}
		}
	case "cut worker":
		w.cutWorker(x)
	case "cut app":
		if a != nil {
			w.cutApp(a, false)
		}
	case "kill worker":
		if x.alive { // its processes end with it
			w.leaves(x, false)
		} else {
			w.startWorker(x)
		}
	case "kill master":
		if w.master == nil {
			w.startMaster()
			break
		}
		w.master = nil
		for _, x := range w.workers {
			x.cut()
		}
		for _, a := range w.apps {
			a.cut()
		}
	case "kill app", "leave":
		if a != nil && a.alive {
			a.alive = false
			w.cutApp(a, what == "leave")
		}
	}
	w.faults[what]++
	w.logf("fault: %s (%s)", what, x.id)
}

func (w *world) step(by time.Duration) {
	w.now += by
	w.connect()
	w.deliver()
	for _, x := range w.workers {
		if x.alive {
			w.live(x)
			w.workerStep(x, worker.Event{})
		}
	}
	w.masterStep(master.Event{})
}

// settle ends all faults and checks what is left. A worker that drains may have a driver
// that does not end.
func (w *world) settle() {
	if w.master == nil {
		w.startMaster()
	}
	for range 1200 {
		for _, x := range w.workers {
			if !x.alive { // one that was drained is started again, too
				w.startWorker(x)
			}
		}
		for _, a := range w.apps { // gives up what it has too much of
			for _, n := range slices.Sorted(maps.Keys(a.ups)) {
				if a.alive && len(a.ups) > a.want {
					w.empty(a, n)
				}
			}
		}
		w.step(250 * time.Millisecond)
	}
	report := w.master.Report()
	free, room := map[string]standalone.Size{}, map[string]standalone.Size{}
	for _, x := range report.Workers {
		free[x.ID] = x.Free
		if !x.Draining {
			room[x.ID] = x.Free
		}
	}
	for _, x := range w.workers {
		real := x.size
		for k, p := range x.procs {
			real = real.Plus(-1, p.size)
			if k.Driver == "" {
				if w.app(k.Executor.App) == nil {
					w.failf("%v of an application that is gone still runs", k)
				}
				if p.stuck {
					w.failf("%v, which does nothing, was not replaced", k)
				}
			}
		}
		if real != free[x.id] {
			w.failf("%s has %v left, the master believes %v", x.id, real, free[x.id])
		}
	}
	for _, a := range report.Apps {
		sim := w.app(a.ID)
		if sim == nil {
			w.failf("the master still knows %s, which is gone", a.ID)
		}
		if len(a.Executors) > a.Wanted {
			w.failf("%s has %d executors, and wanted %d", a.ID, len(a.Executors), a.Wanted)
		}
		if len(a.Executors) == a.Wanted {
			continue
		}
		for _, f := range room {
			if f.Fits(a.Size) && a.Waiting == "" {
				w.failf("%s lacks executors though there is room, and is not told why", a.ID)
			}
		}
	}
	for i, a := range report.Apps { // first come, first served
		for _, f := range room {
			blocked := slices.ContainsFunc(report.Apps[:i], func(b standalone.AppState) bool { return len(b.Executors) == 0 })
			if len(a.Executors) < a.Wanted && f.Fits(a.Size) && !blocked {
				w.failf("%s lacks executors though there is room: %+v", a.ID, a)
			}
		}
	}
	for _, a := range w.apps {
		if a.alive && !a.ended && !slices.ContainsFunc(report.Apps, func(s standalone.AppState) bool { return s.ID == a.id }) {
			w.failf("%s is not known to the master", a.id)
		}
	}
	known := map[string]standalone.DriverState{}
	for _, d := range report.Drivers {
		known[d.ID] = d
	}
	for id := range w.drivers {
		d, ok := known[id]
		if !ok {
			w.failf("the driver %s was accepted and is forgotten", id)
		}
		runs := 0
		for _, x := range w.workers {
			if p := x.procs[worker.Key{Driver: id}]; p != nil {
				runs++
			}
		}
		if (d.State == standalone.DriverRunning) != (runs == 1) {
			w.failf("the driver %s is %s, and %d processes run it", id, d.State, runs)
		}
	}
}

// TestSimulation kills, cuts and restarts everything in a cluster, by seeds. After
// that what runs is what the master believes, nobody lacks what there is room for,
// nothing of what is gone runs, and no driver is forgotten; at no time is a process
// started twice or a worker told to run more than it has. SIM_SEEDS is how many
// seeds, SIM_SEED one of them.
func TestSimulation(t *testing.T) {
	seeds, first := 200, uint64(1)
	if n, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		seeds = n
	}
	if n, err := strconv.ParseUint(os.Getenv("SIM_SEED"), 10, 64); err == nil {
		seeds, first = 1, n
	}
	faults := map[string]int{}
	for i := range seeds {
		w := newWorld(t, first+uint64(i))
		for range 150 {
			if w.r.IntN(3) == 0 {
				w.fault()
			}
			w.step(time.Duration(w.r.IntN(3000)) * time.Millisecond)
		}
		w.settle()
		for k, n := range w.faults {
			faults[k] += n
		}
	}
	if len(faults) != 13 && seeds > 10 {
		t.Errorf("not every fault happened: %v", faults)
	}
}
