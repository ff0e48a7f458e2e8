package sort

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// keyer computes the sort keys of batches.
type keyer struct {
	order   []expr.SortOrder
	options eval.Options
	keys    []row.Key
	program *eval.Program
}

func newKeyer(order []expr.SortOrder, o eval.Options) (*keyer, error) {
	k := &keyer{order: order, options: o}
	es := make([]expr.Expr, len(order))
	for i, s := range order {
		es[i] = s.Expr
		k.keys = append(k.keys, row.Key{Desc: s.Desc, NullsLast: s.NullsLast})
	}
	var err error
	k.program, err = eval.Compile(es, o)
	return k, err
}

// rowBytes is about what sorting takes per row beside the row itself: the words
// of its keys, and its number with a packed word, twice.
func (k *keyer) rowBytes() int64 { return int64(16*len(k.keys) + 48) }

// encode returns the keys of all rows of a batch, in s.
func (k *keyer) encode(b *columnar.Batch, s *memory.Scratch) (*row.Keys, error) {
	vs, err := k.program.Eval(b, s)
	if err != nil {
		return nil, err
	}
	return row.EncodeIn(s, k.keys, vs, b.Rows), nil
}

// encodeLong returns the keys of a batch of any length, in s, which may be nil;
// expressions are computed a piece at a time.
func (k *keyer) encodeLong(all *columnar.Batch, s *memory.Scratch) (*row.Keys, error) {
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
		return row.EncodeIn(s, k.keys, vs, all.Rows), nil
	}
	a := kernel.NewAppender(k.program.Types(), nil)
	for from := 0; from < all.Rows; from += columnar.MaxRows {
		piece := kernel.SliceBatch(all, from, min(columnar.MaxRows, all.Rows-from), s)
		out, err := k.program.Eval(piece, s)
		if err != nil {
			return nil, err
		}
		if err := a.Append(&columnar.Batch{Rows: piece.Rows, Cols: out}); err != nil {
			return nil, err
		}
	}
	return row.EncodeIn(s, k.keys, a.Take(nil).Cols, all.Rows), nil
}

func types(s *columnar.Schema) []columnar.Type {
	out := make([]columnar.Type, s.Len())
	for i, f := range s.Fields {
		out[i] = f.Type
	}
	return out
}
