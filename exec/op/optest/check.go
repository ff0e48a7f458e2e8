package optest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/exec/spill/spilltest"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Case is an operator under test.
type Case struct {
	// New makes the operator over its inputs.
	New func(inputs ...op.Operator) op.Operator
	// Tables are the rows of the inputs.
	Tables []*columnar.Batch
	// Ordered: the order of the rows is part of the result.
	Ordered bool
	// Tiny is a budget in bytes under which the operator must spill; 0 skips that.
	Tiny int64
	// StopsEarly: the operator may end before its inputs, and before they fail.
	StopsEarly bool
	// Want returns the expected rows, rendered; nil compares with the rows of full
	// batches in ample memory alone.
	Want func(tables []*columnar.Batch) []string
}

const ample = 1 << 30

// Check runs all variations of a case.
func Check(t *testing.T, c Case) {
	t.Helper()
	full := Shape{Rows: columnar.MaxRows}
	null := make([]*columnar.Batch, len(c.Tables))
	for i, b := range c.Tables {
		null[i] = allNull(b)
	}
	for k, tables := range [][]*columnar.Batch{c.Tables, null} {
		want, _, err := c.run(tables, full, ample, 0)
		if err != nil {
			t.Fatal(err)
		}
		if c.Want != nil {
			compare(t, "the expected rows", c.want(tables), want)
		}
		for _, n := range []int{1, 3, 3000} {
			few := tables
			exact := want
			if n < 1000 && tables[0].Rows > 600 { // rows one by one take long
				few = heads(tables, 600)
				if exact, _, err = c.run(few, full, ample, 0); err != nil {
					t.Fatal(err)
				}
			}
			for _, selection := range []bool{false, true} {
				for enc := columnar.Flat; enc <= columnar.Const; enc++ {
					s := Shape{Rows: n, Selection: selection, Encoding: enc}
					got, _, err := c.run(few, s, ample, n)
					if err != nil {
						t.Fatalf("%+v: %v", s, err)
					}
					compare(t, fmt.Sprintf("%+v", s), exact, got)
				}
			}
		}
		if c.Tiny > 0 {
			for _, s := range []Shape{full, {Rows: 700, Selection: true, Encoding: columnar.Dict}} {
				got, spilled, err := c.run(tables, s, c.Tiny, 0)
				if err != nil {
					t.Fatalf("with %d bytes: %v", c.Tiny, err)
				}
				if spilled == 0 && k == 0 {
					t.Errorf("nothing is spilled with %d bytes", c.Tiny)
				}
				compare(t, fmt.Sprintf("%+v with %d bytes", s, c.Tiny), want, got)
			}
		}
	}
	c.ends(t)
}

func (c *Case) want(tables []*columnar.Batch) []string {
	rows := c.Want(tables)
	if !c.Ordered {
		slices.Sort(rows)
	}
	return rows
}

// ends runs what does not come to a regular end.
func (c *Case) ends(t *testing.T) {
	t.Helper()
	for at := range 4 {
		for _, budget := range []int64{ample, c.Tiny} {
			if budget == 0 {
				continue
			}
			x := newRig(budget, 0)
			root, inputs := c.operator(c.Tables, Shape{Rows: 1000, FailAt: at + 1})
			err := root.Open(x.ctx, x.task)
			for err == nil {
				_, err = root.Next(x.ctx)
			}
			if !errors.Is(err, ErrInput) && !(c.StopsEarly && errors.Is(err, io.EOF)) {
				t.Errorf("the input fails at its call %d: %v", at+1, err)
			}
			x.close(t, root, inputs)

			x = newRig(budget, 0)
			root, inputs = c.operator(c.Tables, Shape{Rows: columnar.MaxRows})
			err = root.Open(x.ctx, x.task)
			for i := 0; i < at && err == nil; i++ {
				_, err = root.Next(x.ctx)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			x.close(t, root, inputs)
		}
	}
	root, _ := c.operator(c.Tables, Shape{Rows: 10})
	if err := root.Close(); err != nil { // before Open
		t.Errorf("Close before Open: %v", err)
	}
	if c.Tiny == 0 {
		return
	}
	x := newRig(c.Tiny, 0)
	x.space.Limit = 1 // the first chunk is too much
	root, inputs := c.operator(c.Tables, Shape{Rows: columnar.MaxRows})
	err := root.Open(x.ctx, x.task)
	for err == nil {
		_, err = root.Next(x.ctx)
	}
	if diag.ClassOf(err) != diag.SpillFailed {
		t.Errorf("a full device: %v", err)
	}
	x.close(t, root, inputs)

	x = newRig(c.Tiny, 0)
	ctx, cancel := context.WithCancel(x.ctx)
	root, inputs = c.operator(c.Tables, Shape{Rows: columnar.MaxRows})
	if err = root.Open(ctx, x.task); err == nil {
		cancel()
		for err == nil {
			_, err = root.Next(ctx)
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
	cancel()
	x.close(t, root, inputs)
	c.faults(t)
}

// faults fails a call to the disk halfway through, after a run that counts them.
func (c *Case) faults(t *testing.T) {
	t.Helper()
	calls := make([]int64, spilltest.Kinds)
	for k := -1; k < spilltest.Kinds; k++ {
		if k >= 0 && calls[k] == 0 {
			continue // nothing is read back
		}
		f := &spilltest.Faults{}
		x := newRig(c.Tiny, 0)
		f.Install(x.space)
		if k >= 0 {
			f.Arm(spilltest.Kind(k), (calls[k]+1)/2, true)
		}
		root, inputs := c.operator(c.Tables, Shape{Rows: columnar.MaxRows})
		err := root.Open(x.ctx, x.task)
		for err == nil {
			_, err = root.Next(x.ctx)
		}
		for i := range calls {
			calls[i] = max(calls[i], f.Calls(spilltest.Kind(i)))
		}
		if fails := diag.ClassOf(err) == diag.SpillFailed; f.Disarm() != fails || fails != (k >= 0) {
			t.Errorf("fault %d: %v", k, err)
		}
		x.close(t, root, inputs)
		if n := f.Files(); n != 0 {
			t.Errorf("fault %d: %d files are open", k, n)
		}
	}
}

func heads(tables []*columnar.Batch, n int) []*columnar.Batch {
	out := make([]*columnar.Batch, len(tables))
	for i, b := range tables {
		h := *b
		h.Rows = min(n, b.Rows)
		out[i] = &h
	}
	return out
}

// operator builds the operator over sources of a shape.
func (c *Case) operator(tables []*columnar.Batch, s Shape) (op.Operator, []*Source) {
	var inputs []*Source
	var ops []op.Operator
	for _, b := range tables {
		x := NewSource(b, s)
		inputs, ops = append(inputs, x), append(ops, x)
	}
	return c.New(ops...), inputs
}

// run returns the operator's rows, rendered, and the bytes that were spilled.
func (c *Case) run(tables []*columnar.Batch, s Shape, budget int64, batchRows int) (rows []string, spilled int64, err error) {
	x := newRig(budget, batchRows)
	root, inputs := c.operator(tables, s)
	err = root.Open(x.ctx, x.task)
	for err == nil {
		var b *columnar.Batch
		if b, err = root.Next(x.ctx); err == nil {
			if b.Selected() == 0 {
				return nil, 0, errors.New("a batch without rows") // O2
			}
			if b.Rows > columnar.MaxRows {
				return nil, 0, fmt.Errorf("a batch of %d rows", b.Rows)
			}
			rows = rowsOf(b, rows)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	spilled = x.task.Spill.Spilled() + x.task.Shared.Spill.Spilled()
	if left := x.end(root, inputs); left != "" && err == nil {
		err = errors.New(left)
	}
	if !c.Ordered {
		slices.Sort(rows)
	}
	return rows, spilled, err
}

// rig is what a task runs in.
type rig struct {
	ctx    context.Context
	broker *memory.Broker
	space  *spill.Space
	task   *op.TaskContext
}

func newRig(budget int64, batchRows int) *rig {
	if batchRows < 1 || batchRows > columnar.MaxRows {
		batchRows = columnar.MaxRows
	}
	x := &rig{ctx: context.Background(), broker: memory.NewBroker(budget), space: spill.NewSpace("")}
	x.task = &op.TaskContext{Memory: x.broker.Reserve("task", 0), Spill: x.space.File(), BatchRows: batchRows, Slots: 1, Tasks: 1,
		Zone: time.UTC, Leaves: map[int]op.Assignment{}, Filters: &op.Filters{}, Stage: "stage",
		Shared: &op.Shared{Memory: x.broker.Reserve("stage", 0), Spill: x.space.File()}}
	return x
}

// end closes everything twice and tells what is left.
func (x *rig) end(root op.Operator, inputs []*Source) string {
	var left []string
	for range 2 {
		if err := root.Close(); err != nil {
			left = append(left, "Close: "+err.Error())
		}
	}
	for i, s := range inputs {
		if !s.Closed() {
			left = append(left, fmt.Sprintf("input %d is not closed", i)) // O3
		}
	}
	x.task.Shared.Close()
	for what, r := range map[string]memory.Reservation{"task": x.task.Memory, "stage": x.task.Shared.Memory} {
		if n := r.Held(); n != 0 {
			left = append(left, fmt.Sprintf("%d bytes are still reserved by the %s", n, what))
		}
		r.Close()
	}
	if err := x.space.Close(); err != nil || x.space.Live() != 0 {
		left = append(left, fmt.Sprintf("spilled: %d bytes live, %v", x.space.Live(), err))
	}
	return strings.Join(left, "; ")
}

func (x *rig) close(t *testing.T, root op.Operator, inputs []*Source) {
	t.Helper()
	if left := x.end(root, inputs); left != "" {
		t.Error(left)
	}
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Fatalf("%s: %d rows, want %d; row %d is\n%s, want\n%s", what, len(got), len(want), i, short(got[i]), short(want[i]))
		}
	}
	t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
}

func short(s string) string { return s[:min(len(s), 300)] }

// Rows runs an operator to its end in a budget and returns its rows, rendered, as
// they come.
func Rows(t *testing.T, root op.Operator, budget int64) []string {
	t.Helper()
	rows, err := Try(root, budget)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Try is Rows of an operator that may fail.
func Try(root op.Operator, budget int64) ([]string, error) {
	c := Case{Ordered: true, New: func(...op.Operator) op.Operator { return root }}
	rows, _, err := c.run(nil, Shape{}, budget, 0)
	return rows, err
}

// Same compares rows, in any order.
func Same(t *testing.T, what string, want, got []string) {
	t.Helper()
	want, got = slices.Clone(want), slices.Clone(got)
	slices.Sort(want)
	slices.Sort(got)
	compare(t, what, want, got)
}

// Render renders the rows of a batch that count.
func Render(b *columnar.Batch) []string { return rowsOf(b, nil) }
