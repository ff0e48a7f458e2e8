package join

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/exec/op"
)

// sharing is the state of something that one task of a stage builds and all use
// (J1).
type sharing struct {
	ready chan struct{} // closed when it is built, or failed
	err   error
}

func (s *sharing) state() *sharing { return s }

// shareable is what tasks share; it embeds sharing.
type shareable interface {
	comparable
	state() *sharing
	Close()
}

// shared returns what is at a place of the stage's plan, built by the first task
// that comes; the others wait. If that task is stopped another takes over.
func shared[T shareable](ctx context.Context, t *op.TaskContext, place int, fresh func() T, build func(T) error) (T, error) {
	for {
		mine := false
		x := t.Shared.Get(place, func() any { mine = true; return fresh() }).(T)
		s := x.state()
		if mine {
			s.err = context.Canceled // for the others, should this task panic
			defer func() {
				if s.err != nil {
					x.Close()
					t.Shared.Forget(place, x)
				}
				close(s.ready)
			}()
			s.err = build(x)
			return x, s.err
		}
		select {
		case <-s.ready:
			if !errors.Is(s.err, context.Canceled) || ctx.Err() != nil {
				return x, s.err
			}
		case <-ctx.Done():
			return x, ctx.Err()
		}
	}
}

// tally counts the tasks whose probe side ended, and names the one that does
// what is left (J2).
type tally struct {
	mu    sync.Mutex
	ended map[int]bool
	last  int // the task that was told, −1: none yet
}

func newTally() tally { return tally{ended: map[int]bool{}, last: -1} }

// end records a task and reports whether it must now do what is left. A repeated
// attempt of the task that was told is told again.
func (y *tally) end(task, tasks int) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.ended[task] = true
	if len(y.ended) < tasks || y.last >= 0 && y.last != task {
		return false
	}
	y.last = task
	return true
}

// marks has a bit per build row that matched. It is safe for concurrent use.
type marks []uint32

func newMarks(rows int) marks { return make(marks, (rows+31)/32) }

func (m marks) set(row uint32) {
	w, b := &m[row>>5], uint32(1)<<(row&31)
	if atomic.LoadUint32(w)&b == 0 {
		atomic.OrUint32(w, b)
	}
}

func (m marks) get(row uint32) bool { return atomic.LoadUint32(&m[row>>5])>>(row&31)&1 != 0 }
