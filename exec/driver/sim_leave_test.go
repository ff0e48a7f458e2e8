package driver

import (
	"errors"
	"maps"

	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/allocate"
)

// allocate has the driver want as many executors as the tasks need.
func (s *sim) allocate() {
	c := allocate.New(allocate.Config{Most: 4, Slots: 2, Backlog: 20 * time.Millisecond, Idle: 30 * time.Millisecond})
	s.d.sizing = &sizing{state: c, backend: s, wanted: c.Want()}
}

// resize lets the driver look how many executors it needs, starts one that it wants, or
// asks one to leave.
func (s *sim) resize() {
	if x := s.d.sizing; x != nil {
		before := len(s.d.asked)
		s.d.size()
		s.tally.shrunk += max(0, len(s.d.asked)-before)
		for _, id := range slices.Sorted(maps.Keys(s.d.asked)) {
			s.log("%s may leave", id)
		}
		s.d.drain()
		if len(s.d.sizes) < x.wanted && len(s.alive) < 6 {
			s.tally.grown++
			s.addExecutor()
		}
	}
	if len(s.alive) > 0 && s.strikes("drain", 3) {
		id := s.anybody()
		s.log("%s is to leave", id)
		s.deliver(cluster.Report{Executor: id, Draining: true})
	}
}

// Want implements cluster.Elastic: resize starts them.
func (s *sim) Want(n int) { s.log("%d executors are wanted", n) }

// Move implements cluster.Migrating. What is under way arrives later.
func (s *sim) Move(m cluster.Move) {
	s.log("%s is to hold the output of task %d of exchange %d of job %d", m.To, m.Output.Map, m.Exchange, m.Job)
	s.moves = append(s.moves, m)
}

// carry ends a move: it arrived, or failed; there is no word of it if who was to get it
// is gone.
func (s *sim) carry(i int) {
	m := s.moves[i]
	s.moves = slices.Delete(s.moves, i, i+1)
	if !s.alive[m.To] {
		return
	}
	k := outKey{job: m.Job, task: m.Output.Map, attempt: m.Output.Attempt}
	for _, st := range s.jobs[m.Job-1].graph.Stages {
		if st.Out != nil && st.Out.Exchange == m.Exchange {
			k.stage = st.ID
		}
	}
	r := cluster.Report{Executor: m.To, Moved: &m}
	switch {
	case !s.alive[exec.ExecutorID(m.Output.Executor)] || s.damaged[k] || s.strikes("unmoved", 6):
		s.tally.unmoved++
		r.Failure = &exec.Failure{Kind: exec.Transient, Cause: errors.New("disk")}
	default:
		s.tally.moved++
		if s.d.jobs[m.Job] != nil {
			s.nodes[m.To].keep(k, 1+s.r.Int64N(6<<20))
		}
	}
	s.log("the output of task %d of exchange %d of job %d is on %s: %v", m.Output.Map, m.Exchange, m.Job, m.To, r.Failure)
	if s.strikes("delay", 10) {
		s.late = append(s.late, r)
		return
	}
	s.deliver(r)
}

// Retire implements cluster.Migrating: the executor ends.
func (s *sim) Retire(id exec.ExecutorID) {
	if !s.alive[id] {
		return
	}
	kept := map[outKey]bool{}
	for x, n := range s.d.moves.tries {
		if b := x.block; x.from == id && n >= maxTries && b.Job > 0 {
			for _, st := range s.jobs[b.Job-1].graph.Stages {
				if st.Out != nil && st.Out.Exchange == b.Exchange {
					kept[outKey{b.Job, st.ID, b.Map, b.Attempt}] = true
				}
			}
		}
	}
	s.retired[id] = kept
	s.log("%s leaves", id)
	s.tally.drained++
	for _, a := range s.vanish(id) {
		s.fail("%s is retired while %s runs", id, a.id)
	}
	s.late = append(s.late, cluster.Report{Executor: id, Lost: true})
}

// checkRead fails if a fetch fails because of an executor that left, with what it could
// give away.
func (s *sim) checkRead(a *attempt, k outKey, from exec.ExecutorID) {
	if kept, left := s.retired[from]; left && !kept[k] && !s.damaged[k] && !s.jobs[k.job-1].ended {
		s.fail("%s reads the output of stage %d task %d from %s, which has left", a.id, k.stage, k.task, from)
	}
}

// checkLeft fails if outputs are lost with an executor that left, which it could give away.
func (s *sim) checkLeft(id exec.ExecutorID) {
	for _, o := range s.registered() {
		if o.on == id && !s.retired[id][o.key] && !s.jobs[o.key.job-1].ended {
			s.fail("the output of stage %d task %d of job %d leaves with %s", o.key.stage, o.key.task, o.key.job, id)
		}
	}
}
