// Package accumulate is the operator that tells the driver of values in the rows
// that pass it: what a task adds to an accumulator of the session.
//
//	sum    varint rows · 8 bytes: int64, or the bits of a float64; nulls do not count
//	rows   per batch: length u32 · columnar/chunk of the values
//
// Invariants:
//
//   - A1 A task tells once, when it has succeeded; what failed attempts saw is
//     never told.
//
// It imports columnar, plan and exec/op, and is tested through the session.
package accumulate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// maxBytes bounds the values that one task tells, encoded.
const maxBytes = 16 << 20

// Operator passes rows on and keeps what they add.
type Operator struct {
	node    *physical.Accumulate
	child   op.Operator
	columns []int // position of the child's column per value, −1 = computed
	eval    *eval.Program
	schema  *columnar.Schema
	scratch *memory.Scratch
	memory  memory.Reservation

	rows  int64 // summed
	whole int64
	real  float64
	buf   []byte // of rows
}

// New returns the operator of a node.
func New(n *physical.Accumulate, child op.Operator) *Operator {
	return &Operator{node: n, child: child, schema: n.Values()}
}

// Open implements op.Operator.
func (a *Operator) Open(ctx context.Context, t *op.TaskContext) (err error) {
	a.memory = t.Memory.Child("accumulator")
	a.scratch = memory.NewScratch(a.memory)
	var computed []expr.Expr
	for _, e := range a.node.List {
		if c, ok := e.(*expr.Column); ok {
			a.columns = append(a.columns, c.Index)
			continue
		}
		a.columns, computed = append(a.columns, -1), append(computed, e)
	}
	if a.eval, err = eval.Compile(computed, t.EvalOptions()); err != nil {
		return err
	}
	return a.child.Open(ctx, t)
}

// Next implements op.Operator.
func (a *Operator) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := a.child.Next(ctx)
	if err != nil {
		return nil, err
	}
	a.scratch.Reset()
	vs, err := a.eval.Eval(b, a.scratch)
	if err != nil {
		return nil, err
	}
	values := &columnar.Batch{Schema: a.schema, Rows: b.Rows, Sel: b.Sel}
	for _, c := range a.columns {
		if c >= 0 {
			values.Cols = append(values.Cols, b.Cols[c])
		} else {
			values.Cols, vs = append(values.Cols, vs[0]), vs[1:]
		}
	}
	if a.node.Sum {
		return b, a.sum(values)
	}
	return b, a.keep(values)
}

// sum adds the selected values of the only column.
func (a *Operator) sum(b *columnar.Batch) error {
	v := &b.Cols[0]
	whole := v.Type.Kind == columnar.Int64
	for i := range b.Selected() {
		row := b.RowAt(i)
		if v.NullAt(row) {
			continue
		}
		a.rows++
		if !whole {
			a.real += v.Float64At(row)
			continue
		}
		x := v.Int64At(row)
		s := a.whole + x
		if (s > a.whole) != (x > 0) && x != 0 {
			return Overflow(a.node.Name)
		}
		a.whole = s
	}
	return nil
}

// Overflow is the error of a sum that leaves its type.
func Overflow(name string) error {
	return diag.New(diag.Overflow, "the sum of the accumulator %s is too large for bigint", name).WithRemedy("use a double accumulator")
}

// keep encodes the selected rows.
func (a *Operator) keep(b *columnar.Batch) error {
	at := len(a.buf)
	buf, err := chunk.Append(append(a.buf, 0, 0, 0, 0), b, chunk.LZ4)
	if err != nil {
		return err
	}
	more := len(buf) - at
	if len(buf) > maxBytes {
		return diag.New(diag.ResultTooLarge, "a task adds more than %d MiB to the accumulator %s", maxBytes>>20, a.node.Name).WithRemedy("accumulate less, or write the rows to files")
	}
	if !a.memory.TryGrow(int64(more)) {
		return diag.New(diag.MemoryLimit, "there is no memory for what the accumulator %s collects", a.node.Name).WithRemedy("accumulate less, or raise memory")
	}
	binary.LittleEndian.PutUint32(buf[at:], uint32(more-4))
	a.buf = buf
	a.rows += int64(b.Selected())
	return nil
}

// Update returns what the task adds.
func (a *Operator) Update() exec.Update {
	u := exec.Update{Accumulator: a.node.ID, Values: a.buf}
	if a.node.Sum {
		bits := uint64(a.whole)
		if a.schema.Fields[0].Type.Kind != columnar.Int64 {
			bits = math.Float64bits(a.real)
		}
		u.Values = binary.LittleEndian.AppendUint64(binary.AppendVarint(nil, a.rows), bits)
	}
	return u
}

// Close implements op.Operator.
func (a *Operator) Close() error {
	if a.scratch != nil {
		a.scratch.Close()
		a.memory.Close()
	}
	return a.child.Close()
}

var errMalformed = errors.New("accumulate: malformed update")

// DecodeSum reads the sum of a task: how many values were added, and the bits of
// their sum.
func DecodeSum(b []byte) (rows int64, bits uint64, err error) {
	rows, n := binary.Varint(b)
	if n <= 0 || rows < 0 || len(b) != n+8 {
		return 0, 0, fmt.Errorf("%w: a sum of %d bytes", errMalformed, len(b))
	}
	return rows, binary.LittleEndian.Uint64(b[n:]), nil
}

// DecodeRows calls f for each batch of the rows of a task.
func DecodeRows(b []byte, schema *columnar.Schema, f func(*columnar.Batch) error) error {
	for len(b) > 0 {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return fmt.Errorf("%w: rows", errMalformed)
		}
		n := int(binary.LittleEndian.Uint32(b))
		rows, err := chunk.Decode(b[4:4+n], schema)
		if err != nil {
			return err
		}
		if err := f(rows); err != nil {
			return err
		}
		b = b[4+n:]
	}
	return nil
}

var _ op.Operator = (*Operator)(nil)
