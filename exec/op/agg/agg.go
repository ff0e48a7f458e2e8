package agg

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// A partial aggregation emits its groups when there are flushGroups of them.
const flushGroups = 64 << 10

type aggregate struct {
	node    *physical.Aggregate
	child   op.Operator
	program *eval.Program
	columns []int // input per expression of exprs: child's column, or −1−i for the i-th computed
	calls   []call
	table   *table
	scratch *memory.Scratch
	memory  memory.Reservation
	held    int64
	rows    int

	input     []columnar.Vector // expressions of the current batch
	rowsIn    int64             // since the last flush
	done      bool
	emit      int // next group to emit
	emitting  bool
	out       columnar.Batch
	masked    []uint32
	vectors   []*columnar.Vector
	arguments []columnar.Vector
}

// call is one aggregate: its state and where its arguments (or states) lie
// among the inputs.
type call struct {
	physical.AggCall
	state  state
	args   []int
	filter int // −1: none
}

// New returns the operator of a node.
func New(n *physical.Aggregate, child op.Operator) op.Operator {
	return &aggregate{node: n, child: child}
}

func (a *aggregate) Open(ctx context.Context, t *op.TaskContext) error {
	a.memory = t.Memory.Child("aggregate")
	a.scratch = memory.NewScratch(a.memory)
	a.rows = t.BatchRows
	n := a.node
	var computed []expr.Expr
	add := func(e expr.Expr) int {
		if c, ok := e.(*expr.Column); ok {
			a.columns = append(a.columns, c.Index)
		} else {
			a.columns = append(a.columns, -1-len(computed))
			computed = append(computed, e)
		}
		return len(a.columns) - 1
	}
	var fields []columnar.Field
	for _, k := range n.Keys {
		add(k)
		fields = append(fields, columnar.Field{Type: k.Type(), Nullable: k.Nullable()})
	}
	at := len(n.Keys)
	for _, c := range n.Aggs {
		s, err := newState(c)
		if err != nil {
			return err
		}
		x := call{AggCall: c, state: s, filter: -1}
		if n.Mode == physical.AggFinal {
			types, _ := physical.StateTypes(c)
			for range types {
				a.columns = append(a.columns, at)
				x.args = append(x.args, len(a.columns)-1)
				at++
			}
		} else {
			for _, e := range c.Args {
				x.args = append(x.args, add(e))
			}
			if c.Filter != nil {
				x.filter = add(c.Filter)
			}
		}
		a.calls = append(a.calls, x)
	}
	var err error
	if a.program, err = eval.Compile(computed, t.EvalOptions()); err != nil {
		return err
	}
	a.table = newTable(fields)
	a.input = make([]columnar.Vector, len(a.columns))
	a.masked = make([]uint32, columnar.MaxRows)
	a.out = columnar.Batch{Schema: n.Out}
	return a.child.Open(ctx, t)
}

func (a *aggregate) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if a.emitting {
			if b, err := a.groups(); b != nil || err != nil {
				return b, err
			}
			a.emitting = false
			a.restart()
		}
		if a.done {
			return nil, io.EOF
		}
		b, err := a.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			a.finish()
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := a.consume(ctx, b); err != nil {
			return nil, err
		}
	}
}

// finish starts emitting what is left.
func (a *aggregate) finish() {
	a.done = true
	if len(a.node.Keys) == 0 {
		if a.node.Mode == physical.AggPartial && a.rowsIn == 0 {
			return // the final side makes the empty group
		}
		a.growStates()
	}
	a.emitting, a.emit = a.table.groups() > 0, 1
}

func (a *aggregate) restart() {
	a.table.reset()
	for i := range a.calls {
		a.calls[i].state.reset()
	}
	a.rowsIn = 0
}

func (a *aggregate) growStates() {
	for i := range a.calls {
		a.calls[i].state.grow(a.table.n)
	}
}

func (a *aggregate) consume(ctx context.Context, b *columnar.Batch) error {
	a.scratch.Reset()
	if b.Sel != nil && len(b.Sel)*2 < b.Rows {
		b = kernel.Compact(b, a.scratch)
	}
	computed, err := a.program.Eval(b, a.scratch)
	if err != nil {
		return err
	}
	for i, c := range a.columns {
		if c >= 0 {
			a.input[i] = b.Cols[c]
		} else {
			a.input[i] = computed[-1-c]
		}
	}
	a.vectors = a.vectors[:0]
	for i := range a.node.Keys {
		a.vectors = append(a.vectors, &a.input[i])
	}
	a.rowsIn += int64(b.Selected())
	groups := a.table.assign(a.vectors, b.Rows, b.Sel, a.scratch)
	a.growStates()
	for i := range a.calls {
		a.update(&a.calls[i], groups, b.Rows)
	}
	if a.node.Mode == physical.AggPartial && len(a.node.Keys) > 0 && a.table.groups() >= flushGroups {
		a.emitting, a.emit = true, 1
		return nil
	}
	return a.account(ctx)
}

// account reserves what tables and states hold now.
func (a *aggregate) account(ctx context.Context) error {
	n := a.table.bytes()
	for i := range a.calls {
		n += a.calls[i].state.bytes()
	}
	if n <= a.held {
		return nil
	}
	if err := op.Reserve(ctx, a.memory, n-a.held, "an aggregation"); err != nil {
		return err
	}
	a.held = n
	return nil
}

// update adds the rows of the current inputs to one call's states.
func (a *aggregate) update(c *call, groups []uint32, rows int) {
	a.arguments = a.arguments[:0]
	masked := false
	mask := func(v *columnar.Vector, isFilter bool) {
		if !masked {
			copy(a.masked[:rows], groups)
			groups, masked = a.masked[:rows], true
		}
		switch {
		case v.Type.Kind == columnar.Null:
			clear(groups)
			return
		case v.Valid != nil:
			if v.Enc == columnar.Const {
				if !v.Valid.Get(0) {
					clear(groups)
				}
				break
			}
			for i := range groups {
				if v.Valid[i>>3]>>(i&7)&1 == 0 {
					groups[i] = 0
				}
			}
		}
		if isFilter {
			f := kernel.Flatten(v, a.scratch)
			for i := range groups {
				if !f.Bits().Get(i) {
					groups[i] = 0
				}
			}
		}
	}
	if c.filter >= 0 {
		mask(&a.input[c.filter], true)
	}
	respectNulls := c.Fn == "first" || c.Fn == "last"
	for j, at := range c.args {
		v := &a.input[at]
		if v.HasNulls() && !respectNulls && (a.node.Mode != physical.AggFinal || j == 0) {
			mask(v, false)
		}
		switch {
		case c.Fn == "count" && a.node.Mode != physical.AggFinal:
			a.arguments = append(a.arguments, *v) // only nulls matter
		case v.Enc == columnar.Flat:
			a.arguments = append(a.arguments, *v)
		default:
			a.arguments = append(a.arguments, kernel.Flatten(v, a.scratch))
		}
		if v.Type.Kind == columnar.Null && c.Fn != "count" && !respectNulls {
			return // every row is null
		}
	}
	if a.node.Mode == physical.AggFinal {
		c.state.merge(a.arguments, groups)
	} else {
		c.state.update(a.arguments, groups)
	}
}

// groups returns the next batch of groups, nil when there are no more.
func (a *aggregate) groups() (*columnar.Batch, error) {
	n := min(a.table.n-a.emit, max(1, min(a.rows, columnar.MaxRows)))
	if n <= 0 {
		return nil, nil
	}
	cols := a.table.columns(a.emit, n, a.out.Cols[:0])
	for i := range a.calls {
		s := a.calls[i].state
		if a.node.Mode == physical.AggPartial {
			vs, err := s.states(a.emit, n)
			if err != nil {
				return nil, err
			}
			cols = append(cols, vs...)
			continue
		}
		v, err := s.result(a.emit, n)
		if err != nil {
			return nil, err
		}
		cols = append(cols, v)
	}
	for i := range cols {
		cols[i].Stable = true // made for this batch alone
	}
	a.emit += n
	a.out.Cols, a.out.Rows = cols, n
	b := a.out
	return &b, nil
}

func (a *aggregate) Close() error {
	err := a.child.Close()
	if a.scratch != nil {
		a.scratch.Close()
	}
	if a.memory != nil {
		a.memory.Close()
	}
	a.table, a.calls = nil, nil
	return err
}
