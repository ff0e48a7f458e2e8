package master

import (
	"slices"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// drain has a worker end once it is empty. It gets nothing more; the applications that
// have executors there get others elsewhere, as far as there is room, and are told to
// empty these. Drivers run to their end.
func (s *State) drain(w *worker) {
	w.draining = true
	s.tell(w.id, standalone.Drain, struct{}{})
	for _, a := range slices.Clone(s.apps) {
		for _, x := range slices.Clone(a.executors) {
			switch {
			case x.worker != w.id:
			case x.phase == placed: // its worker knows nothing of it
				x.phase = up
				s.gone(a, x, "its worker is to end")
			default:
				x.leaving = true
				s.empty(a, x)
			}
		}
	}
}

// empty tells an application to empty an executor that is to leave, if it has it.
func (s *State) empty(a *app, x *executor) {
	if x.leaving && x.reached && x.phase != stopping {
		s.inform(a, standalone.Empty, standalone.EmptyBody{N: x.n})
	}
}
