package clustertest

import (
	"context"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// Migrates tests a backend of two executors whose executors can leave: an output that
// was moved is read where it went, after the executor that made it was retired; what is
// not there is a failure of its move; nothing is left of moves of a job that ended.
func Migrates(t *testing.T, start func(n int, c executor.Config) cluster.Migrating) {
	broker, tracker := memory.NewBroker(64<<20), shuffle.NewTracker()
	rows := &sink{rows: map[exec.TaskID][]*columnar.Batch{}}
	b := start(2, executor.Config{ID: "x", Slots: 2, Broker: broker, Tables: connector.NewRegistry(), Outputs: tracker, Results: rows})
	xs := b.Executors()
	if len(xs) != 2 {
		t.Fatalf("executors %v", xs)
	}
	from, to := xs[0].ID, xs[1].ID
	wait := func() cluster.Report {
		t.Helper()
		select {
		case r := <-b.Events():
			return r
		case <-time.After(10 * time.Second):
			t.Fatal("no report")
		}
		return cluster.Report{}
	}
	one := columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type}, columnar.Field{Name: "s", Type: columnar.StringType})
	var values [][]*expr.Literal
	for i := range 100 {
		values = append(values, []*expr.Literal{expr.Lit(int64(i), columnar.Int64Type), expr.Lit("as text", columnar.StringType)})
	}
	g, err := stage.Cut(&physical.Exchange{ID: 1, Child: &physical.Values{Out: one, Rows: values}, Rows: -1,
		Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: 3, Keys: []int{0}}})
	if err != nil || len(g.Stages) != 2 {
		t.Fatalf("%d stages, %v", len(g.Stages), err)
	}
	launch := func(on exec.ExecutorID, id exec.TaskID, partition int) cluster.Report {
		t.Helper()
		st, err := wire.EncodeStage(g.Stages[id.Stage], nil)
		if err != nil {
			t.Fatal(err)
		}
		d := &wire.TaskDescription{Job: id.Job, Stage: id.Stage, Task: id.Task, Attempt: id.Attempt, Tasks: 3, StageHash: wire.Hash(st)}
		for _, g := range g.Stages[id.Stage].Drivers {
			for _, leaf := range g.Leaves() {
				d.Leaves = append(d.Leaves, wire.LeafAssignment{Leaf: leaf, Part: stage.One(partition)})
			}
		}
		for _, in := range g.Stages[id.Stage].Inputs {
			epoch, _ := tracker.Outputs(id.Job, in.Exchange)
			d.Epochs = append(d.Epochs, wire.ShuffleEpoch{Exchange: in.Exchange, Epoch: epoch})
		}
		encoded, err := wire.EncodeTask(d)
		if err != nil {
			t.Fatal(err)
		}
		b.Launch(on, id, encoded, st)
		r := wait()
		if r.Task != id || r.Failure != nil {
			t.Fatalf("%s ended as %+v", id, r)
		}
		return r
	}
	made := launch(from, exec.TaskID{Job: 1}, 0)
	tracker.Register(1, 1, *made.Status)
	read := func(id exec.TaskID) (n int) {
		for p := range 3 {
			id.Task = p
			launch(to, id, p)
			for _, batch := range rows.of(id) {
				n += batch.Selected()
			}
		}
		return n
	}
	if n := read(exec.TaskID{Job: 1, Stage: 1}); n != 100 {
		t.Fatalf("%d rows are read from afar", n)
	}

	move := cluster.Move{Job: 1, Exchange: 1, Output: *made.Status, Schema: one, To: to}
	gone := move
	gone.Output.Attempt = 7
	b.Move(gone)
	if r := wait(); r.Moved == nil || r.Moved.Output.Attempt != 7 || r.Failure == nil {
		t.Errorf("the move of an output that is not there ends as %+v", r)
	}
	b.Move(move)
	r := wait()
	if r.Moved == nil || r.Failure != nil || r.Executor != to || r.Moved.Block() != move.Block() {
		t.Fatalf("a move ends as %+v: %v", r, r.Failure)
	}
	before, _ := tracker.Outputs(1, 1)
	if !tracker.Move(1, 1, r.Moved.Output, string(to)) {
		t.Fatal("the tracker does not know what was moved")
	}
	if after, _ := tracker.Outputs(1, 1); after == before || shuffle.Contents(after) != shuffle.Contents(before) {
		t.Errorf("a move takes epoch %x to %x", before, after)
	}
	b.Retire(from)
	if r := wait(); !r.Lost || r.Executor != from {
		t.Fatalf("an executor that was retired: %+v", r)
	}
	if n := read(exec.TaskID{Job: 1, Stage: 1, Attempt: 1}); n != 100 {
		t.Errorf("%d rows are read after the move", n)
	}
	b.Move(cluster.Move{Job: 1, Exchange: 1, Output: *made.Status, Schema: one, To: to}) // of an executor that is gone
	if r := wait(); r.Moved == nil || r.Failure == nil {
		t.Errorf("a move from an executor that is gone ends as %+v", r)
	}
	b.EndJob(1)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if broker.Reserved() != 0 {
		t.Errorf("%d bytes are reserved after Close", broker.Reserved())
	}
}
