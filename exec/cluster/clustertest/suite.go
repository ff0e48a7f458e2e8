package clustertest

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// Run tests a backend: every task that is launched ends with one report, killed
// ones too; what it cannot read is a failure, not its end; Close leaves nothing.
func Run(t *testing.T, start func(executor.Config) cluster.Backend) {
	broker := memory.NewBroker(64 << 20)
	began := make(chan struct{}, 1)
	rows := &sink{rows: map[exec.TaskID][]*columnar.Batch{}}
	b := start(executor.Config{ID: "x", Slots: 2, Broker: broker, Tables: connector.NewRegistry(blocking{began}), Outputs: shuffle.NewTracker(), Results: rows})
	xs := b.Executors()
	if len(xs) == 0 || xs[0].Slots != 2 {
		t.Fatalf("executors %v", xs)
	}
	one := columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type})
	values := encode(t, &physical.Values{Out: one, Rows: [][]*expr.Literal{{expr.Lit(int64(7), columnar.Int64Type)}}})
	scan := encode(t, &physical.Scan{Table: catalog.Descriptor{Connector: "blocking"}, Columns: []int{0}, Read: one, Project: []int{0}, Rows: -1})
	launch := func(id exec.TaskID, st []byte, hash [32]byte) {
		d, err := wire.EncodeTask(&wire.TaskDescription{Job: id.Job, Stage: id.Stage, StageAttempt: id.StageAttempt, Task: id.Task, Attempt: id.Attempt, Tasks: 1, StageHash: hash, Leaves: []wire.LeafAssignment{{Split: []byte{}}}})
		if err != nil {
			t.Fatal(err)
		}
		b.Launch(xs[0].ID, id, d, st)
	}
	wait := func(id exec.TaskID) cluster.Report {
		t.Helper()
		select {
		case r := <-b.Events():
			if r.Task != id || r.Executor != xs[0].ID {
				t.Fatalf("a report of %s on %s, want %s", r.Task, r.Executor, id)
			}
			return r
		case <-time.After(10 * time.Second):
			t.Fatalf("no report of %s", id)
		}
		return cluster.Report{}
	}

	id := exec.TaskID{Job: 1}
	launch(id, values, wire.Hash(values))
	r := wait(id)
	if got := rows.of(id); r.Failure != nil || len(got) != 1 || got[0].Cols[0].Int64At(0) != 7 || len(r.Metrics) != 1 || r.Metrics[0].Rows != 1 {
		t.Errorf("a task ended with %+v and %d batches", r, len(got))
	}

	for i, bad := range []struct {
		stage []byte
		hash  [32]byte
	}{{values, [32]byte{1}}, {[]byte{0xff}, wire.Hash([]byte{0xff})}, {nil, wire.Hash(nil)}} {
		id := exec.TaskID{Job: 2, Stage: i}
		launch(id, bad.stage, bad.hash)
		if r := wait(id); r.Failure == nil || r.Failure.Kind != exec.Bug {
			t.Errorf("a stage that cannot be read ended with %+v", r.Failure)
		}
	}
	id = exec.TaskID{Job: 2, Stage: 9}
	b.Launch(xs[0].ID, id, []byte("no task"), values)
	if r := wait(id); r.Failure == nil || r.Failure.Kind != exec.Bug {
		t.Errorf("a task that cannot be read ended with %+v", r.Failure)
	}

	id = exec.TaskID{Job: 3}
	launch(id, scan, wire.Hash(scan))
	<-began
	b.Kill(exec.TaskID{Job: 3, Attempt: 1}) // another one
	b.Kill(id)
	b.Kill(id)
	if r := wait(id); r.Failure == nil || r.Failure.Kind != exec.Killed {
		t.Errorf("a killed task ended with %+v", r.Failure)
	}
	b.EndStage(exec.StageID{Job: 3})
	b.EndJob(3)

	launch(exec.TaskID{Job: 4}, scan, wire.Hash(scan)) // Close stops it
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range 2 {
		if err := b.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range b.Events() { // closed; the last report may still be in it
	}
	if broker.Reserved() != 0 {
		t.Errorf("%d bytes are reserved after Close", broker.Reserved())
	}
}

// sink keeps the rows of result stages.
type sink struct {
	mu   sync.Mutex
	rows map[exec.TaskID][]*columnar.Batch
}

func (s *sink) Push(_ context.Context, id exec.TaskID, b *columnar.Batch, _ func(bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[id] = append(s.rows[id], b)
	return nil
}

func (s *sink) of(id exec.TaskID) []*columnar.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[id]
}

func encode(t *testing.T, p physical.Plan) []byte {
	b, err := wire.EncodeStage(&stage.Stage{Root: p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// blocking is a connector whose readers say that they began and wait for the
// end of their task.
type blocking struct{ began chan struct{} }

func (blocking) Name() string         { return "blocking" }
func (blocking) Extensions() []string { return nil }
func (blocking) Open(context.Context, catalog.TableRef) (connector.Table, error) {
	return nil, errors.ErrUnsupported
}
func (blocking) Splits(context.Context, catalog.Descriptor, connector.ScanRequest) ([]connector.Split, error) {
	return nil, nil
}
func (c blocking) Scan(context.Context, catalog.Descriptor, []byte, connector.ScanRequest) (connector.Reader, error) {
	return c, nil
}
func (c blocking) Next(ctx context.Context) (*columnar.Batch, error) {
	select {
	case c.began <- struct{}{}:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil, errors.Join(ctx.Err(), io.ErrClosedPipe)
}
func (blocking) Close() error               { return nil }
func (blocking) Stats() connector.ScanStats { return connector.ScanStats{} }
