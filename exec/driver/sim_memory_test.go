package driver

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing/synctest"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/internal/diag"
)

// node is the memory of a simulated executor. Who waits for memory does so in a
// goroutine of its own; the simulation goes on when all of them wait or are through.
// A nil node has memory for everybody.
type node struct {
	broker *memory.Broker
	store  memory.Reservation
	blocks map[outKey]int64 // bytes in memory; others lie on disk
	jobs   map[int]admitted
	ctx    context.Context
	cancel context.CancelFunc
	parked bool  // a task was, since the budget was last kept
	door   *door // that a job stands at
}

// admitted is a job that is in, with what it was promised.
type admitted struct {
	r            memory.Reservation
	shared, task int64
}

// promised is what jobs were promised together: more than the budget where one came
// in while all tasks were parked (A6 of columnar/memory).
func (n *node) promised() int64 {
	const quantum = 1 << 20
	shared, task := int64(0), int64(0)
	if n.door != nil { // it may be in here, and wait for others
		shared, task = (n.door.shared+quantum-1)/quantum*quantum, (n.door.task+quantum-1)/quantum*quantum
	}
	for _, j := range n.jobs {
		shared += (j.shared + quantum - 1) / quantum * quantum
		task = max(task, (j.task+quantum-1)/quantum*quantum)
	}
	return shared + task
}

func (s *sim) newNode() *node {
	n := &node{broker: memory.NewBroker(int64(12+s.r.IntN(40)) << 20), blocks: map[outKey]int64{}, jobs: map[int]admitted{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.store = n.broker.Store("blocks", n)
	return n
}

// Reclaim implements memory.Reclaimer: blocks go to disk.
func (n *node) Reclaim(_ context.Context, want int64) (freed int64) {
	for _, k := range slices.SortedFunc(maps.Keys(n.blocks), compareKeys) {
		if freed >= want {
			break
		}
		freed += n.blocks[k]
		n.forget(k)
	}
	return freed
}

// Wake implements memory.Reclaimer: watch looks what is wanted.
func (n *node) Wake() {}

func compareKeys(a, b outKey) int {
	for _, d := range []int{a.job - b.job, a.stage - b.stage, a.task - b.task, a.attempt - b.attempt} {
		if d != 0 {
			return d
		}
	}
	return 0
}

func (n *node) forget(k outKey) {
	n.store.Shrink(n.blocks[k])
	delete(n.blocks, k)
}

// keep takes an output in, to disk if memory has no room.
func (n *node) keep(k outKey, bytes int64) {
	if n != nil && bytes > 0 && n.store.TryGrow(bytes) {
		n.blocks[k] = bytes
	}
}

func (n *node) drop(which func(outKey) bool) {
	if n == nil {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(n.blocks), compareKeys) { // who waits comes in meanwhile
		if which(k) {
			n.forget(k)
		}
	}
}

// stay is an attempt in the memory of its executor. A nil one needs none.
type stay struct {
	node   *node
	held   memory.Reservation // once it is in
	inside atomic.Bool
	cancel context.CancelFunc
	over   bool
}

// enter lets an attempt wait for the least that it needs.
func (n *node) enter(s *sim, id exec.TaskID, least int64) *stay {
	y := &stay{node: n}
	var ctx context.Context
	ctx, y.cancel = context.WithCancel(n.ctx)
	go func() { // ends when it is in, or stopped
		r, err := n.broker.Start(ctx, id.String(), least, 0)
		if err == nil {
			y.held = r
			y.inside.Store(true)
		}
	}()
	if s.settle(); !y.in() {
		s.tally.waiting++
	}
	return y
}

func (y *stay) in() bool { return y == nil || y.inside.Load() }

// grow asks for more, or gives some back.
func (y *stay) grow(s *sim) {
	if y == nil || !y.in() || y.over {
		return
	}
	if n := s.r.Int64N(8 << 20); !y.held.TryGrow(n) || y.held.Pressure() == memory.Critical {
		y.held.Shrink(y.held.Held()) // it spills
	}
	s.settle()
}

func (y *stay) park(s *sim, parked bool) {
	if y == nil || !y.in() {
		return
	}
	y.node.parked = y.node.parked || parked
	memory.Park(y.held, parked)
	s.settle()
}

// stop ends the waiting of an attempt that is killed.
func (y *stay) stop(s *sim) {
	if y != nil && !y.in() {
		y.cancel()
		s.settle()
	}
}

// end gives everything back.
func (y *stay) end(s *sim) {
	if y == nil || y.over {
		return
	}
	y.over = true
	y.cancel()
	s.settle()
	if y.in() {
		y.held.Close()
		s.settle()
	}
}

// settle lets everybody go on who can.
func (s *sim) settle() {
	if s.bubble {
		synctest.Wait()
	}
}

// door is where a job waits for the memory of every executor; jobs come in one at a
// time.
type door struct {
	j      *job
	shared int64
	task   int64
	places []*place // once it is its turn
}

// place is a job at the door of one executor.
type place struct {
	ex   exec.ExecutorID
	r    memory.Reservation
	err  error
	done atomic.Bool
}

// admit puts a job in line for memory.
func (s *sim) admit(j *job) {
	x := &door{j: j, shared: s.r.Int64N(9 << 20)}
	for i := range j.least {
		j.least[i] = 1 + s.r.Int64N(4<<20)
		x.task = max(x.task, j.least[i])
	}
	if s.strikes("large", 40) {
		x.shared = 1 << 30
	}
	s.doors = append(s.doors, x)
	s.open()
}

// open lets the first job in line in, if all executors have memory for it.
func (s *sim) open() {
	for len(s.doors) > 0 {
		x := s.doors[0]
		if x.places == nil {
			x.places = []*place{}
			for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
				p, n := &place{ex: id}, s.nodes[id]
				x.places = append(x.places, p)
				go func() { // ends when it is in, or with the executor
					p.r, p.err = n.broker.Admit(n.ctx, "job", x.shared, x.task)
					p.done.Store(true)
				}()
				s.settle()
				n.door = x
			}
		}
		var err error
		for _, p := range x.places {
			if !p.done.Load() {
				return
			}
			if p.err != nil && s.alive[p.ex] {
				err = p.err
			}
		}
		s.doors = s.doors[1:]
		for _, p := range x.places {
			n := s.nodes[p.ex]
			if n != nil {
				n.door = nil
			}
			if n != nil && p.err == nil {
				n.jobs[x.j.id] = admitted{p.r, x.shared, x.task}
			}
		}
		if err != nil { // as Start does
			if diag.ClassOf(err) != diag.MemoryLimit {
				s.fail("job %d is not let in: %v", x.j.id, err)
			}
			s.tally.refused++
			s.log("job %d is refused", x.j.id)
			x.j.err, x.j.ended = err, true
			s.release(x.j.id)
			close(x.j.done)
			continue
		}
		s.log("job %d is let in", x.j.id)
		s.d.submit(x.j)
		s.d.drain()
	}
}

// release gives back what executors keep for a job.
func (s *sim) release(job int) {
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		n := s.nodes[id]
		n.drop(func(k outKey) bool { return k.job == job })
		if x, in := n.jobs[job]; in {
			x.r.Close()
			delete(n.jobs, job)
		}
		s.settle()
	}
}

// watch compares what is granted with the budgets, and has stores give way.
func (s *sim) watch() {
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		n := s.nodes[id]
		if w := n.broker.Wanted(); w > 0 {
			n.Reclaim(n.ctx, w)
			s.settle()
		}
		switch over := n.broker.Reserved() > n.broker.Budget(); {
		case over && !n.parked && n.promised() <= n.broker.Budget() && !s.strangers(id):
			s.fail("%s has granted %d of %d bytes", id, n.broker.Reserved(), n.broker.Budget())
		case over:
			s.tally.over++
		case !slices.ContainsFunc(s.running, func(a *attempt) bool { return a.ex == id && a.parked }):
			n.parked = false
		}
	}
}

// strangers reports whether an executor runs tasks of jobs that were let in before it
// came: nothing was set aside for them.
func (s *sim) strangers(id exec.ExecutorID) bool {
	return slices.ContainsFunc(s.running, func(a *attempt) bool {
		_, known := s.nodes[id].jobs[a.id.Job]
		return a.ex == id && !known
	})
}

// checkEnd fails if anything is still reserved when all jobs are over.
func (s *sim) checkEnd() {
	for _, a := range s.running { // killed, and the driver does not wait for those of dead executors
		a.memory.end(s)
	}
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		if n := s.nodes[id]; n.broker.Reserved() != 0 {
			s.fail("%s has %d bytes reserved at the end", id, n.broker.Reserved())
		}
	}
	for _, j := range s.jobs {
		j.stream.release()
		j.keys.close()
	}
	if n := s.d.Memory.Reserved(); n != 0 {
		s.fail("%d bytes of the driver are reserved at the end", n)
	}
}

// leave ends all goroutines.
func (s *sim) leave() {
	for _, n := range s.nodes {
		n.cancel()
	}
	s.settle()
}
