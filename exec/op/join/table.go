package join

import (
	"context"
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// table is the build side of a hash join.
type table struct {
	ready chan struct{}
	err   error

	rows    int
	columns []columnar.Vector      // build columns over all rows
	dicts   []*columnar.Dictionary // of flat string columns: the values themselves (J3)
	keys    []columnar.Vector      // key values over all rows
	exact   bool                   // one word holds the whole key: entries hold it
	hasNull bool                   // some row had a null in a key that is not null-safe

	shift   uint
	dir     []uint64 // per slot: start<<16 | tag bits; one more at the end
	entries []uint64 // key word (exact) or hash, by slot
	rowOf   []uint32 // build row, by slot

	marks []uint32 // one bit per build row that matched, where the kind needs it
	mu    sync.Mutex
	ended map[int]bool // tasks whose probe side ended
	emits int          // the task that emits build rows, −1: none yet
}

func newTable() *table {
	return &table{ready: make(chan struct{}), ended: map[int]bool{}, emits: -1}
}

// buildSpec says how to build a table.
type buildSpec struct {
	child    op.Operator
	keys     []expr.Expr
	nullSafe []bool
	types    []columnar.Type // of the child's columns
	marks    bool
	who      string
}

// build reads the child and fills the table.
func (t *table) build(ctx context.Context, task *op.TaskContext, r memory.Reservation, spec buildSpec) error {
	if err := t.read(ctx, task, r, spec); err != nil {
		return err
	}
	t.index(task.Slots, spec)
	n := int64(8*len(t.dir) + 12*len(t.entries) + 4*len(t.marks))
	return op.Reserve(ctx, r, n, spec.who)
}

// read gathers all build rows into contiguous columns, the computed keys after
// the child's columns.
func (t *table) read(ctx context.Context, task *op.TaskContext, r memory.Reservation, spec buildSpec) error {
	if err := spec.child.Open(ctx, task); err != nil {
		return err
	}
	keyAt := make([]int, len(spec.keys))
	var computed []expr.Expr
	types := append([]columnar.Type{}, spec.types...)
	for i, k := range spec.keys {
		if c, ok := k.(*expr.Column); ok {
			keyAt[i] = c.Index
			continue
		}
		keyAt[i] = len(types)
		types = append(types, k.Type())
		computed = append(computed, k)
	}
	program, err := eval.Compile(computed, task.EvalOptions())
	if err != nil {
		return err
	}
	scratch := memory.NewScratch(r)
	defer scratch.Close()
	rows := kernel.NewAppender(types, r)
	for {
		b, err := spec.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		scratch.Reset()
		vs, err := program.Eval(b, scratch)
		if err != nil {
			return err
		}
		wide := &columnar.Batch{Rows: b.Rows, Sel: b.Sel, Cols: append(append([]columnar.Vector{}, b.Cols...), vs...)}
		if err := rows.Append(wide); errors.Is(err, memory.ErrSpill) {
			return op.Reserve(ctx, r, 1<<20, spec.who)
		} else if err != nil {
			return err
		}
	}
	t.rows = rows.Len()
	all := rows.Take(nil).Cols
	t.columns = all[:len(spec.types)]
	for _, at := range keyAt {
		t.keys = append(t.keys, all[at])
	}
	t.dicts = make([]*columnar.Dictionary, len(t.columns))
	for i := range t.columns {
		if v := &t.columns[i]; v.Enc == columnar.Flat && v.Type.IsBytes() && t.rows > 0 {
			plain := *v
			plain.Valid = nil
			t.dicts[i] = &columnar.Dictionary{Values: plain}
		}
	}
	return nil
}

const tagBits = 16

func tagOf(h uint64) uint64 { return 1 << (h & (tagBits - 1)) }

// index builds the directory over the keys.
func (t *table) index(workers int, spec buildSpec) {
	n := t.rows
	size := 1 << max(6, bits.Len(uint(n+n/2)))
	t.shift = uint(64 - bits.TrailingZeros(uint(size)))
	t.dir = make([]uint64, size+1)
	t.entries = make([]uint64, n)
	t.rowOf = make([]uint32, n)
	if spec.marks {
		t.marks = make([]uint32, (n+31)/32)
	}
	var skip columnar.Bitmap
	for i, k := range t.keys {
		if spec.nullSafe[i] || !k.HasNulls() {
			continue
		}
		if skip == nil {
			skip = columnar.NewBitmap(n)
		}
		for r := range n {
			if k.NullAt(r) {
				skip.Set(r)
				t.hasNull = true
			}
		}
	}
	hashes := make([]uint64, n)
	t.exact = len(t.keys) == 1 && wordable(t.keys[0].Type) && !spec.nullSafe[0]
	words := hashes
	if t.exact {
		words = make([]uint64, n)
		keyWords(&t.keys[0], words, nil)
		for i, w := range words {
			hashes[i] = hashWord(w)
		}
	} else {
		hashKeys(t.keys, hashes)
	}
	// Count per slot, turn counts into starts, then place: each worker has a
	// range of slots of its own, so that nothing is shared but what is read.
	workers = max(1, min(workers, 8))
	if n < 64<<10 {
		workers = 1
	}
	span := (size + workers - 1) / workers
	each := func(f func(lo, hi uint64)) {
		var wg sync.WaitGroup
		for w := 1; w < workers; w++ {
			wg.Go(func() { f(uint64(w*span), uint64(min(size, (w+1)*span))) })
		}
		f(0, uint64(min(size, span)))
		wg.Wait()
	}
	counts := make([]uint32, size)
	each(func(lo, hi uint64) {
		for i, h := range hashes {
			if s := h >> t.shift; s >= lo && s < hi && (skip == nil || !skip.Get(i)) {
				counts[s]++
			}
		}
	})
	at := uint64(0)
	for s, c := range counts {
		t.dir[s] = at << tagBits
		at += uint64(c)
	}
	t.dir[size] = at << tagBits
	t.entries, t.rowOf = t.entries[:at], t.rowOf[:at]
	next := counts
	each(func(lo, hi uint64) {
		for s := lo; s < hi; s++ {
			next[s] = uint32(t.dir[s] >> tagBits)
		}
		for i, h := range hashes {
			if s := h >> t.shift; s >= lo && s < hi && (skip == nil || !skip.Get(i)) {
				p := next[s]
				next[s]++
				t.entries[p], t.rowOf[p] = words[i], uint32(i)
				t.dir[s] |= tagOf(h)
			}
		}
	})
}

// mark records that a build row matched.
func (t *table) mark(row uint32) {
	w, b := &t.marks[row>>5], uint32(1)<<(row&31)
	if atomic.LoadUint32(w)&b == 0 {
		atomic.OrUint32(w, b)
	}
}

func (t *table) marked(row uint32) bool {
	return atomic.LoadUint32(&t.marks[row>>5])>>(row&31)&1 != 0
}

// end records that a task's probe side ended and reports whether that task must
// now emit the build rows (J2). A repeated attempt of the task that did may do
// so again.
func (t *table) end(task, tasks int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended[task] = true
	if len(t.ended) < tasks || t.emits >= 0 && t.emits != task {
		return false
	}
	t.emits = task
	return true
}

// wordable reports types whose values are one 64-bit word.
func wordable(t columnar.Type) bool {
	return !t.IsBytes() && !t.IsNested() && t.Kind != columnar.Null && !t.IsFloat() &&
		(t.Kind != columnar.Decimal || t.Precision <= 18)
}

func hashWord(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, 0xa0761d6478bd642f)
	return hi ^ lo
}

func widen[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](vs []T, out []uint64) {
	for i, x := range vs {
		out[i] = uint64(x)
	}
}

// keyWords writes the values of a wordable vector as words. Rows that are null
// get any word.
func keyWords(v *columnar.Vector, out []uint64, s *memory.Scratch) {
	if v.Enc != columnar.Flat {
		f := kernel.Flatten(v, s)
		v = &f
	}
	if v.Type.Kind == columnar.Bool {
		for i := range out[:v.Len] {
			out[i] = uint64(v.Data[i>>3]>>(i&7)) & 1
		}
		return
	}
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case v.Width == 1 && unsigned:
		widen(columnar.Values[uint8](v), out)
	case v.Width == 2 && unsigned:
		widen(columnar.Values[uint16](v), out)
	case v.Width == 4 && unsigned:
		widen(columnar.Values[uint32](v), out)
	case v.Width == 1:
		widen(columnar.Values[int8](v), out)
	case v.Width == 2:
		widen(columnar.Values[int16](v), out)
	case v.Width == 4:
		widen(columnar.Values[int32](v), out)
	case v.Width == 8:
		widen(columnar.Values[int64](v), out)
	default:
		for i, x := range columnar.Values[columnar.Int128](v) {
			out[i] = x.Lo
		}
	}
}

// hashKeys writes the hash of each row's keys.
func hashKeys(keys []columnar.Vector, out []uint64) {
	for i := range keys {
		kernel.HashVector(&keys[i], out, i > 0)
	}
}
