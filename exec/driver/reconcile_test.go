package driver

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// reading runs a job whose second stage has a task per partition of the first's
// output, and reports what the test says. It returns the driver's
// simulation, the job, and a function that ends a task of the second stage.
func reading(t *testing.T, parts []shuffle.Part) (*sim, *job, func(task int, r shuffle.Read)) {
	s := newSim(t, 1, nil)
	leaf := &physical.Values{Out: columnar.NewSchema()}
	g := &stage.Graph{Result: 1, Stages: []*stage.Stage{
		{ID: 0, Root: leaf, Out: &stage.Output{Exchange: 1}},
		{ID: 1, Root: leaf, Inputs: []stage.Input{{Exchange: 1, Stage: 0}}},
	}}
	j := &job{id: 1, graph: g, done: make(chan struct{}), running: map[exec.TaskID]exec.ExecutorID{}, live: map[exec.StageID]int{}, ending: map[exec.StageID]bool{}, read: map[int]bool{},
		encoded: make([][]byte, 2), hashes: make([][32]byte, 2), least: make([]int64, 2), stats: make([]StageResult, 2), began: make([]time.Time, 2)}
	tasks := make([][]wire.LeafAssignment, len(parts))
	for p := range tasks {
		tasks[p] = []wire.LeafAssignment{{Part: stage.One(p)}}
	}
	j.tasks = [][][]wire.LeafAssignment{{nil}, tasks}
	s.alive["x"] = true
	s.deliver(cluster.Report{Added: &cluster.Executor{ID: "x", Slots: len(parts) + 1}})
	s.d.stream(j, 1<<20)
	s.jobs = append(s.jobs, j)
	s.d.submit(j)
	s.d.drain()
	report := func(r cluster.Report) {
		s.running = slices.DeleteFunc(s.running, func(a *attempt) bool { return a.id == r.Task })
		r.Executor = j.running[r.Task]
		s.deliver(r)
	}
	st := shuffle.NewMapStatus(0, 0, true, parts)
	st.Executor = "x"
	report(cluster.Report{Task: exec.TaskID{Job: 1}, Status: &st})
	attempts := map[int]int{}
	return s, j, func(task int, r shuffle.Read) {
		t.Helper()
		id := exec.TaskID{Job: 1, Stage: 1, Task: task, Attempt: attempts[task]}
		attempts[task]++
		if _, ok := j.running[id]; !ok {
			t.Fatalf("%s does not run", id)
		}
		report(cluster.Report{Task: id, Reads: []shuffle.Read{r}})
	}
}

// failed tells how the job ended, if it did: what was killed reports first.
func failed(s *sim, j *job) (error, bool) {
	for _, a := range slices.Clone(s.running) {
		if a.killed {
			s.running = slices.DeleteFunc(s.running, func(b *attempt) bool { return a == b })
			s.deliver(cluster.Report{Task: a.id, Executor: a.ex, Failure: &exec.Failure{Kind: exec.Killed}})
		}
	}
	select {
	case <-j.done:
		return j.err, true
	default:
		return nil, false
	}
}

// A task that read something else than the outputs hold is tried again; when that
// does not help, the job fails by the class of such failures. In another epoch it is
// not known what should have been read.
func TestReconcile(t *testing.T) {
	parts := []shuffle.Part{{Sum: shuffle.Sum{Rows: 3, Hash: 30}}, {Sum: shuffle.Sum{Rows: 5, Hash: 50}}}
	good := func(p int) shuffle.Read {
		return shuffle.Read{Exchange: 1, Partition: p, Epoch: 1, Sum: parts[p].Sum}
	}
	for name, bad := range map[string]shuffle.Sum{"rows": {Rows: 2, Hash: 30}, "hash": {Rows: 3, Hash: 31}, "nothing": {}} {
		s, j, end := reading(t, parts)
		wrong := good(0)
		wrong.Sum = bad
		end(0, wrong)
		end(1, good(1))
		end(0, good(0))
		if err, ended := failed(s, j); !ended || err != nil {
			t.Errorf("%s: after a second try: ended %t, %v", name, ended, err)
		}
		s, j, end = reading(t, parts)
		for range 4 {
			end(0, wrong)
		}
		var d *diag.Error
		if err, ended := failed(s, j); !ended || !errors.As(err, &d) || d.Class != diag.ShuffleDamaged || !strings.Contains(d.Message, "exchange 1, partition 0") {
			t.Errorf("%s: ended %t, %v", name, ended, err)
		}
	}
	s, j, end := reading(t, parts)
	for p := range parts {
		end(p, shuffle.Read{Exchange: 1, Partition: p, Epoch: 7})
	}
	if err, ended := failed(s, j); !ended || err != nil {
		t.Errorf("another epoch: ended %t, %v", ended, err)
	}
}

// Of very many partitions the outputs tell the sum over all alone: a partition that
// was read wrongly fails the job once all have been read.
func TestReconcileSketch(t *testing.T) {
	parts := make([]shuffle.Part, shuffle.MaxExact+1)
	for p := range parts {
		parts[p].Sum = shuffle.Sum{Rows: int64(p%3 + 1), Hash: uint64(p) << 40}
	}
	for _, fault := range []int{-1, 0, 1234, len(parts) - 1} {
		s, j, end := reading(t, parts)
		for p := range parts {
			r := shuffle.Read{Exchange: 1, Partition: p, Epoch: 1, Sum: parts[p].Sum}
			if p == fault {
				r.Rows--
			}
			end(p, r)
		}
		err, ended := failed(s, j)
		if !ended || (fault < 0) != (err == nil) || fault >= 0 && diag.ClassOf(err) != diag.ShuffleDamaged {
			t.Errorf("partition %d read wrongly: ended %t, %v", fault, ended, err)
		}
	}
}
