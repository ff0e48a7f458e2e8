package task

import (
	"cmp"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// Pool is sets that share slots. The zero value of Weight counts as 1.
type Pool struct {
	Name   string // "": every job is a pool of its own
	Weight int    // its part of the slots, relative to others
	Least  int    // slots that it gets before others get more than their least
}

// Standing is a set that waits for slots.
type Standing struct {
	Stage   exec.StageID
	Pool    Pool
	Running int // attempts of its pool that hold slots
	Served  int // when its pool was last given one: grows with time; 0: never
	// Deadline is when its job is of no use any more, in the scheduler's time; 0: never.
	Deadline time.Duration
}

// Policy orders the sets that wait: it is negative if a goes before b. The first
// that has a task for a free slot gets it, and then they are ordered anew.
type Policy func(a, b Standing) int

// FIFO serves jobs in the order in which they came, and within one the earlier
// stage.
func FIFO(a, b Standing) int {
	return cmp.Or(cmp.Compare(a.Stage.Job, b.Stage.Job), cmp.Compare(a.Stage.Stage, b.Stage.Stage))
}

// Fair serves pools that have less than their least first, the one that has the
// smallest part of it before others; then the one that has least for its weight,
// of equal ones the one that has waited longer. Within a pool it is FIFO. (Spark's fair scheduler does the same.)
func Fair(a, b Standing) int {
	needyA, needyB := a.Running < a.Pool.Least, b.Running < b.Pool.Least
	switch {
	case needyA && !needyB:
		return -1
	case needyB && !needyA:
		return 1
	case needyA:
		return cmp.Or(cmp.Compare(a.Running*b.Pool.Least, b.Running*a.Pool.Least), cmp.Compare(a.Served, b.Served), FIFO(a, b))
	}
	return cmp.Or(cmp.Compare(a.Running*max(1, b.Pool.Weight), b.Running*max(1, a.Pool.Weight)), cmp.Compare(a.Served, b.Served), FIFO(a, b))
}

// Priority serves the pools of more weight first, and within one weight jobs in the order
// in which they came.
func Priority(a, b Standing) int {
	return cmp.Or(cmp.Compare(b.Pool.Weight, a.Pool.Weight), FIFO(a, b))
}

// Deadline serves jobs that end earliest by themselves first, then those that have all
// the time, in the order in which they came.
func Deadline(a, b Standing) int {
	switch {
	case a.Deadline > 0 && b.Deadline > 0:
		return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), FIFO(a, b))
	case a.Deadline > 0:
		return -1
	case b.Deadline > 0:
		return 1
	}
	return FIFO(a, b)
}

// Policies are the policies by the names that users give them.
var Policies = map[string]Policy{"FIFO": nil, "FAIR": Fair, "PRIORITY": Priority, "DEADLINE": Deadline}

// share names the pool whose slots a job counts to.
type share struct {
	pool string
	job  int // of a pool of its own, else 0
}

func shareOf(p Pool, job int) share {
	if p.Name != "" {
		return share{p.Name, 0}
	}
	return share{"", job}
}

// group is the tasks from … to−1 in line, which are of one set.
type group struct {
	from, to int
	standing Standing
}

// serve notes that a share was given a slot.
func (s *Scheduler) serve(k share) {
	s.turn++
	s.served[k] = s.turn
}

// forget drops what is known of a share that has no sets left.
func (s *Scheduler) forget(k share) {
	for st, x := range s.sets {
		if shareOf(x.pool, st.Job) == k {
			return
		}
	}
	delete(s.served, k)
	delete(s.spent, k)
}

// groups returns the sets that wait, in the order in which they are served. Under
// no policy that is the line's: FIFO, but attempts that follow a failed one first.
func (s *Scheduler) groups() (out []group) {
	for i := 0; i < len(s.pending); {
		st := stageOf(s.pending[i])
		g := group{from: i, to: i + 1}
		for g.to < len(s.pending) && stageOf(s.pending[g.to]) == st {
			g.to++
		}
		if s.Policy != nil {
			p := s.sets[st].pool
			k := shareOf(p, st.Job)
			g.standing = Standing{Stage: st, Pool: p, Running: s.shares[k], Served: s.served[k], Deadline: s.sets[st].deadline}
		}
		out = append(out, g)
		i = g.to
	}
	if s.Policy != nil {
		slices.SortStableFunc(out, func(a, b group) int { return s.Policy(a.standing, b.standing) })
	}
	return out
}
