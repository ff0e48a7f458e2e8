package driver_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/clustertest"
	"github.com/millrace-engine/millrace/exec/cluster/local"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// numbers is a connector whose table has splits of 1000 rows: n and n mod 10.
type numbers struct {
	splits int
	reads  atomic.Int64
	// hook, if set, is called before each batch of a split.
	hook func(ctx context.Context, split, read int) error
}

var numbersSchema = columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type}, columnar.Field{Name: "n", Type: columnar.Int64Type})

func (*numbers) Name() string         { return "numbers" }
func (*numbers) Extensions() []string { return nil }
func (*numbers) Open(context.Context, catalog.TableRef) (connector.Table, error) {
	return nil, errors.New("not opened by path")
}

func (c *numbers) Splits(context.Context, catalog.Descriptor, connector.ScanRequest) ([]connector.Split, error) {
	var out []connector.Split
	for i := range c.splits {
		out = append(out, connector.Split{Data: binary.BigEndian.AppendUint32(nil, uint32(i)), Rows: 1000, Bytes: 1 << 20})
	}
	return out, nil
}

func (c *numbers) Scan(_ context.Context, _ catalog.Descriptor, split []byte, _ connector.ScanRequest) (connector.Reader, error) {
	return &numbersReader{c: c, split: int(binary.BigEndian.Uint32(split))}, nil
}

type numbersReader struct {
	c     *numbers
	split int
	at    int
}

func (r *numbersReader) Next(ctx context.Context) (*columnar.Batch, error) {
	if r.at == 10 {
		return nil, io.EOF
	}
	if r.c.hook != nil {
		if err := r.c.hook(ctx, r.split, int(r.c.reads.Add(1))); err != nil {
			return nil, err
		}
	}
	k, n := make([]int64, 100), make([]int64, 100)
	for i := range n {
		n[i] = int64(r.split*1000 + r.at*100 + i)
		k[i] = n[i] % 10
	}
	r.at++
	v := func(x []int64) columnar.Vector {
		return columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: len(x), Data: columnar.BytesOf(x)}
	}
	return &columnar.Batch{Schema: numbersSchema, Rows: 100, Cols: []columnar.Vector{v(k), v(n)}}, nil
}

func (*numbersReader) Close() error               { return nil }
func (*numbersReader) Stats() connector.ScanStats { return connector.ScanStats{RowsRead: 1000} }

func scanNumbers() *physical.Scan {
	return &physical.Scan{Name: "numbers", Table: catalog.Descriptor{Connector: "numbers"}, Columns: []int{0, 1}, Read: numbersSchema, Project: []int{0, 1}, Rows: -1}
}

// counted is SELECT k, count(*) FROM numbers GROUP BY k, over an exchange.
func counted(through int) physical.Plan {
	col := func(i int) expr.Expr {
		return &expr.Column{Index: i, Name: numbersSchema.Fields[i].Name, Typ: columnar.Int64Type}
	}
	var p physical.Plan = scanNumbers()
	for i := range through {
		p = &physical.Exchange{ID: i + 1, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: 3 + i, Keys: []int{0}}, Child: p, Rows: -1}
	}
	return &physical.Aggregate{Mode: physical.AggComplete, Keys: []expr.Expr{col(0)}, Groups: -1, Child: p,
		Aggs: []physical.AggCall{{Fn: "count", Result: columnar.Int64Type}},
		Out:  columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type}, columnar.Field{Name: "c", Type: columnar.Int64Type})}
}

type bench struct {
	t       *testing.T
	d       *driver.Driver
	broker  *memory.Broker
	tables  *numbers
	memory  *clustertest.Memory
	local   *local.Backend
	bus     *event.Bus
	stacks  atomic.Int64
	routine int
}

// start makes a driver over one executor in process, or over several.
func start(t *testing.T, executors, slots int, c *numbers) *bench {
	t.Helper()
	return startWith(t, executors, slots, 256<<20, c)
}

func startWith(t *testing.T, executors, slots int, budget int64, c *numbers) *bench {
	t.Helper()
	b := &bench{t: t, broker: memory.NewBroker(budget), tables: c, bus: &event.Bus{}, routine: runtime.NumGoroutine()}
	tracker, results := shuffle.NewTracker(), &driver.Results{}
	config := executor.Config{ID: "driver", Slots: slots, Broker: b.broker, Tables: connector.NewRegistry(c), Outputs: tracker, Results: results,
		Panics: func(exec.TaskID, any, []byte) { b.stacks.Add(1) }}
	var backend cluster.Backend
	if executors == 1 {
		b.local = local.New(config)
		backend = b.local
	} else {
		b.memory = clustertest.NewMemory(executors, config)
		backend = b.memory
	}
	b.d = driver.New(driver.Config{Backend: backend, Tables: config.Tables, Tracker: tracker, Results: results, Memory: b.broker, Bus: b.bus, Grace: 50 * time.Millisecond})
	t.Cleanup(b.stop)
	return b
}

// stop closes everything and looks for leaks: memory and goroutines.
func (b *bench) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if b.local != nil && b.local.Executor().Blocks() != 0 || b.memory != nil && b.memory.Blocks() != 0 {
		b.t.Error("blocks are left after the last job")
	}
	if err := b.d.Close(ctx); err != nil {
		b.t.Error(err)
	}
	if n := b.broker.Reserved(); n != 0 {
		b.t.Errorf("%d bytes are still reserved", n)
	}
	for i := 0; runtime.NumGoroutine() > b.routine; i++ {
		if i == 1000 {
			var stacks strings.Builder
			pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			b.t.Errorf("%d goroutines are left of %d:\n%s", runtime.NumGoroutine(), b.routine, stacks.String())
			break
		}
		runtime.Gosched()
		if i > 100 {
			<-time.After(time.Millisecond) // nothing tells of a goroutine's last instruction
		}
	}
}

func (b *bench) run(ctx context.Context, p physical.Plan) (*driver.Result, error) {
	g, err := stage.Cut(p)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.d.Run(ctx, driver.Query{Graph: g})
}

// rows returns a result's rows of two bigints, sorted.
func rows(r *driver.Result) [][2]int64 {
	var out [][2]int64
	for _, b := range r.Batches {
		for i := range b.Selected() {
			at := b.RowAt(i)
			out = append(out, [2]int64{b.Cols[0].Int64At(at), b.Cols[1].Int64At(at)})
		}
	}
	slices.SortFunc(out, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	return out
}

func (b *bench) expectCounts(r *driver.Result) {
	b.t.Helper()
	got := rows(r)
	if len(got) != 10 {
		b.t.Fatalf("got %v", got)
	}
	for k, row := range got {
		if row != [2]int64{int64(k), int64(b.tables.splits * 100)} {
			b.t.Fatalf("got %v for key %d of %d splits", row, k, b.tables.splits)
		}
	}
}

// SELECT 1 takes the same way as everything: encoded, scheduled, decoded, run.
func TestSelectOne(t *testing.T) {
	b := start(t, 1, 2, &numbers{})
	one := &physical.Values{Out: columnar.NewSchema(columnar.Field{Name: "1", Type: columnar.Int32Type}), Rows: [][]*expr.Literal{{expr.Lit(int64(1), columnar.Int32Type)}}}
	fastest := time.Hour
	for range 5 {
		begin := time.Now()
		r, err := b.run(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(begin))
		if len(r.Batches) != 1 || r.Batches[0].Rows != 1 || r.Batches[0].Cols[0].Int64At(0) != 1 {
			t.Fatalf("got %+v", r.Batches)
		}
		if want := (driver.Passes{StagesEncoded: 1, TasksEncoded: 1, DAGEvents: 2, TaskEvents: 3, TasksReported: 1}); r.Passes != want {
			t.Errorf("got %+v, want %+v", r.Passes, want)
		}
	}
	if fastest > 5*time.Millisecond {
		t.Errorf("SELECT 1 takes %s", fastest)
	}
	if x := b.local.Executor(); x.DecodedTasks != 5 {
		t.Errorf("the executor decoded %d tasks", x.DecodedTasks)
	}
}

// Rows go through one and two exchanges, over one executor and over three, and
// the statistics say what happened.
func TestExchanges(t *testing.T) {
	for _, executors := range []int{1, 3} {
		for _, through := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d executors %d exchanges", executors, through), func(t *testing.T) {
				b := start(t, executors, 2, &numbers{splits: 40})
				r, err := b.run(t.Context(), counted(through))
				if err != nil {
					t.Fatal(err)
				}
				b.expectCounts(r)
				if len(r.Stages) != through+1 {
					t.Fatalf("%d stages", len(r.Stages))
				}
				if op := r.Stages[0].Operators[0]; op.Rows != 40000 || op.RowsRead != 40000 {
					t.Errorf("the scan counted %+v", op)
				}
				if last := r.Stages[through]; last.Operators[0].Rows != 10 || last.Tasks != 2+through || last.Slowest < last.Fastest {
					t.Errorf("the last stage counted %+v", last)
				}
			})
		}
	}
}

// A task's error is the query's error, with its class; a panic is a bug of ours
// and ends its query alone. The session goes on after both.
func TestFailures(t *testing.T) {
	c := &numbers{splits: 20}
	b := start(t, 1, 2, c)
	for _, k := range []struct {
		name  string
		hook  func() error
		class diag.Class
	}{
		{"user error", func() error { return diag.New(diag.DivideByZero, "division by zero") }, diag.DivideByZero},
		{"wrapped", func() error { return fmt.Errorf("row 7: %w", diag.New(diag.CastInvalid, "not a number")) }, diag.CastInvalid},
		{"panic", func() error { panic("index out of range") }, diag.Internal},
		{"transient for ever", func() error { return errors.New("connection reset") }, diag.Internal},
	} {
		t.Run(k.name, func(t *testing.T) {
			c.hook = func(_ context.Context, split, _ int) error {
				if split == 13 {
					return k.hook()
				}
				return nil
			}
			_, err := b.run(t.Context(), counted(1))
			if diag.ClassOf(err) != k.class {
				t.Errorf("got %v, want class %s", err, k.class)
			}
			c.hook = nil
			r, err := b.run(t.Context(), counted(1))
			if err != nil {
				t.Fatal(err)
			}
			b.expectCounts(r)
		})
	}
	if b.stacks.Load() != 1 {
		t.Errorf("%d panics were logged", b.stacks.Load())
	}
}

// What may pass by itself is tried again, and no row comes twice.
func TestRetries(t *testing.T) {
	c := &numbers{splits: 20}
	failed := map[int]int{}
	var mu sync.Mutex
	c.hook = func(_ context.Context, split, _ int) error {
		mu.Lock()
		defer mu.Unlock()
		if split%7 == 3 && failed[split] < 3 {
			failed[split]++
			return errors.New("connection reset")
		}
		return nil
	}
	b := start(t, 1, 2, c)
	r, err := b.run(t.Context(), counted(1))
	if err != nil {
		t.Fatal(err)
	}
	b.expectCounts(r)
	if failed[3] != 3 || failed[10] != 3 || failed[17] != 3 {
		t.Errorf("the faults struck %v", failed)
	}
}

// A cancelled query stops, tells why, and releases everything (R3, R4).
func TestCancel(t *testing.T) {
	c := &numbers{splits: 20}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.hook = func(task context.Context, _, read int) error {
		if read < 5 {
			return nil
		}
		cancel()
		<-task.Done() // only Kill gets it out of here
		return task.Err()
	}
	b := start(t, 1, 2, c)
	if _, err := b.run(ctx, counted(1)); diag.ClassOf(err) != diag.Cancelled {
		t.Fatalf("got %v", err)
	}
	if _, err := b.run(ctx, counted(1)); diag.ClassOf(err) != diag.Cancelled {
		t.Fatalf("a query under a context that ended: %v", err)
	}
	c.hook = nil
	r, err := b.run(t.Context(), counted(2))
	if err != nil {
		t.Fatal(err)
	}
	b.expectCounts(r)
}

// Closing the session ends queries that run.
func TestCloseWhileRunning(t *testing.T) {
	c := &numbers{splits: 4}
	reading := make(chan struct{})
	var once sync.Once
	c.hook = func(task context.Context, _, _ int) error {
		once.Do(func() { close(reading) })
		<-task.Done()
		return task.Err()
	}
	b := start(t, 1, 2, c)
	failed := make(chan error)
	go func() {
		_, err := b.run(context.Background(), counted(1))
		failed <- err
	}()
	<-reading
	if err := b.d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; diag.ClassOf(err) != diag.Cancelled {
		t.Fatalf("got %v", err)
	}
	if _, err := b.run(t.Context(), counted(1)); diag.ClassOf(err) != diag.Cancelled {
		t.Fatalf("after Close: %v", err)
	}
}

// Queries at the same time keep apart.
func TestConcurrent(t *testing.T) {
	b := start(t, 1, 2, &numbers{splits: 10})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r, err := b.run(t.Context(), counted(1+i%2))
			if err != nil {
				t.Error(err)
			} else if got := rows(r); len(got) != 10 || got[3] != [2]int64{3, 1000} {
				t.Errorf("got %v", got)
			}
		})
	}
	wg.Wait()
}

// An executor dies with outputs that are needed, or all live and lose their
// blocks, which only readers notice. The answer is the same.
func TestLostOutputs(t *testing.T) {
	for _, how := range []string{"loud", "blocks"} {
		t.Run(how, func(t *testing.T) {
			c := &numbers{splits: 30}
			b := start(t, 3, 2, c)
			struck := 0
			p := counted(2)
			c.hook = func(_ context.Context, _, read int) error {
				switch { // late in the first stage, whose blocks nobody has read
				case read == 250 && how == "blocks":
					struck = b.memory.DropBlocks("x1") + b.memory.DropBlocks("x2") + b.memory.DropBlocks("x3")
				case read == 250 && b.memory.KillExecutor("x2", true):
					struck = 1
				}
				return nil
			}
			r, err := b.run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			b.expectCounts(r)
			if struck == 0 || c.reads.Load() <= 300 {
				t.Errorf("%d blocks were dropped, %d batches read: the fault did not strike", struck, c.reads.Load())
			}
		})
	}
}

// Without any executor jobs wait a bounded time and fail with the reason.
func TestNoExecutors(t *testing.T) {
	c := &numbers{splits: 30}
	b := start(t, 2, 1, c)
	c.hook = func(task context.Context, _, read int) error {
		if read == 20 {
			b.memory.KillExecutor("x1", true)
			b.memory.KillExecutor("x2", true)
		}
		return nil
	}
	_, err := b.run(t.Context(), counted(1))
	if diag.ClassOf(err) != diag.ClusterFailed {
		t.Fatalf("got %v", err)
	}
	c.hook = nil
	b.memory.AddExecutor("x3")
	r, err := b.run(t.Context(), counted(1))
	if err != nil {
		t.Fatal(err)
	}
	b.expectCounts(r)
}
