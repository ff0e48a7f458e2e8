package agg

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

type aggregate struct {
	node    *physical.Aggregate
	child   op.Operator
	program *eval.Program
	columns []int           // input per expression: child's column, or −1−i for the i-th computed
	byKeys  columnar.KeySet // the keys among the child's columns; nil if one is computed
	outKeys columnar.KeySet // the keys among the output's columns
	calls   []call
	table   *table
	scratch *memory.Scratch
	memory  memory.Reservation
	file    *spill.File
	held    int64
	rows    int

	input    []columnar.Vector // expressions of the current batch
	rowsIn   int64             // since the last restart
	batch    int               // rows of the last batch that count
	judged   bool              // a partial aggregation has looked whether it reduces
	pass     bool              // it does not: rows pass as groups of their own
	repeats  repeats           // of an eager aggregation
	done     bool              // the child has ended
	emit     int               // next group to emit
	emitting bool
	out      columnar.Batch
	masked   []uint32
	keys     []*columnar.Vector
	args     []columnar.Vector
	hash     []uint64
	spilled  overflow
	stored   *columnar.Schema // of spilled groups
	lists    bool             // there are lists among their states
	leaps    bool             // some states grow otherwise than by group
	alone    bool             // a spilled group is read that no partition parts
}

// call is one aggregate: its state and where its arguments lie among the inputs.
type call struct {
	physical.AggCall
	state   state
	args    []int // arguments, or states of a final aggregation
	states  []int // its states among the columns of an overflow
	filter  int   // −1: none
	tracked bool  // some row did not count
}

// New returns the operator of a node.
func New(n *physical.Aggregate, child op.Operator) op.Operator {
	return &aggregate{node: n, child: child}
}

func (a *aggregate) Open(ctx context.Context, t *op.TaskContext) error {
	a.memory = t.Memory.Child("aggregate")
	a.scratch = memory.NewScratch(a.memory)
	a.rows = t.BatchRows
	a.file = t.Spill
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
	place := len(n.Keys)
	for _, c := range n.Aggs {
		s, err := newState(c)
		if err != nil {
			return err
		}
		x := call{AggCall: c, state: s, filter: -1}
		types, _ := physical.StateTypes(c)
		for range types {
			x.states = append(x.states, place)
			place++
		}
		if n.Mode.FromStates() {
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
	for i := range a.calls {
		types, _ := physical.StateTypes(a.calls[i].AggCall)
		for _, t := range types {
			fields = append(fields, columnar.Field{Type: t, Nullable: true})
			a.lists = a.lists || t.IsNested()
			a.leaps = a.leaps || a.lists || a.calls[i].Foreign != nil
		}
	}
	a.stored = columnar.NewSchema(fields...)
	for i := range n.Keys {
		a.outKeys = append(a.outKeys, i)
		if c := a.columns[i]; c >= 0 && len(a.byKeys) == i {
			a.byKeys = append(a.byKeys, c)
		}
	}
	if len(a.byKeys) < len(n.Keys) {
		a.byKeys = nil
	}
	if len(n.Keys) == 0 { // the one group may stay without rows
		for i := range a.calls {
			a.calls[i].track(1)
		}
	}
	a.input = make([]columnar.Vector, len(a.columns))
	a.masked = make([]uint32, columnar.MaxRows)
	a.out = columnar.Batch{Schema: n.Out}
	return a.child.Open(ctx, t)
}

// track notes that a group may be without a row that counts.
func (c *call) track(fresh int) {
	if !c.tracked {
		c.tracked = true
		c.state.track(fresh)
	}
}

func (a *aggregate) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if a.emitting {
			if b, err := a.groups(); b != nil || err != nil {
				return b, err
			}
			a.emitting = false
			if a.lists || a.memory.Pressure() == memory.Critical {
				a.release()
			} else {
				a.restart()
			}
		}
		if a.done {
			more, err := a.refill(ctx)
			if err != nil {
				return nil, err
			}
			if !more {
				return nil, io.EOF
			}
			continue
		}
		b, err := a.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := a.finish(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		out, err := a.consume(ctx, b)
		if out != nil || err != nil {
			return out, err
		}
	}
}

// finish starts emitting what is left.
func (a *aggregate) finish(ctx context.Context) error {
	a.done = true
	if a.spilled.any() {
		return a.close(ctx)
	}
	if len(a.node.Keys) == 0 {
		if a.node.Mode.ToStates() && a.rowsIn == 0 {
			return nil // the final side makes the empty group
		}
		a.growStates()
	}
	a.start()
	return nil
}

// start begins emitting all groups.
func (a *aggregate) start() { a.emitting, a.emit = a.table.groups() > 0, 1 }

// restart forgets all groups and keeps their memory.
func (a *aggregate) restart() {
	a.table.reset()
	for i := range a.calls {
		a.calls[i].state.reset()
	}
	a.afresh()
}

// release is restart with all memory given back.
func (a *aggregate) release() {
	a.table.release()
	for i := range a.calls {
		a.calls[i].state, _ = newState(a.calls[i].AggCall) // it could be made before
	}
	a.memory.Shrink(a.held)
	a.held = 0
	a.afresh()
}

// afresh readies empty states.
func (a *aggregate) afresh() {
	a.rowsIn = 0
	a.growStates()
	for i := range a.calls {
		if a.calls[i].tracked {
			a.calls[i].state.track(1)
		}
	}
}

func (a *aggregate) growStates() {
	for i := range a.calls {
		a.calls[i].state.grow(a.table.n)
	}
}

// consume takes a batch of the child. It returns a batch if rows pass.
func (a *aggregate) consume(ctx context.Context, b *columnar.Batch) (*columnar.Batch, error) {
	if b.Selected() == 0 {
		return nil, nil
	}
	a.scratch.Reset()
	if b.Sel != nil && (a.pass || a.node.Mode == physical.AggEager || len(b.Sel)*2 < b.Rows) {
		b = kernel.Compact(b, a.scratch)
	}
	computed, err := a.program.Eval(b, a.scratch)
	if err != nil {
		return nil, err
	}
	for i, c := range a.columns {
		if c >= 0 {
			a.input[i] = b.Cols[c]
		} else {
			a.input[i] = computed[-1-c]
		}
	}
	a.keys, a.hash = a.keys[:0], nil
	for i := range a.node.Keys {
		a.keys = append(a.keys, &a.input[i])
	}
	if b.Hash != nil && a.byKeys != nil && b.HashOf.Equal(a.byKeys) {
		a.hash = b.Hash[:b.Rows]
	}
	if a.pass && a.node.Mode == physical.AggEager && !a.compare(b.Rows) {
		a.pass = false
		a.restart()
	}
	if a.pass {
		return a.passOn(b.Rows)
	}
	a.batch = b.Selected()
	a.rowsIn += int64(a.batch)
	sel, err := a.route(ctx, a.input, b.Rows, b.Sel)
	if err != nil || sel != nil && len(sel) == 0 {
		return nil, err
	}
	fresh := a.table.n
	groups := a.table.assign(a.keys, b.Rows, sel, func() []uint64 { return a.keyHash(b.Rows) }, a.scratch)
	a.growStates()
	for i := range a.calls {
		c := &a.calls[i]
		a.update(c, a.input, c.args, a.node.Mode.FromStates(), groups, fresh)
	}
	if (a.node.Mode == physical.AggPartial || a.node.Mode == physical.AggEager) && len(a.keys) > 0 && a.judge(groups) {
		a.start()
		return nil, nil
	}
	short, err := a.short(ctx)
	switch {
	case err != nil || !short:
		return nil, err
	case (a.node.Mode.ToStates() || a.node.Mode == physical.AggEager) && len(a.keys) > 0:
		a.start()
		return nil, nil
	}
	return nil, a.overflow(ctx)
}

// keyHash returns the key hash of the batch at hand.
func (a *aggregate) keyHash(rows int) []uint64 {
	if a.hash == nil {
		a.hash = memory.Slice[uint64](a.scratch, rows)
		for i, v := range a.keys {
			kernel.HashVector(v, a.hash, i > 0)
		}
	}
	return a.hash
}

// update adds rows of given groups to one call's states: its arguments lie at
// the given places of input, states if merging. Groups from fresh on are new.
func (a *aggregate) update(c *call, input []columnar.Vector, at []int, merging bool, groups []uint32, fresh int) {
	a.args = a.args[:0]
	masked := false
	mask := func(v *columnar.Vector, isFilter bool) {
		if !masked {
			c.track(fresh)
			copy(a.masked[:len(groups)], groups)
			groups, masked = a.masked[:len(groups)], true
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
	if c.filter >= 0 && !merging {
		mask(&input[c.filter], true)
	}
	respectNulls := c.Fn == "first" || c.Fn == "last"
	for j, place := range at {
		v := &input[place]
		if v.HasNulls() && !respectNulls && (!merging || j == 0) {
			mask(v, false)
		}
		switch {
		case c.Fn == "count" && !merging:
			a.args = append(a.args, *v) // only nulls matter
		case v.Enc == columnar.Flat:
			a.args = append(a.args, *v)
		default:
			a.args = append(a.args, kernel.Flatten(v, a.scratch))
		}
		if v.Type.Kind == columnar.Null && c.Fn != "count" && !respectNulls {
			return // every row is null
		}
	}
	if merging {
		c.state.merge(a.args, groups)
	} else {
		c.state.update(a.args, groups)
	}
}

// groups returns the next batch of groups, nil when there are no more.
func (a *aggregate) groups() (*columnar.Batch, error) {
	n := a.fit(a.emit, max(1, min(a.rows, columnar.MaxRows)))
	if n <= 0 {
		return nil, nil
	}
	b, err := a.columnsOf(a.emit, n, a.node.Mode.ToStates())
	if err != nil {
		return nil, err
	}
	b.Schema = a.node.Out
	a.emit += n
	return b, nil
}

// fit returns how many groups from one on are emitted at a time, up to most: fewer
// where their lists, which are copied, are long.
func (a *aggregate) fit(from, most int) int {
	n := min(a.table.n-from, most)
	for i := range a.calls {
		if s, ok := a.calls[i].state.(*listState); ok {
			n = s.fit(from, n)
		}
	}
	return n
}

// columnsOf returns groups from … from+n−1 with their states or results.
func (a *aggregate) columnsOf(from, n int, states bool) (*columnar.Batch, error) {
	cols := a.table.output(from, n, a.out.Cols[:0])
	for i := range a.calls {
		var err error
		if cols, err = a.outputs(&a.calls[i], cols, from, n, states); err != nil {
			return nil, err
		}
	}
	a.out = columnar.Batch{Cols: cols, Rows: n}
	if len(a.outKeys) > 0 {
		a.out.Hash, a.out.HashOf = a.table.hashes[from:from+n], a.outKeys
	}
	b := a.out
	return &b, nil
}

// outputs appends a call's states or results of n groups to cols.
func (a *aggregate) outputs(c *call, cols []columnar.Vector, from, n int, states bool) ([]columnar.Vector, error) {
	if states {
		vs, err := c.state.states(from, n)
		return append(cols, vs...), err
	}
	v, err := c.state.result(from, n)
	return append(cols, v), err
}

// Usage implements op.Accountant.
func (a *aggregate) Usage() (peak, spilled int64) {
	if a.memory != nil {
		peak = a.memory.Peak()
	}
	return peak, a.spilled.bytes
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
	a.done, a.emitting = true, false
	return err
}
