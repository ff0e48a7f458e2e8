package driver

import (
	"errors"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/internal/diag"
)

// push hands the rows of a task of a result stage over, until there is no room.
func (s *sim) push(a *attempt) (done bool) {
	j := s.jobs[a.id.Job-1]
	if a.read == nil {
		s.read(a)
	}
	for a.fail == nil && j.graph.Stages[a.id.Stage].Out == nil && a.pushed < rowsPerTask {
		b := &columnar.Batch{Rows: 1, Hash: []uint64{0}} // of 8 bytes
		s.rows[b] = row{a.id.Task, a.pushed, s.make(a)}
		switch v, _ := j.stream.rows.offer(a.id, b, j.stream.memory); {
		case v == full:
			if !a.parked {
				a.parked = true
				s.tally.parked++
				a.memory.park(s, true)
				s.d.taskStep(j, nil, task.Event{Parked: &a.id})
				s.d.drain()
			}
			if !a.killed {
				return false
			}
			a.fail = errStale
		case v == stale:
			a.fail = errStale
		default:
			if a.pushed++; s.r.IntN(20) == 0 {
				s.tally.transient++
				a.fail = &exec.Failure{Kind: exec.Transient, Cause: errors.New("disk")}
			}
		}
	}
	if a.parked {
		a.parked = false
		a.memory.park(s, false)
		s.d.taskStep(j, nil, task.Event{Resumed: &a.id})
		s.d.drain()
	}
	return true
}

// take reads rows of a result.
func (s *sim) take(j *job, most int) {
	for range most {
		b, bytes, _ := j.stream.rows.take()
		if b == nil {
			return
		}
		j.stream.memory.Shrink(bytes)
		s.taken[j.id] = append(s.taken[j.id], s.rows[b])
	}
}

func (s *sim) check(j *job) {
	select {
	case <-j.done:
	default:
		s.fail("job %d is not done", j.id)
		return
	}
	if _, maps := s.d.Tracker.Outputs(j.id, 1); maps != nil {
		s.fail("job %d left outputs", j.id)
	}
	for at, n := range s.added {
		if n > 1 {
			s.fail("stage %d task %d of job %d is accumulated %d times", at[1], at[2], at[0], n)
		}
	}
	if j.err != nil {
		s.tally.failed++
		if class := diag.ClassOf(j.err); class == "" {
			s.fail("job %d fails without a class: %v", j.id, j.err)
		}
		if diag.ClassOf(j.err) == diag.ResultLost {
			s.tally.given++
		}
		return
	}
	s.tally.ok++
	needed := j.graph.Needed()
	for st := range j.tasks {
		if !needed[st] { // re-planning has left it out
			s.tally.unneeded++
			continue
		}
		for t := range j.tasks[st] {
			if s.added[[3]int{j.id, st, t}] != 1 {
				s.fail("stage %d task %d of job %d is not accumulated", st, t, j.id)
			}
		}
	}
	s.checkParts(j, needed)
	s.take(j, math.MaxInt)
	got := s.taken[j.id]
	if len(got) != rowsPerTask*len(j.tasks[j.graph.Result]) {
		s.fail("job %d has %d rows of %d tasks", j.id, len(got), len(j.tasks[j.graph.Result]))
		return
	}
	seen := lineage{}
	for i, r := range got {
		if r.task != i/rowsPerTask || r.number != i%rowsPerTask {
			s.fail("row %d of job %d is row %d of task %d", i, j.id, r.number, r.task)
		}
		for k, v := range r.from {
			if old, ok := seen[k]; ok && old != v {
				s.fail("the result of job %d mixes two runs of stage %d task %d", j.id, k[0], k[1])
			}
			seen[k] = v
		}
	}
}
