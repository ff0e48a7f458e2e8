package driver

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sort"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// anybody is one of the executors.
func (s *sim) anybody() exec.ExecutorID {
	ids := slices.Sorted(maps.Keys(s.alive))
	return ids[s.r.IntN(len(ids))]
}

// kill takes an executor away. The driver may hear of it at once or later; what
// its tasks still had to say arrives late or never.
func (s *sim) kill(id exec.ExecutorID) {
	gone := s.vanish(id)
	for _, a := range gone {
		if s.runs(a) && s.r.IntN(2) == 0 && s.push(a) {
			s.late = append(s.late, s.outcome(a))
			s.tally.late++
		}
	}
	if r := (cluster.Report{Executor: id, Lost: true}); s.r.IntN(2) == 0 {
		s.deliver(r)
	} else {
		s.late = append(s.late, r)
	}
}

// crash takes an executor away while the driver talks to it, which it hears of
// later.
func (s *sim) crash(id exec.ExecutorID) {
	if s.alive[id] && s.kills > 0 && s.strikes("crash", 300) {
		s.tally.crashed++
		s.vanish(id)
		s.late = append(s.late, cluster.Report{Executor: id, Lost: true})
	}
}

// vanish ends an executor. It returns what ran there.
func (s *sim) vanish(id exec.ExecutorID) []*attempt {
	if s.retired[id] == nil {
		s.kills--
		s.tally.lost++
	}
	s.log("%s dies", id)
	delete(s.alive, id)
	n := s.nodes[id]
	delete(s.nodes, id)
	var keep, gone []*attempt
	for _, a := range s.running {
		if a.ex == id {
			gone = append(gone, a)
		} else {
			keep = append(keep, a)
		}
	}
	s.running = keep
	for _, a := range gone {
		a.memory.end(s)
	}
	if n != nil {
		n.cancel()
		s.settle()
	}
	return gone
}

// damage damages an output on a living executor.
func (s *sim) damage() {
	if all := s.registered(); len(all) > 0 {
		o := all[s.r.IntN(len(all))]
		s.log("%v is damaged", o.key)
		s.damaged[o.key] = true
	}
}

// strikes draws whether a fault of a sort comes now: once in so many times.
func (s *sim) strikes(name string, in int) bool {
	return s.r.IntN(in) == 0 && !s.without[name]
}

// read takes the inputs of a task, or finds that one is gone.
func (s *sim) read(a *attempt) {
	j := s.jobs[a.id.Job-1]
	a.read = lineage{}
	for i, in := range j.graph.Stages[a.id.Stage].Inputs {
		epoch, _ := s.d.Tracker.Outputs(a.id.Job, in.Exchange)
		maps := a.told[i]
		if shuffle.Contents(epoch) != shuffle.Contents(a.task.Epochs[i].Epoch) {
			s.tally.stale++
			a.fail = &exec.Failure{Kind: exec.FetchFailed, Exchange: in.Exchange, Map: -1, Cause: errors.New("stale")}
			return
		}
		for _, m := range maps {
			bad := s.damaged[outKey{a.id.Job, in.Stage, m.Map, m.Attempt}]
			if bad {
				s.tally.damaged++
			}
			if bad || !s.alive[exec.ExecutorID(m.Executor)] {
				s.checkRead(a, outKey{a.id.Job, in.Stage, m.Map, m.Attempt}, exec.ExecutorID(m.Executor))
				s.tally.fetch++
				a.fail = &exec.Failure{Kind: exec.FetchFailed, Exchange: in.Exchange, Map: m.Map, Epoch: a.task.Epochs[i].Epoch, Cause: errors.New("gone")}
				return
			}
			for k, v := range s.outputs[outKey{a.id.Job, in.Stage, m.Map, m.Attempt}] {
				if old, ok := a.read[k]; ok && old != v {
					s.fail("%s reads two runs of stage %d task %d", a.id, k[0], k[1])
				}
				a.read[k] = v
			}
			if whole(j.graph.Stages[in.Stage].Root) && m.Attempt/1000 != maps[0].Attempt/1000 {
				s.fail("%s reads two attempts of stage %d, which runs whole", a.id, in.Stage)
			}
		}
	}
}

// runs reports whether an attempt does: its launch may be under way, which may
// arrive now, and it may wait for memory, which a killed one does not.
func (s *sim) runs(a *attempt) bool {
	if a.late {
		if a.late = s.r.IntN(3) > 0; a.late {
			return false
		}
		s.start(a)
	}
	if a.killed && !a.memory.in() {
		a.fail = &exec.Failure{Kind: exec.Killed, Cause: context.Canceled}
		return true
	}
	return a.memory.in()
}

// start lets an attempt that has arrived wait for its memory.
func (s *sim) start(a *attempt) {
	if n := s.nodes[a.ex]; n != nil && !a.killed {
		a.memory = n.enter(s, a.id, a.task.MinMemory)
	}
}

// outcome is what a task ends with.
func (s *sim) outcome(a *attempt) cluster.Report {
	if a.read == nil && a.fail == nil {
		s.read(a)
	}
	r := cluster.Report{Task: a.id, Executor: a.ex, Failure: a.fail}
	switch {
	case a.fail != nil:
	case a.killed && s.r.IntN(3) > 0:
		r.Failure = &exec.Failure{Kind: exec.Killed, Cause: context.Canceled}
	case s.strikes("transient", 12):
		s.tally.transient++
		r.Failure = &exec.Failure{Kind: exec.Transient, Cause: errors.New("disk")}
	case s.strikes("user", 150):
		r.Failure = exec.Classify(diag.New(diag.DivideByZero, "division by zero"))
	default:
		r.Updates = []exec.Update{{Accumulator: a.id.Job, Values: append([]byte{byte(a.id.Stage), byte(a.id.Task)}, bytesOf(a.task.Leaves[0].Part)...)}}
		if s.jobs[a.id.Job-1].graph.Stages[a.id.Stage].Out != nil {
			r.Status = s.status(a, s.make(a))
		}
	}
	return r
}

func (s *sim) finish(i int) {
	a := s.running[i]
	if !s.runs(a) || !s.push(a) {
		return
	}
	if i = slices.Index(s.running, a); i < 0 { // what it told has started others, and its executor died
		return
	}
	s.running = append(s.running[:i], s.running[i+1:]...)
	r := s.outcome(a)
	a.memory.end(s)
	s.log("%s ends on %s: %v", a.id, a.ex, r.Failure)
	if s.strikes("delay", 10) {
		s.tally.late++
		s.late = append(s.late, r)
		return
	}
	s.deliver(r)
	if s.strikes("twice", 10) {
		s.late = append(s.late, r)
		s.tally.late++
	}
}

// make makes the output of a task.
func (s *sim) make(a *attempt) lineage {
	if a.made != nil {
		return a.made
	}
	st := s.jobs[a.id.Job-1].graph.Stages[a.id.Stage]
	l := lineage{}
	h := fnv.New64()
	var keys [][2]int
	for k, v := range a.read {
		l[k] = v
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i][0] < keys[j][0] || keys[i][0] == keys[j][0] && keys[i][1] < keys[j][1]
	})
	for _, k := range keys {
		fmt.Fprint(h, k, a.read[k])
	}
	s.version++
	own := h.Sum64()
	if st.Class == stage.Unstable {
		own = s.version
	}
	l[[2]int{st.ID, a.id.Task}] = own
	if st.Out == nil && whole(st.Root) {
		l[[2]int{st.ID, -1}] = uint64(a.id.StageAttempt)
	}
	a.made = l
	return l
}

func (s *sim) status(a *attempt, l lineage) *shuffle.MapStatus {
	at := a.id.Attempt + 1000*a.id.StageAttempt
	s.outputs[outKey{a.id.Job, a.id.Stage, a.id.Task, at}] = l
	parts := make([]shuffle.Part, 2)
	for i := range parts {
		parts[i] = shuffle.Part{Sum: shuffle.Sum{Rows: 1}, Bytes: int64(s.r.IntN(2 << 20))}
	}
	st := shuffle.NewMapStatus(a.id.Task, at, false, parts)
	s.nodes[a.ex].keep(outKey{a.id.Job, a.id.Stage, a.id.Task, at}, s.r.Int64N(6<<20))
	st.Executor = string(a.ex)
	return &st
}

// ---- the fake cluster ----

func (s *sim) Executors() []cluster.Executor { return nil }

func (s *sim) Launch(ex exec.ExecutorID, id exec.TaskID, encoded, _ []byte) {
	t, err := wire.DecodeTask(encoded)
	if err != nil {
		s.fail("%s: %v", id, err)
		return
	}
	for _, a := range s.running {
		if a.id == id {
			s.fail("%s is launched twice", id)
		}
		if o := a.id; o.Job == id.Job && o.Stage == id.Stage && o.StageAttempt == id.StageAttempt && o.Task == id.Task && s.alive[a.ex] {
			s.tally.twice++
			if a.ex == ex {
				s.fail("%s has two attempts on %s", id, ex)
			}
		}
	}
	j := s.jobs[id.Job-1]
	for i, in := range j.graph.Stages[id.Stage].Inputs {
		epoch, maps := s.d.Tracker.Outputs(id.Job, in.Exchange)
		if len(maps) != len(j.tasks[in.Stage]) && t.Epochs[i].Epoch == epoch {
			// A launch may stand in the queue before the news that stops its stage,
			// but not after it.
			if len(s.d.queue) == 0 {
				s.fail("%s is planned on %d of %d outputs of exchange %d", id, len(maps), len(j.tasks[in.Stage]), in.Exchange)
			}
		}
	}
	if id.StageAttempt > 0 && j.graph.Stages[id.Stage].Class == stage.Unstable {
		s.tally.rollbacks++
	}
	if p := s.d.places(j, id.Stage, []int{id.Task}); p != nil && slices.Contains(p[0], ex) {
		s.tally.near++
	}
	s.crash(ex)
	if !s.alive[ex] { // the driver will hear of the loss
		return
	}
	a := &attempt{ex: ex, id: id, task: t}
	for _, in := range j.graph.Stages[id.Stage].Inputs {
		_, maps := s.d.Tracker.Outputs(id.Job, in.Exchange)
		a.told = append(a.told, maps)
	}
	s.running = append(s.running, a)
	s.log("%s starts on %s", id, ex)
	busy := 0
	for _, o := range s.running {
		if o.ex == ex && !o.parked && !o.killed {
			busy++
		}
	}
	if slots, ok := s.d.sizes[ex]; ok && busy > slots { // T2
		s.fail("%s has %d tasks in %d slots", ex, busy, slots)
	}
	if a.late = s.strikes("delay", 4); a.late {
		s.tally.delayed++
	} else {
		s.start(a)
	}
}

func (s *sim) Kill(id exec.TaskID) {
	for _, a := range s.running {
		if a.id == id {
			a.killed = true
			s.log("%s is stopped", id)
			a.memory.stop(s)
			s.crash(a.ex)
			return
		}
	}
}

func (s *sim) Discard(ex exec.ExecutorID, o cache.BlockID) {
	s.tally.discarded++
	s.nodes[ex].drop(func(k outKey) bool {
		return k.job == o.Job && k.task == o.Map && k.attempt == o.Attempt && s.jobs[k.job-1].graph.Stages[k.stage].Out.Exchange == o.Exchange
	})
	for _, m := range func() []shuffle.MapStatus { _, maps := s.d.Tracker.Outputs(o.Job, o.Exchange); return maps }() {
		if m.Map == o.Map && m.Attempt == o.Attempt && m.Executor == string(ex) {
			s.fail("an output that counts is dropped: %v", o)
		}
	}
}

func (s *sim) Publish(int, exec.Keys) {}

func (s *sim) EndStage(id exec.StageID) {
	for _, a := range s.running {
		if stageOf(a.id) == id && s.alive[a.ex] {
			s.fail("%s is released while %s runs", id, a.id)
		}
	}
}

func (s *sim) BeginJob(context.Context, int, int64, int64) error { return nil }

func (s *sim) EndDataset(int) {}

func (s *sim) EndJob(job int) {
	for _, a := range s.running {
		if a.id.Job == job && s.alive[a.ex] {
			s.fail("job %d is released while %s runs", job, a.id)
		}
	}
	s.log("job %d is over", job)
	s.release(job)
}

func (s *sim) Events() <-chan cluster.Report { return nil }

func (s *sim) Close(context.Context) error { return nil }
