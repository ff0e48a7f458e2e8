package master

import (
	"fmt"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/transport/message"
)

type kind = message.Kind

// Room is a worker that has room for what is to be placed.
type Room struct {
	Free standalone.Size
	Mine int // executors of the same application that it has
}

// Policy reports whether a is a better place than b. Of equal ones the first by id
// is taken.
type Policy func(a, b Room) bool

// Spread gives an application executors on as many workers as there are; Pack
// fills one worker after the other, and leaves whole ones to others.
func Spread(a, b Room) bool {
	return a.Mine < b.Mine || a.Mine == b.Mine && a.Free.Cores > b.Free.Cores
}

// Pack implements Policy; see Spread.
func Pack(a, b Room) bool {
	return a.Free.Cores < b.Free.Cores || a.Free.Cores == b.Free.Cores && a.Free.Memory < b.Free.Memory
}

// Policies are the policies by the names that users give them.
var Policies = map[string]Policy{"spread": Spread, "pack": Pack}

// free returns what is left of each worker (S3).
func (s *State) free() map[string]standalone.Size {
	out := map[string]standalone.Size{}
	for _, w := range s.workers {
		out[w.id] = w.size
	}
	for _, a := range s.apps {
		for _, x := range a.executors {
			out[x.worker] = out[x.worker].Plus(-1, x.size)
		}
	}
	for _, d := range s.drivers {
		if d.State == standalone.DriverRunning {
			out[d.Worker] = out[d.Worker].Plus(-1, d.size())
		}
	}
	return out
}

// choose returns the best worker with room for size, or nil.
func (s *State) choose(free map[string]standalone.Size, size standalone.Size, a *app) *worker {
	var best *worker
	var room Room
	for _, w := range s.workers {
		if w.away || w.draining || !free[w.id].Fits(size) {
			continue
		}
		r := Room{Free: free[w.id]}
		if a != nil {
			for _, x := range a.executors {
				if x.worker == w.id {
					r.Mine++
				}
			}
		}
		if best == nil || s.policy(r, room) {
			best, room = w, r
		}
	}
	return best
}

// possible reports whether a worker that is there could hold size if it were idle.
func (s *State) possible(size standalone.Size) bool {
	for _, w := range s.workers {
		if !w.away && !w.draining && w.size.Fits(size) {
			return true
		}
	}
	return false
}

// schedule places what waits, in the order in which it came: drivers, which take
// memory only, then executors. An application takes what fits before the next one
// is looked at. While one has nothing that it could have on idle workers, no later
// one gets anything: else small ones would keep a large one waiting for ever.
func (s *State) schedule() {
	free := s.free()
	for _, d := range s.drivers {
		if d.State != standalone.DriverWaiting {
			continue
		}
		w := s.choose(free, d.size(), nil)
		if w != nil {
			free[w.id] = free[w.id].Plus(-1, d.size())
			d.State, d.Worker = standalone.DriverRunning, w.id
			s.save()
			s.tell(w.id, standalone.StartDriver, standalone.StartDriverBody{ID: d.ID, Spec: d.Spec})
		} else if s.possible(d.size()) {
			break
		}
	}
	var first *app // which has nothing, though it could
	for _, a := range s.apps {
		if a.away || a.ended {
			continue
		}
		for first == nil && a.live() < a.want && s.now >= a.retry {
			w := s.choose(free, a.size, a)
			if w == nil {
				break
			}
			free[w.id] = free[w.id].Plus(-1, a.size)
			x := &executor{n: a.next, worker: w.id, size: a.size, phase: placed, until: s.now + answering}
			a.next++
			a.executors = append(a.executors, x)
			s.inform(a, standalone.Placed, standalone.PlacedBody{N: x.n, Worker: w.id, Size: x.size})
		}
		s.explain(a, first)
		if first == nil && a.live() == 0 && s.now >= a.retry && s.possible(a.size) {
			first = a
		}
	}
}

// live counts the executors that are there, and to stay, or will be.
func (a *app) live() int {
	n := 0
	for _, x := range a.executors {
		if x.phase != stopping && !x.leaving {
			n++
		}
	}
	return n
}

// explain tells an application why it has not got all that it wants.
func (s *State) explain(a, first *app) {
	why := ""
	switch {
	case a.live() >= a.want:
	case len(s.workers) == 0:
		why = "the cluster has no workers"
	case !s.possible(a.size):
		why = fmt.Sprintf("no worker has %s for an executor", a.size)
	case first != nil:
		why = fmt.Sprintf("the application %s (%s) came first, and waits for executors", first.name, first.id)
	case a.failures > 0:
		why = "executors do not start: " + a.last
	default:
		why = fmt.Sprintf("the workers are busy: none has %s left", a.size)
	}
	if why != a.waiting {
		a.waiting = why
		if why != "" {
			s.inform(a, standalone.Waiting, standalone.ReasonBody{Reason: why})
		}
	}
}
