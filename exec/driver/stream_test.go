package driver_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// batchBytes is what a batch of the table of numbers holds.
const batchBytes = 1600

func (b *bench) stream(ctx context.Context, p physical.Plan, window int64) *driver.Stream {
	b.t.Helper()
	g, err := stage.Cut(p)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := b.d.Start(ctx, driver.Query{Graph: g, Window: window})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// read takes batches until the end and checks that the numbers come in order.
func read(s *driver.Stream, each func(next int64)) error {
	want := int64(0)
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Rows {
			if n := b.Cols[1].Int64At(i); n != want {
				return errors.New("the rows are not in order")
			}
			want++
		}
		if each != nil {
			each(want)
		}
	}
}

// A slow consumer stops the tasks: what they have made and it has not read is
// bounded, whichever the window, and all rows come in order.
func TestBackPressure(t *testing.T) {
	for _, window := range []int64{1, 10 * batchBytes, 1 << 30} {
		c := &numbers{splits: 40}
		b := start(t, 1, 2, c)
		made, most := atomic.Int64{}, int64(0)
		c.hook = func(context.Context, int, int) error { made.Add(100); return nil }
		s := b.stream(t.Context(), scanNumbers(), window)
		err := read(s, func(next int64) { most = max(most, made.Load()-next) })
		if err != nil {
			t.Fatal(err)
		}
		if made.Load() != 40000 {
			t.Fatalf("%d rows were made", made.Load())
		}
		// In the window, and a batch that each of two tasks cannot hand over, and the
		// next one that its scan may have begun.
		if bound := window/batchBytes*100 + 600; most > bound {
			t.Errorf("with a window of %d bytes %d rows waited, want %d at most", window, most, bound)
		}
	}
}

// Who stops reading ends the query: its tasks stop, and nothing is left (start
// looks for goroutines and reserved bytes).
func TestStopReading(t *testing.T) {
	c := &numbers{splits: 1000}
	b := start(t, 1, 2, c)
	for _, batches := range []int{0, 1, 20} {
		s := b.stream(t.Context(), scanNumbers(), 8*batchBytes)
		for range batches {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		s.Close()
		if n := b.broker.Reserved(); n != 0 {
			t.Errorf("%d bytes are reserved after Close", n)
		}
		if _, err := s.Next(); diag.ClassOf(err) != diag.Cancelled {
			t.Errorf("after Close: %v", err)
		}
	}
	if n := c.reads.Load(); n > 5000 {
		t.Errorf("%d batches were read of splits of 10000", n)
	}
}

// A context that ends while nobody reads cancels the query all the same.
func TestStreamCancel(t *testing.T) {
	b := start(t, 1, 2, &numbers{splits: 100})
	ctx, cancel := context.WithCancel(t.Context())
	s := b.stream(ctx, scanNumbers(), 8*batchBytes)
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for {
		if _, err := s.Next(); err != nil {
			if diag.ClassOf(err) != diag.Cancelled {
				t.Errorf("got %v", err)
			}
			break
		}
	}
}

// While the rows of one query wait to be read, other queries run: tasks that wait
// hold no slot.
func TestQueryInsideLoop(t *testing.T) {
	b := start(t, 1, 1, &numbers{splits: 10})
	s := b.stream(t.Context(), scanNumbers(), 1)
	inner := 0
	if err := read(s, func(next int64) {
		if next%1000 == 0 {
			r, err := b.run(t.Context(), counted(1))
			if err != nil {
				t.Fatal(err)
			}
			b.expectCounts(r)
			inner++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if inner != 10 {
		t.Errorf("%d queries ran inside", inner)
	}
}

// A task that fails after rows of it were given out runs again and skips them,
// where it yields the same rows in the same order; its rows never come twice.
func TestReplay(t *testing.T) {
	c := &numbers{splits: 16}
	struck := map[int]int{}
	var mu sync.Mutex
	seen := map[int]int{}
	c.hook = func(_ context.Context, split, _ int) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[split]++; seen[split]%7 == 0 && struck[split] < 3 {
			struck[split]++
			return errors.New("connection reset")
		}
		return nil
	}
	b := start(t, 1, 2, c)
	if err := read(b.stream(t.Context(), scanNumbers(), 1), nil); err != nil {
		t.Fatal(err)
	}
	for split := range 16 {
		if struck[split] == 0 {
			t.Errorf("the fault did not strike split %d", split)
		}
	}
}

// Where another run may yield other rows, the query fails if some are out, and
// recovers if none is.
func TestNoReplay(t *testing.T) {
	build := &physical.Values{Out: columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type}), Leaf: 1}
	for i := range int64(10) {
		build.Rows = append(build.Rows, []*expr.Literal{expr.Lit(i, columnar.Int64Type)})
	}
	join := func() physical.Plan { // its rows come in no order that a rerun must keep
		return &physical.HashJoin{Left: scanNumbers(), Right: &physical.Exchange{ID: 1, Partitioning: physical.Partitioning{Kind: physical.Broadcast, Count: 1}, Child: build, Rows: -1},
			LeftKeys: []expr.Expr{&expr.Column{Index: 0, Name: "k", Typ: columnar.Int64Type}}, RightKeys: []expr.Expr{&expr.Column{Index: 0, Name: "x", Typ: columnar.Int64Type}},
			Kind: logical.Inner, Shared: true, Out: columnar.NewSchema(append(append([]columnar.Field{}, numbersSchema.Fields...), build.Out.Fields...)...), NullSafe: []bool{false}, Output: []int{0, 1, 2}, BuildRows: 10}
	}
	for _, k := range []struct {
		window int64
		class  diag.Class
	}{{1, diag.ResultLost}, {1 << 30, ""}} {
		c := &numbers{splits: 192} // 12 to a task
		got := make(chan struct{})
		var seen atomic.Int64
		c.hook = func(task context.Context, split, _ int) error {
			if split != 11 || seen.Add(1) != 1 {
				return nil
			}
			if k.class != "" { // not before the consumer has some rows of the task
				select {
				case <-got:
				case <-task.Done():
				}
			}
			return errors.New("connection reset")
		}
		b := start(t, 1, 2, c)
		rows := 0
		s := b.stream(t.Context(), join(), k.window)
		var err error
		for err == nil {
			var x *columnar.Batch
			if x, err = s.Next(); err == nil {
				if rows == 0 {
					close(got)
				}
				rows += x.Rows
			}
		}
		if !errors.Is(err, io.EOF) && diag.ClassOf(err) != k.class || k.class == "" && rows != 192000 || k.class != "" && errors.Is(err, io.EOF) {
			t.Errorf("with a window of %d: %d rows, %v", k.window, rows, err)
		}
	}
}

// The budget is too small for the result that waits: the tasks wait, too, and the
// query ends well.
func TestStreamTinyBudget(t *testing.T) {
	b := startWith(t, 1, 2, 2<<20, &numbers{splits: 200})
	if err := read(b.stream(t.Context(), scanNumbers(), 1<<30), nil); err != nil {
		t.Fatal(err)
	}
}
