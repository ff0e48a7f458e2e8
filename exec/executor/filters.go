package executor

import (
	"fmt"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
)

// sentFilters are the runtime filters of a job that the driver published: they
// hold for every attempt of its stages.
type sentFilters struct {
	op.Filters
	memory memory.Reservation
}

// published returns the filters of a job that the driver published. e.mu is held.
func (e *Executor) published(job int) *sentFilters {
	s, ok := e.sent[job]
	if !ok {
		s = &sentFilters{memory: e.Broker.Reserve(fmt.Sprintf("job %d runtime filters", job), 0)}
		e.sent[job] = s
	}
	return s
}

// Publish makes a runtime filter visible to the tasks of a job. Where memory has
// no room for it, or it cannot be read, there is none: that changes no result.
func (e *Executor) Publish(job int, k exec.Keys) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, begun := e.shared[job]
	if _, late := e.sent[job]; !begun && !late { // it is over
		return
	}
	s := e.published(job)
	need := 8 * int64(len(k.Set)) // decoded
	if !s.memory.TryGrow(need) {
		return
	}
	defer s.memory.Shrink(need)
	set, err := keyset.Decode(k.Set)
	if err != nil {
		return
	}
	if f := set.Filter(s.memory); f != nil {
		s.Filters.Publish(k.Filter, f, false)
	}
}
