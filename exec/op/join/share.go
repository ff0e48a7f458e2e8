package join

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
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
	ended map[int][][]*spill.Run // with what each put aside
	last  int                    // the task that was told, −1: none yet
}

func newTally() tally { return tally{ended: map[int][][]*spill.Run{}, last: -1} }

// end records a task and what it put aside. It reports whether the task must now
// do what is left, and what all tasks put aside. A repeated attempt of the task
// that was told is told again; of a task that ended twice the first attempt's
// runs stay, since both hold the same rows.
func (y *tally) end(task, tasks int, aside [][]*spill.Run) (last bool, all [][]*spill.Run) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if _, before := y.ended[task]; !before {
		y.ended[task] = aside
	} else {
		for _, runs := range aside {
			drop(runs)
		}
	}
	if len(y.ended) < tasks || y.last >= 0 && y.last != task {
		return false, nil
	}
	y.last = task
	for i := range tasks {
		all = append(all, y.ended[i]...)
	}
	return true, all
}

// drop gives up runs, some of which may be nil.
func drop(runs []*spill.Run) {
	for _, r := range runs {
		if r != nil {
			r.Drop()
		}
	}
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
