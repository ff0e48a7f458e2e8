package driver

import (
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/shuffle"
)

// ledgerID names what the tasks of a stage read of an exchange in an epoch.
type ledgerID struct {
	stage, exchange int
	epoch           uint64
}

// reconcile compares what a task that succeeded read of each partition with what
// the outputs registered hold, in the epoch that it was planned on: readers check
// each output against what they were told, this checks what they were told. A
// difference fails the task, which may be tried again.
func (d *Driver) reconcile(j *job, r *cluster.Report) *exec.Failure {
	for _, x := range r.Reads {
		want, _, exact, known := d.Tracker.Expected(j.id, x)
		if known && exact && want != x.Sum {
			return &exec.Failure{Kind: exec.Transient, Cause: mismatch(x, want)}
		}
	}
	return nil
}

// account adds up what a current attempt read of exchanges with so many partitions
// that the outputs do not tell what each holds. Once every partition has been read,
// all of it must add up to all that was written.
func (d *Driver) account(j *job, r *cluster.Report) {
	for _, x := range r.Reads {
		_, partitions, exact, known := d.Tracker.Expected(j.id, x)
		if !known || exact || x.Maps != nil {
			continue
		}
		id := ledgerID{r.Task.Stage, x.Exchange, x.Epoch}
		if j.ledgers == nil {
			j.ledgers = map[ledgerID]*shuffle.Ledger{}
		}
		if j.ledgers[id] == nil {
			j.ledgers[id] = &shuffle.Ledger{}
		}
		got, times, whole := j.ledgers[id].Add(x, partitions)
		if !whole {
			continue
		}
		want, _, _, _ := d.Tracker.Expected(j.id, shuffle.Read{Exchange: x.Exchange, Partition: shuffle.All, Epoch: x.Epoch})
		if want = want.Times(times); got != want {
			x.Partition, x.More, x.Sum = shuffle.All, 0, got
			d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: mismatch(x, want)}})
		}
	}
}

func mismatch(x shuffle.Read, want shuffle.Sum) error {
	if x.More > 0 {
		x.Partition = shuffle.All
	}
	return diag.New(diag.ShuffleDamaged, "%v", &shuffle.MismatchError{Exchange: x.Exchange, Map: -1, Partition: x.Partition, Want: want, Got: x.Sum}).
		WithRemedy("run the query again; if it fails again, look for a faulty machine")
}
