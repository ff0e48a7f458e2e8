package join

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// shape is what a hash join's node means for its tables and probes. It is
// immutable.
type shape struct {
	node      *physical.HashJoin
	left      int             // columns of the left side
	types     []columnar.Type // of build rows as they are held: the child's columns, then the computed keys
	computed  []expr.Expr
	keyAt     []int // where the keys are among them
	probeKeys []expr.Expr
	exact     bool // one word holds the whole key
	marks     bool // it matters which build rows matched
	lonely    bool // build rows come out that no probe row matched
	keeps     bool // probe rows come out, once, that matched nothing
	pairs     bool // matched pairs come out; else probe rows or marked build rows do
	once      bool // one match decides about a probe row
}

func newShape(n *physical.HashJoin) *shape {
	s := &shape{node: n, left: n.Left.Schema().Len(), probeKeys: n.LeftKeys}
	build, keys := n.Right, n.RightKeys
	if n.BuildLeft {
		build, keys, s.probeKeys = n.Left, n.LeftKeys, n.RightKeys
	}
	for _, f := range build.Schema().Fields {
		s.types = append(s.types, f.Type)
	}
	for _, k := range keys {
		if c, ok := k.(*expr.Column); ok {
			s.keyAt = append(s.keyAt, c.Index)
			continue
		}
		s.keyAt = append(s.keyAt, len(s.types))
		s.types, s.computed = append(s.types, k.Type()), append(s.computed, k)
	}
	s.exact = len(keys) == 1 && keyset.Wordable(keys[0].Type()) && !n.NullSafe[0]
	switch n.Kind {
	case logical.Inner:
		s.pairs = true
	case logical.Right:
		s.pairs, s.marks, s.lonely = true, true, true
	case logical.Full:
		s.pairs, s.marks, s.lonely, s.keeps = true, true, true, true
	case logical.Left, logical.LeftSingle:
		s.pairs, s.marks, s.lonely, s.keeps = true, n.BuildLeft, n.BuildLeft, !n.BuildLeft
	case logical.LeftSemi:
		s.marks, s.once = n.BuildLeft, !n.BuildLeft
	case logical.LeftAnti:
		s.marks, s.lonely, s.once = n.BuildLeft, n.BuildLeft, !n.BuildLeft
	default: // NullAwareAnti, LeftMark
		s.once = true
	}
	return s
}

// hash returns the hash of each row's keys, and its key word where one holds the
// whole key, else the hash again.
func (s *shape) hash(keys []columnar.Vector, n int, scratch *memory.Scratch) (words, hashes []uint64) {
	hashes = memory.Slice[uint64](scratch, n)
	if s.exact {
		words = keyset.Words(&keys[0], scratch)
		hashWords(words, hashes)
		return words, hashes
	}
	hashKeys(keys, hashes)
	return hashes, hashes
}

// matchable returns the selected rows of a batch that may equal another row: no
// key is null that is not null-safe.
func (s *shape) matchable(b *columnar.Batch, keys []columnar.Vector, out []uint16) []uint16 {
	if b.Sel != nil {
		out = append(out, b.Sel...)
	} else {
		for i := range b.Rows {
			out = append(out, uint16(i))
		}
	}
	for i := range keys {
		k := &keys[i]
		if s.node.NullSafe[i] || !k.HasNulls() {
			continue
		}
		n := 0
		for _, r := range out {
			out[n] = r
			if !k.NullAt(int(r)) {
				n++
			}
		}
		out = out[:n]
	}
	return out
}

// fromBuild tells where output position at of left ++ right comes from.
func (s *shape) fromBuild(at int) (build bool, column int) {
	if at >= s.left {
		return !s.node.BuildLeft, at - s.left
	}
	return s.node.BuildLeft, at
}

// equalKeys keeps the pairs from position from on whose keys are equal, though
// all have equal hashes.
func (s *shape) equalKeys(keys []columnar.Vector, t *table, probe, build []uint32, from int, sel []uint16) int {
	n := len(probe)
	if s.exact || n == from {
		return n
	}
	sel = sel[:0]
	for i := from; i < n; i++ {
		sel = append(sel, uint16(i))
	}
	for c := range keys {
		sel = kernel.EqualRows(&keys[c], probe, &t.keys[c], build, sel, s.node.NullSafe[c])
	}
	for i, k := range sel {
		probe[from+i], build[from+i] = probe[k], build[k]
	}
	return from + len(sel)
}
