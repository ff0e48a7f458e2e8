// Package sort holds the operators that order rows: sort, TopN and the merge of
// sorted runs.
package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// keyer computes the sort keys of batches.
type keyer struct {
	keys    []row.Key
	program *eval.Program
}

func newKeyer(order []expr.SortOrder, o eval.Options) (*keyer, error) {
	k := &keyer{}
	es := make([]expr.Expr, len(order))
	for i, s := range order {
		es[i] = s.Expr
		k.keys = append(k.keys, row.Key{Desc: s.Desc, NullsLast: s.NullsLast})
	}
	var err error
	k.program, err = eval.Compile(es, o)
	return k, err
}

// encode returns the keys of all rows of a batch.
func (k *keyer) encode(b *columnar.Batch, s *memory.Scratch) (*row.Keys, error) {
	vs, err := k.program.Eval(b, s)
	if err != nil {
		return nil, err
	}
	return row.Encode(k.keys, vs, b.Rows), nil
}

func types(s *columnar.Schema) []columnar.Type {
	out := make([]columnar.Type, s.Len())
	for i, f := range s.Fields {
		out[i] = f.Type
	}
	return out
}

// rows yields rows of a long batch in an order.
type rows struct {
	all     *columnar.Batch
	order   []uint32
	dicts   []*columnar.Dictionary // per flat string column: its values, so that they are not copied
	at      int
	size    int
	scratch *memory.Scratch
	out     columnar.Batch
}

func newRows(all *columnar.Batch, order []uint32, size int, s *memory.Scratch) *rows {
	r := &rows{all: all, order: order, size: max(1, min(size, columnar.MaxRows)), scratch: s, dicts: make([]*columnar.Dictionary, len(all.Cols))}
	for i := range all.Cols {
		if v := &all.Cols[i]; v.Enc == columnar.Flat && v.Type.IsBytes() && v.Len > 0 {
			plain := *v
			plain.Valid = nil
			r.dicts[i] = &columnar.Dictionary{Values: plain}
		}
	}
	r.out = columnar.Batch{Schema: all.Schema, Cols: make([]columnar.Vector, len(all.Cols))}
	return r
}

func (r *rows) next() (*columnar.Batch, error) {
	n := min(r.size, len(r.order)-r.at)
	if n <= 0 {
		return nil, io.EOF
	}
	pick := r.order[r.at : r.at+n]
	r.at += n
	r.scratch.Reset()
	for i := range r.all.Cols {
		v := &r.all.Cols[i]
		if d := r.dicts[i]; d != nil {
			r.out.Cols[i] = kernel.IndirectTo(d, v.Valid, pick, r.scratch)
		} else {
			r.out.Cols[i] = kernel.Take(v, pick, r.scratch)
		}
	}
	r.out.Rows = n
	return &r.out, nil
}

type sorter struct {
	node    *physical.Sort
	child   op.Operator
	keys    *keyer
	scratch *memory.Scratch
	memory  memory.Reservation
	size    int
	sorted  *rows
}

// NewSort returns the operator that orders a task's rows.
func NewSort(n *physical.Sort, child op.Operator) op.Operator { return &sorter{node: n, child: child} }

func (s *sorter) Open(ctx context.Context, t *op.TaskContext) (err error) {
	s.memory = t.Memory.Child("sort")
	s.scratch = memory.NewScratch(s.memory)
	s.size = t.BatchRows
	if s.keys, err = newKeyer(s.node.Order, t.EvalOptions()); err != nil {
		return err
	}
	return s.child.Open(ctx, t)
}

func (s *sorter) Next(ctx context.Context) (*columnar.Batch, error) {
	if s.sorted == nil {
		a := kernel.NewAppender(types(s.node.Child.Schema()), s.memory)
		for {
			b, err := s.child.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if err := add(ctx, a, b, s.memory); err != nil {
				return nil, err
			}
		}
		all := a.Take(s.node.Child.Schema())
		k, err := encodeLong(s.keys, all, s.scratch)
		if err != nil {
			return nil, err
		}
		s.sorted = newRows(all, k.Sort(), s.size, s.scratch)
	}
	return s.sorted.next()
}

func add(ctx context.Context, a *kernel.Appender, b *columnar.Batch, r memory.Reservation) error {
	err := a.Append(b)
	if errors.Is(err, memory.ErrSpill) {
		return op.Reserve(ctx, r, 1<<20, "a sort")
	}
	return err
}

// encodeLong computes keys of a batch of any length, a piece at a time.
func encodeLong(k *keyer, all *columnar.Batch, s *memory.Scratch) (*row.Keys, error) {
	vs := make([]columnar.Vector, 0, len(k.keys))
	plain := true
	for _, e := range k.program.Columns() {
		if e < 0 {
			plain = false
			break
		}
		vs = append(vs, all.Cols[e])
	}
	if plain {
		return row.Encode(k.keys, vs, all.Rows), nil
	}
	ts := k.program.Types()
	a := kernel.NewAppender(ts, nil)
	index := make([]uint32, 0, columnar.MaxRows)
	for from := 0; from < all.Rows; from += columnar.MaxRows {
		index = index[:0]
		for i := from; i < min(all.Rows, from+columnar.MaxRows); i++ {
			index = append(index, uint32(i))
		}
		s.Reset()
		piece := &columnar.Batch{Schema: all.Schema, Rows: len(index), Cols: make([]columnar.Vector, len(all.Cols))}
		for i := range all.Cols {
			piece.Cols[i] = kernel.Take(&all.Cols[i], index, s)
		}
		out, err := k.program.Eval(piece, s)
		if err != nil {
			return nil, err
		}
		if err := a.Append(&columnar.Batch{Rows: piece.Rows, Cols: out}); err != nil {
			return nil, err
		}
	}
	return row.Encode(k.keys, a.Take(nil).Cols, all.Rows), nil
}

func (s *sorter) Close() error {
	if s.scratch != nil {
		s.scratch.Close()
		s.memory.Close()
	}
	s.sorted = nil
	return s.child.Close()
}
