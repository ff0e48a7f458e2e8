package driver

import (
	"maps"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/allocate"
)

// sizing has as many executors as the tasks need (package allocate), of a backend that
// can have more and fewer.
type sizing struct {
	state   *allocate.State
	backend cluster.Elastic
	wanted  int  // what the backend was told, 0 if nothing yet: it replaces none that is lost
	soon    bool // a look is due
	looked  bool // the event that was taken in is a look
	timer   *time.Timer
}

// settle is how long a look waits for what else happens.
const settle = 20 * time.Millisecond

// watchSize looks again soon after something happened.
func (d *Driver) watchSize() {
	s := d.sizing
	switch {
	case s == nil || s.soon:
	case s.looked:
		s.looked = false
	default:
		s.soon = true
		d.lookIn(settle)
	}
}

func (d *Driver) lookIn(wait time.Duration) {
	if d.sizing.timer != nil {
		d.sizing.timer.Stop()
	}
	d.sizing.timer = time.AfterFunc(wait, func() {
		select {
		case d.inbox <- d.size:
		case <-d.done:
		}
	})
}

// size compares the executors that there are with what tasks need.
func (d *Driver) size() {
	s := d.sizing
	s.soon, s.looked = false, true
	v := allocate.View{Now: d.clock(), Waiting: d.task.Startable(), Running: d.task.Running()}
	busy := map[exec.ExecutorID]bool{}
	for _, j := range d.jobs {
		for _, on := range j.running {
			busy[on] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.sizes)) {
		v.Executors = append(v.Executors, allocate.Executor{ID: id, Busy: busy[id], Keeps: d.Datasets.Registry.Alone(string(id))})
	}
	x := s.state.Step(v)
	if x.Want != s.wanted {
		s.wanted = x.Want
		s.backend.Want(x.Want)
	}
	for _, id := range x.Leave {
		d.asked[id] = true
	}
	if x.Wake > 0 {
		d.lookIn(x.Wake - v.Now)
	}
}
