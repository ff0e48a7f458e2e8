package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// story runs events against a state and writes down what it decides.
type story struct {
	t   *testing.T
	s   *State
	now time.Duration
}

func (st *story) step(e Event) string {
	e.Now = st.now
	var out []string
	for _, a := range st.s.Step(e) {
		switch b := a.Body.(type) {
		case nil:
			out = append(out, "save")
		case standalone.PlacedBody:
			out = append(out, fmt.Sprintf("%s: place %d on %s", a.App, b.N, b.Worker))
		case standalone.GoneBody:
			out = append(out, fmt.Sprintf("%s: gone %d (%s)", a.App, b.N, b.Reason))
		case standalone.ReasonBody:
			out = append(out, fmt.Sprintf("%s: %s", a.App, b.Reason))
		case standalone.StartExecutorBody:
			out = append(out, fmt.Sprintf("%s: start %s.%d", a.Worker, b.ID.App, b.ID.N))
		case standalone.StopExecutorBody:
			out = append(out, fmt.Sprintf("%s: stop %s.%d", a.Worker, b.ID.App, b.ID.N))
		case standalone.StartDriverBody:
			out = append(out, fmt.Sprintf("%s: start %s", a.Worker, b.ID))
		case standalone.DriverBody:
			out = append(out, fmt.Sprintf("%s: %d %s", a.Worker, a.Kind-standalone.EndDriver, b.ID)) // 0 end, 1 noted
		default:
			st.t.Fatalf("an action %T", a.Body)
		}
	}
	return strings.Join(out, "; ")
}

func (st *story) is(what string, e Event, want string) {
	st.t.Helper()
	if got := st.step(e); got != want {
		st.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func joins(id string, cores int, memory int64) Event {
	return Event{Join: &Join{id, standalone.JoinBody{Size: standalone.Size{Cores: cores, Memory: memory}}}}
}

func registers(id string, executors, cores int, memory int64) Event {
	return Event{Register: &standalone.RegisterBody{App: id, Name: id, Executors: executors, Size: standalone.Size{Cores: cores, Memory: memory}}}
}

func ends(worker, app string, n int, why string) Event {
	return Event{Ended: &Ended{worker, standalone.ExecutorEndedBody{ID: standalone.ExecutorID{App: app, N: n}, Reason: why}}}
}

func isUp(app string, n int) Event { return Event{Up: &standalone.ExecutorID{App: app, N: n}} }

func spec(app string, n int) Event {
	return Event{Spec: &Answer{app, standalone.SpecBody{N: n}}}
}

// TestLife: an application gets executors spread over the workers, one that ends
// is replaced by another of a new number, and all are ended when it leaves.
func TestLife(t *testing.T) {
	st := &story{t: t, s: New(Spread, nil)}
	st.is("nobody is there", registers("a", 3, 1, 10), "a: the cluster has no workers")
	st.is("a worker", joins("w1", 2, 100), "a: place 0 on w1; a: place 1 on w1; a: the workers are busy: none has 1 core and 0MiB left")
	st.is("another", joins("w2", 2, 100), "a: place 2 on w2")
	st.is("answer", spec("a", 0), "w1: start a.0")
	st.is("answer twice", spec("a", 0), "")
	st.is("up", isUp("a", 0), "")
	st.is("it ends", ends("w1", "a", 0, "killed"), "a: gone 0 (killed); a: place 3 on w1")
	st.is("it ends twice", ends("w1", "a", 0, "killed"), "")
	st.is("another worker says so", ends("w2", "a", 3, "lie"), "")
	st.is("answer", spec("a", 2), "w2: start a.2")
	st.is("the driver has lost it", Event{Down: &standalone.ExecutorID{App: "a", N: 2}}, "w2: stop a.2; a: place 4 on w2")
	st.is("leaves", Event{Left: &Left{"a", true}}, "")
	st.is("the last is gone", ends("w2", "a", 2, ""), "")
	if len(st.s.apps) != 0 {
		t.Errorf("applications %v", st.s.apps)
	}
}

// TestPack: the fullest worker with room comes first.
func TestPack(t *testing.T) {
	st := &story{t: t, s: New(Pack, nil)}
	st.step(joins("w1", 4, 100))
	st.step(joins("w2", 3, 100))
	st.is("packed", registers("a", 4, 1, 10), "a: place 0 on w2; a: place 1 on w2; a: place 2 on w2; a: place 3 on w1")
}

// TestFIFO: an application that could have executors if the cluster were idle is not
// overtaken while it has none; one that never could does not hold others up.
func TestFIFO(t *testing.T) {
	st := &story{t: t, s: New(Spread, nil)}
	st.step(joins("w1", 4, 100))
	st.is("one takes most", registers("a", 3, 1, 10), "a: place 0 on w1; a: place 1 on w1; a: place 2 on w1")
	st.is("impossible", registers("b", 1, 8, 10), "b: no worker has 8 cores and 0MiB for an executor")
	st.is("large", registers("c", 1, 4, 10), "c: the workers are busy: none has 4 cores and 0MiB left")
	st.is("small", registers("d", 1, 1, 10), "d: the application c (c) came first, and waits for executors")
	st.is("the first leaves", Event{Left: &Left{"a", true}}, "c: place 0 on w1; d: the workers are busy: none has 1 core and 0MiB left")
}

// TestGivenUp: an application whose executors never get up is given up, with pauses
// between the attempts; a worker's loss is not its fault.
func TestGivenUp(t *testing.T) {
	st := &story{t: t, s: New(Spread, nil)}
	st.step(joins("w1", 1, 100))
	st.is("placed", registers("a", 1, 1, 10), "a: place 0 on w1")
	for n := range maxFailures - 1 {
		st.is("answer", spec("a", n), fmt.Sprintf("w1: start a.%d", n))
		st.is("ends", ends("w1", "a", n, "no"), fmt.Sprintf("a: gone %d (no); a: executors do not start: no", n))
		st.now += maxBackoff
		st.is("again", Event{}, fmt.Sprintf("a: place %d on w1", n+1))
	}
	st.step(spec("a", 9))
	st.is("once too often", ends("w1", "a", 9, "no"), "a: gone 9 (no); a: 10 executors in a row did not start; the last: no")
}

// TestAway: a worker or application that comes back in time keeps its executors;
// else they are replaced, or ended.
func TestAway(t *testing.T) {
	st := &story{t: t, s: New(Spread, nil)}
	st.step(joins("w1", 1, 100))
	st.step(registers("a", 1, 1, 10))
	st.step(spec("a", 0))
	st.step(isUp("a", 0))
	st.is("a cut", Event{Lost: &Lost{Worker: "w1"}}, "")
	st.now += WorkerGrace - 1
	back := joins("w1", 1, 100)
	back.Join.Body.Executors = []standalone.Running{{ID: standalone.ExecutorID{App: "a"}, Size: standalone.Size{Cores: 1, Memory: 10}}}
	st.is("back in time", back, "")
	st.is("a cut", Event{Lost: &Lost{Worker: "w1"}}, "")
	st.now += WorkerGrace
	st.is("too long", Event{}, "a: gone 0 (the worker w1 on  was lost); a: the cluster has no workers")
	st.is("too late", back, "w1: stop a.0; a: the workers are busy: none has 1 core and 0MiB left")
	st.is("it has ended", ends("w1", "a", 0, ""), "a: place 1 on w1")
	st.step(spec("a", 1))
	st.is("the driver is cut off", Event{Left: &Left{"a", false}}, "")
	st.now += AppGrace
	st.is("and does not come back", Event{}, "w1: stop a.1")
}

// TestNewMaster: a master that begins again learns from workers and applications
// what there is, and places nothing twice.
func TestNewMaster(t *testing.T) {
	st := &story{t: t, s: New(Spread, []Driver{{ID: "d1", State: standalone.DriverRunning, Worker: "w1"}, {ID: "d2", State: standalone.DriverWaiting}, {ID: "d3", State: standalone.DriverRunning, Worker: "w2"}})}
	app := registers("a", 2, 1, 10)
	app.Register.Next, app.Register.Have = 7, []standalone.Held{{N: 5, Worker: "w1"}, {N: 6, Worker: "w2"}}
	st.is("the application comes first", app, "")
	w1 := joins("w1", 2, 100)
	w1.Join.Body.Executors = []standalone.Running{{ID: standalone.ExecutorID{App: "a", N: 5}, Size: standalone.Size{Cores: 1, Memory: 10}}, {ID: standalone.ExecutorID{App: "b", N: 1}, Size: standalone.Size{Cores: 1, Memory: 10}}}
	w1.Join.Body.Drivers = []standalone.DriverReport{{ID: "d1"}, {ID: "d9", Ended: true}, {ID: "d8"}}
	st.is("a worker", w1, "w1: 1 d9; w1: 0 d8; save; w1: start d2")
	st.is("another, without its executor and driver", joins("w2", 2, 100), "a: gone 6 (it had ended when its worker came back); save; a: place 7 on w2")
	st.now += AppGrace
	st.is("an application that does not come back", Event{}, "w1: stop b.1")
	if d := st.s.driver("d3"); d.State != standalone.DriverFailed {
		t.Errorf("d3 is %s", d.State)
	}
}

// TestDrivers: drivers wait for memory in turn, and are stopped on request.
func TestDrivers(t *testing.T) {
	st := &story{t: t, s: New(Spread, nil)}
	submit := func(id string, memory int64) Event {
		return Event{Submit: &Driver{ID: id, Spec: standalone.DriverSpec{Memory: memory}}}
	}
	st.step(joins("w1", 1, 100))
	st.is("one", submit("d1", 60), "save; save; w1: start d1")
	st.is("too large for now", submit("d2", 60), "save")
	st.is("not overtaken", submit("d3", 10), "save")
	st.is("ends", Event{Driver: &DriverSaid{"w1", standalone.DriverReport{ID: "d1", Ended: true, Output: "x"}}}, "save; w1: 1 d1; save; w1: start d2; save; w1: start d3")
	id := "d2"
	st.is("stop", Event{Stop: &id}, "w1: 0 d2")
	st.is("stopped", Event{Driver: &DriverSaid{"w1", standalone.DriverReport{ID: "d2", Ended: true, Failed: true}}}, "save; w1: 1 d2")
	st.is("its worker is lost", Event{Lost: &Lost{"w1", true}}, "save")
	var got []string
	for _, d := range st.s.Report().Drivers {
		got = append(got, d.ID+" "+d.State+d.Output)
	}
	if want := "d1 finishedx, d2 stopped, d3 failed"; strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestOutlives: drivers are on disk, and come from there.
func TestOutlives(t *testing.T) {
	dir := t.TempDir()
	s, drivers, err := openStore(dir, nil)
	if err != nil || len(drivers) != 0 {
		t.Fatalf("%v, %v", drivers, err)
	}
	if err := s.save([]Driver{{ID: "d1", Spec: standalone.DriverSpec{SQL: "SELECT 1"}, State: standalone.DriverWaiting}}); err != nil {
		t.Fatal(err)
	}
	if _, drivers, err = openStore(dir, nil); err != nil || len(drivers) != 1 || drivers[0].Spec.SQL != "SELECT 1" {
		t.Errorf("%+v, %v", drivers, err)
	}
}

// TestNeverUp: an executor that a new master hears of counts as one only when its
// driver has it, whoever comes back first.
func TestNeverUp(t *testing.T) {
	for _, reached := range []bool{false, true} {
		for _, first := range []string{"worker", "application"} {
			st := &story{t: t, s: New(Spread, nil)}
			worker := joins("w1", 1, 100)
			worker.Join.Body.Executors = []standalone.Running{{ID: standalone.ExecutorID{App: "a", N: 5}, Size: standalone.Size{Cores: 1, Memory: 10}}}
			app := registers("a", 1, 1, 10)
			app.Register.Next, app.Register.Have = 6, []standalone.Held{{N: 5, Worker: "w1"}}
			if first == "worker" {
				st.step(worker)
			}
			st.step(app)
			if reached {
				st.step(isUp("a", 5))
			}
			if first == "application" {
				st.step(worker)
			}
			st.now += starting
			if got := st.step(Event{}); strings.Contains(got, "w1: stop a.5") == reached {
				t.Errorf("reached %v, the %s first: %q", reached, first, got)
			}
		}
	}
}
