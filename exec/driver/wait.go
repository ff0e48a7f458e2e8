package driver

import (
	"time"

	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/internal/diag"
)

// watchIdle hurries stages that wait for runtime filters when slots have been idle
// for too long meanwhile.
func (d *Driver) watchIdle() {
	if !d.task.Idle() || len(d.dag.Waiting()) == 0 {
		if d.idle != nil {
			d.idle.Stop()
			d.idle = nil
		}
		return
	}
	if d.idle != nil || d.Patience < 0 {
		return
	}
	wait := d.Patience
	if wait == 0 {
		wait = time.Second
	}
	d.idle = time.AfterFunc(wait, func() {
		select {
		case d.inbox <- d.hurry:
		case <-d.done:
		}
	})
}

// hurry starts the stages that wait for runtime filters alone.
func (d *Driver) hurry() {
	d.idle = nil
	for _, id := range d.dag.Waiting() {
		d.dagStep(d.jobs[id], dag.Event{Hurry: &dag.Hurry{Job: id}})
	}
}

// watchPlaces tells the task scheduler the time when tasks have waited long enough
// for a better place than is free.
func (d *Driver) watchPlaces() {
	at, ok := d.task.Wake()
	if !ok || d.look != nil {
		return
	}
	d.look = time.AfterFunc(at-d.clock(), func() {
		select {
		case d.inbox <- func() {
			d.look = nil
			d.stepTasks(nil, task.Event{})
		}:
		case <-d.done:
		}
	})
}

// watchGrace ends all jobs when there is no executor for too long.
func (d *Driver) watchGrace() {
	if d.task.Executors() > 0 || d.grace != nil {
		return
	}
	wait := d.Grace
	if wait == 0 {
		wait = 30 * time.Second
	}
	d.grace = time.AfterFunc(wait, func() {
		select {
		case d.inbox <- func() {
			d.grace = nil
			if d.task.Executors() > 0 {
				return
			}
			for _, j := range d.inOrder() {
				d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: diag.New(diag.ClusterFailed, "there has been no executor for %s", wait).
					WithRemedy("start workers, or look into why they ended")}})
			}
		}:
		case <-d.done:
		}
	})
}
