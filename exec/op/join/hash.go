package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

type hashJoin struct {
	node         *physical.HashJoin
	key          int
	build, probe op.Operator
	task         *op.TaskContext
	table        *table
	memory       memory.Reservation
	scratch      *memory.Scratch // of a probe batch
	pairScratch  *memory.Scratch // of an output batch
	keys         *eval.Program
	residual     *residual
	size         int

	// The probe batch at work:
	batch      *columnar.Batch
	words      []uint64
	hashes     []uint64
	keyVectors []columnar.Vector
	rows       []uint16 // rows that count and whose key is not null
	at         int      // next of rows
	entry      uint64   // next entry of its slot, when resumed
	matched    columnar.Bitmap
	pending    bool // after the pairs: the rows that come out once per probe row

	probeRows []uint32
	buildRows []uint32
	ended     bool
	emit      int // next build row to look at, −1: not emitting
	out       columnar.Batch
	sel       []uint16
}

// NewHash returns the operator of a node; key is the node's place in the plan.
func NewHash(n *physical.HashJoin, key int, left, right op.Operator) op.Operator {
	j := &hashJoin{node: n, key: key, build: right, probe: left, emit: -1}
	if n.BuildLeft {
		j.build, j.probe = left, right
	}
	return j
}

func schemaTypes(s *columnar.Schema) []columnar.Type {
	out := make([]columnar.Type, s.Len())
	for i, f := range s.Fields {
		out[i] = f.Type
	}
	return out
}

func (j *hashJoin) sides() (build, probe physical.Plan, buildKeys, probeKeys []expr.Expr) {
	n := j.node
	if n.BuildLeft {
		return n.Left, n.Right, n.LeftKeys, n.RightKeys
	}
	return n.Right, n.Left, n.RightKeys, n.LeftKeys
}

// marks reports whether the table must know which of its rows matched.
func (j *hashJoin) marks() bool {
	switch j.node.Kind {
	case logical.Right, logical.Full:
		return true
	case logical.Left, logical.LeftSemi, logical.LeftAnti:
		return j.node.BuildLeft
	}
	return false
}

func (j *hashJoin) Open(ctx context.Context, t *op.TaskContext) error {
	j.task = t
	j.memory = t.Memory.Child("join")
	j.scratch, j.pairScratch = memory.NewScratch(j.memory), memory.NewScratch(j.memory)
	j.size = max(1, min(t.BatchRows, columnar.MaxRows))
	build, _, buildKeys, probeKeys := j.sides()
	var err error
	if j.keys, err = eval.Compile(probeKeys, t.EvalOptions()); err != nil {
		return err
	}
	if j.node.Residual != nil {
		if j.residual, err = newResidual(j.node.Residual, j.node.Left.Schema().Len(), t.EvalOptions()); err != nil {
			return err
		}
	}
	spec := buildSpec{child: j.build, keys: buildKeys, nullSafe: j.node.NullSafe, types: schemaTypes(build.Schema()), marks: j.marks(), who: "a hash join"}
	if j.node.Shared {
		if j.table, err = sharedTable(ctx, t, j.key, spec); err != nil {
			return err
		}
	} else {
		j.table = newTable()
		if err = j.table.build(ctx, t, j.memory, spec); err != nil {
			return err
		}
	}
	for i, id := range j.node.RuntimeFilters {
		if id == 0 || t.Filters == nil {
			continue
		}
		if _, done := t.Filters.Get(id); !done { // the first task of a shared table makes it
			if f := newRuntimeFilter(&j.table.keys[i], j.table.rows); f != nil {
				t.Filters.Publish(id, f, false)
			}
		}
	}
	j.out = columnar.Batch{Schema: j.node.Out, Cols: make([]columnar.Vector, len(j.node.Output))}
	return j.probe.Open(ctx, t)
}

// sharedTable returns the stage's table, built by the first task that comes
// (J1).
func sharedTable(ctx context.Context, t *op.TaskContext, key int, spec buildSpec) (*table, error) {
	mine := false
	tb := t.Shared.Get(key, func() any { mine = true; return newTable() }).(*table)
	if !mine {
		select {
		case <-tb.ready:
			return tb, tb.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer close(tb.ready)
	r := t.Shared.Memory
	if r == nil {
		r = t.Memory
	}
	tb.err = errors.New("the table of a join was not built: its task was stopped")
	if tb.err = tb.build(ctx, t, r, spec); tb.err != nil {
		t.Shared.Forget(key, tb) // a later attempt may succeed
	}
	return tb, tb.err
}

func (j *hashJoin) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if j.emit >= 0 {
			return j.unmatched()
		}
		if j.ended {
			return nil, io.EOF
		}
		if j.batch == nil {
			b, err := j.probe.Next(ctx)
			if errors.Is(err, io.EOF) {
				j.ended = true
				if j.marks() {
					tasks := j.task.Tasks
					if !j.node.Shared {
						tasks = 1
					}
					if j.table.end(j.task.Task, tasks) || !j.node.Shared {
						j.emit = 0
					}
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := j.start(b); err != nil {
				return nil, err
			}
		}
		b, err := j.step()
		if b != nil || err != nil {
			return b, err
		}
	}
}

// start prepares a probe batch.
func (j *hashJoin) start(b *columnar.Batch) error {
	j.scratch.Reset()
	if b.Sel != nil && len(b.Sel)*4 < b.Rows {
		b = kernel.Compact(b, j.scratch)
	}
	j.batch, j.at, j.entry, j.pending = b, 0, 0, true
	vs, err := j.keys.Eval(b, j.scratch)
	if err != nil {
		return err
	}
	n := b.Rows
	j.hashes = memory.Slice[uint64](j.scratch, n)
	if j.table.exact {
		j.words = memory.Slice[uint64](j.scratch, n)
		keyWords(&vs[0], j.words, j.scratch)
		for i, w := range j.words {
			j.hashes[i] = hashWord(w)
		}
	} else {
		hashKeys(vs, j.hashes)
		j.words = j.hashes
	}
	if cap(j.rows) < n {
		j.rows = make([]uint16, 0, columnar.MaxRows)
	}
	j.rows = j.rows[:0]
	for i := range b.Selected() {
		j.rows = append(j.rows, uint16(b.RowAt(i)))
	}
	for i := range vs {
		if j.node.NullSafe[i] || !vs[i].HasNulls() {
			continue
		}
		k := 0
		for _, r := range j.rows {
			if !vs[i].NullAt(int(r)) {
				j.rows[k] = r
				k++
			}
		}
		j.rows = j.rows[:k]
	}
	j.matched = columnar.Bitmap(j.scratch.Bytes(columnar.BitmapBytes(n)))
	clear(j.matched)
	j.keyVectors = vs
	return nil
}

// find fills the pair lists with candidates, at most size of them. It reports
// whether the batch is exhausted.
func (j *hashJoin) find(one bool) bool {
	t := j.table
	j.probeRows, j.buildRows = j.probeRows[:0], j.buildRows[:0]
	if len(t.entries) == 0 {
		return true
	}
	for ; j.at < len(j.rows); j.at++ {
		r := j.rows[j.at]
		h := j.hashes[r]
		slot := h >> t.shift
		d := t.dir[slot]
		if d&tagOf(h) == 0 {
			continue
		}
		from, to := d>>tagBits, t.dir[slot+1]>>tagBits
		if j.entry > from {
			from = j.entry
		}
		j.entry = 0
		w := j.words[r]
		for e := from; e < to; e++ {
			if t.entries[e] != w {
				continue
			}
			j.probeRows = append(j.probeRows, uint32(r))
			j.buildRows = append(j.buildRows, t.rowOf[e])
			if one {
				break
			}
			if len(j.probeRows) == j.size && e+1 < to {
				j.entry = e + 1
				return false
			}
		}
		if len(j.probeRows) >= j.size {
			j.at++
			return j.at >= len(j.rows)
		}
	}
	return true
}

// equalKeys drops candidates whose keys differ though their hashes are equal.
func (j *hashJoin) equalKeys() {
	if j.table.exact {
		return
	}
	k := 0
	for i, p := range j.probeRows {
		b := j.buildRows[i]
		same := true
		for c := range j.keyVectors {
			v, w := &j.keyVectors[c], &j.table.keys[c]
			vn, wn := v.NullAt(int(p)), w.NullAt(int(b))
			if vn || wn {
				same = same && vn && wn && j.node.NullSafe[c]
				continue
			}
			same = same && eval.EqualAt(v, int(p), w, int(b))
		}
		if same {
			j.probeRows[k], j.buildRows[k] = p, b
			k++
		}
	}
	j.probeRows, j.buildRows = j.probeRows[:k], j.buildRows[:k]
}

// step makes the next output of the probe batch, nil when there was none.
func (j *hashJoin) step() (*columnar.Batch, error) {
	kind := j.node.Kind
	// One match is enough where neither pairs nor marks of build rows count.
	one := j.residual == nil && j.table.exact && !j.marks() && (kind == logical.LeftSemi || kind == logical.LeftAnti || kind == logical.NullAwareAnti || kind == logical.LeftMark)
	if !j.pending {
		j.batch = nil
		return nil, nil
	}
	done := j.find(one)
	j.pairScratch.Reset()
	j.equalKeys()
	if j.residual != nil && len(j.probeRows) > 0 {
		left, right := &j.batch.Cols, &j.table.columns
		var err error
		j.probeRows, j.buildRows, err = j.residual.filter(*left, *right, j.node.BuildLeft, j.probeRows, j.buildRows, j.table.dicts, j.pairScratch)
		if err != nil {
			return nil, err
		}
	}
	if j.marks() {
		for _, b := range j.buildRows {
			j.table.mark(b)
		}
	}
	if kind == logical.LeftSingle {
		for _, p := range j.probeRows {
			if j.matched.Get(int(p)) {
				return nil, tooManyRows(j.node.Place)
			}
			j.matched.Set(int(p))
		}
	} else {
		for _, p := range j.probeRows {
			j.matched[p>>3] |= 1 << (p & 7)
		}
	}
	j.pending = !done
	var out *columnar.Batch
	switch kind {
	case logical.Inner, logical.Left, logical.LeftSingle, logical.Right, logical.Full:
		keepsProbe := !j.node.BuildLeft && (kind == logical.Left || kind == logical.LeftSingle || kind == logical.Full)
		if done && keepsProbe {
			for i := range j.batch.Selected() {
				if r := j.batch.RowAt(i); !j.matched.Get(r) {
					j.probeRows, j.buildRows = append(j.probeRows, uint32(r)), append(j.buildRows, kernel.NullRow)
				}
			}
		}
		if len(j.probeRows) > 0 {
			out = j.pairs()
		}
	case logical.LeftSemi, logical.LeftAnti, logical.NullAwareAnti:
		if done && !j.node.BuildLeft {
			out = j.selected()
		}
	case logical.LeftMark:
		if done {
			out = j.marked()
		}
	}
	if done {
		j.pending = false
		if out == nil {
			j.batch = nil
		}
	}
	return out, nil
}

func tooManyRows(at diag.Pos) error {
	return diag.NewAt(at, diag.ScalarSubquery, "a scalar subquery returned more than one row").
		WithRemedy("add LIMIT 1 or an aggregate function to the subquery")
}

// pairs assembles the output of matched pairs. Where each probe row comes at
// most once and most do, the probe columns are passed on with a selection.
func (j *hashJoin) pairs() *columnar.Batch {
	n := len(j.probeRows)
	left := j.node.Left.Schema().Len()
	rows := j.buildRows
	dense := false
	if n*2 > j.batch.Rows && n <= j.batch.Rows {
		dense = true
		for i := 1; i < n; i++ {
			if j.probeRows[i] <= j.probeRows[i-1] {
				dense = false
				break
			}
		}
	}
	if n > columnar.MaxRows {
		dense = false
	}
	j.out.Rows, j.out.Sel = n, nil
	if dense {
		j.out.Rows = j.batch.Rows
		spread := memory.Slice[uint32](j.pairScratch, j.batch.Rows)
		clear(spread)
		if n < j.batch.Rows {
			j.sel = j.sel[:0]
			for _, p := range j.probeRows {
				j.sel = append(j.sel, uint16(p))
			}
			j.out.Sel = j.sel
		}
		for i, p := range j.probeRows {
			spread[p] = j.buildRows[i]
		}
		rows = spread
	}
	for i, at := range j.node.Output {
		fromBuild := at >= left != j.node.BuildLeft
		if at >= left {
			at -= left
		}
		switch {
		case fromBuild:
			j.out.Cols[i] = j.table.take(at, rows, j.pairScratch)
		case dense:
			j.out.Cols[i] = j.batch.Cols[at]
		default:
			v := &j.batch.Cols[at]
			j.out.Cols[i] = kernel.Indirect(v, j.probeRows, j.pairScratch)
		}
	}
	return &j.out
}

// take returns build column c at the given rows.
func (t *table) take(c int, rows []uint32, s *memory.Scratch) columnar.Vector {
	v := &t.columns[c]
	if d := t.dicts[c]; d != nil {
		return kernel.IndirectTo(d, v.Valid, rows, s)
	}
	if t.rows == 0 {
		return nulls(v.Type, len(rows))
	}
	return kernel.TakeNull(v, rows, s)
}

func nulls(t columnar.Type, n int) columnar.Vector { return eval.Constant(nil, t, n) }

// selected passes the probe rows on that match (semi) or do not (anti).
func (j *hashJoin) selected() *columnar.Batch {
	want := j.node.Kind == logical.LeftSemi
	if j.node.Kind == logical.NullAwareAnti && j.table.rows > 0 {
		if j.table.hasNull {
			return nil
		}
		// A null on the left leaves it open, unless the right side is empty.
		live := columnar.Bitmap(j.pairScratch.Bytes(columnar.BitmapBytes(j.batch.Rows)))
		clear(live)
		for _, r := range j.rows {
			live.Set(int(r))
		}
		for i := range j.batch.Selected() {
			if r := j.batch.RowAt(i); !live.Get(r) {
				j.matched.Set(r)
			}
		}
	}
	j.sel = j.sel[:0]
	for i := range j.batch.Selected() {
		if r := j.batch.RowAt(i); j.matched.Get(r) == want {
			j.sel = append(j.sel, uint16(r))
		}
	}
	if len(j.sel) == 0 {
		return nil
	}
	j.out.Rows, j.out.Sel = j.batch.Rows, j.sel
	if len(j.sel) == j.batch.Rows {
		j.out.Sel = nil
	}
	for i, at := range j.node.Output {
		j.out.Cols[i] = j.batch.Cols[at]
	}
	return &j.out
}

// marked passes all probe rows on with the mark.
func (j *hashJoin) marked() *columnar.Batch {
	n := j.batch.Rows
	mark := columnar.Vector{Type: columnar.BoolType, Len: n, Data: j.matched}
	f := j.node.Out
	nullable := f.Len() > 0 && j.markNullable()
	if nullable && j.table.rows > 0 {
		valid := columnar.Bitmap(j.pairScratch.Bytes(columnar.BitmapBytes(n)))
		if j.table.hasNull {
			copy(valid, j.matched)
		} else {
			clear(valid)
			for _, r := range j.rows {
				valid.Set(int(r))
			}
		}
		mark.Valid = valid
	}
	j.out.Rows, j.out.Sel = n, j.batch.Sel
	for i, at := range j.node.Output {
		if at == j.node.Left.Schema().Len() {
			j.out.Cols[i] = mark
		} else {
			j.out.Cols[i] = j.batch.Cols[at]
		}
	}
	return &j.out
}

func (j *hashJoin) markNullable() bool {
	for i, at := range j.node.Output {
		if at == j.node.Left.Schema().Len() {
			return j.node.Out.Fields[i].Nullable
		}
	}
	return false
}

// unmatched yields the build rows that come out by themselves (J2).
func (j *hashJoin) unmatched() (*columnar.Batch, error) {
	want := j.node.Kind == logical.LeftSemi
	j.buildRows = j.buildRows[:0]
	for ; j.emit < j.table.rows && len(j.buildRows) < j.size; j.emit++ {
		if j.table.marked(uint32(j.emit)) == want {
			j.buildRows = append(j.buildRows, uint32(j.emit))
		}
	}
	if len(j.buildRows) == 0 {
		return nil, io.EOF
	}
	j.pairScratch.Reset()
	n := len(j.buildRows)
	left := j.node.Left.Schema().Len()
	j.out.Rows, j.out.Sel = n, nil
	for i, at := range j.node.Output {
		fromBuild := at >= left != j.node.BuildLeft
		if at >= left {
			at -= left
		}
		if fromBuild {
			j.out.Cols[i] = j.table.take(at, j.buildRows, j.pairScratch)
		} else {
			j.out.Cols[i] = nulls(j.node.Out.Fields[i].Type, n)
		}
	}
	return &j.out, nil
}

func (j *hashJoin) Close() error {
	err := j.probe.Close()
	if e := j.build.Close(); err == nil {
		err = e
	}
	if j.scratch != nil {
		j.scratch.Close()
		j.pairScratch.Close()
		j.memory.Close()
	}
	j.table, j.batch = nil, nil
	return err
}

// residual is the part of a join's condition that is not an equality of keys,
// computed on candidate pairs.
type residual struct {
	test    *eval.Filter
	columns []int // positions in left ++ right that it needs
	left    int   // columns of the left side
	sel     []uint16
}

func newResidual(e expr.Expr, left int, o eval.Options) (*residual, error) {
	r := &residual{left: left}
	at := map[int]int{}
	bound := expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		c, ok := e.(*expr.Column)
		if !ok {
			return e
		}
		i, ok := at[c.Index]
		if !ok {
			i = len(r.columns)
			at[c.Index] = i
			r.columns = append(r.columns, c.Index)
		}
		d := *c
		d.Index = i
		return &d
	})
	var err error
	r.test, err = eval.CompileFilter(expr.Conjuncts(bound), o)
	return r, err
}

// filter keeps the pairs for which the condition is true.
func (r *residual) filter(probe, build []columnar.Vector, buildLeft bool, p, b []uint32, dicts []*columnar.Dictionary, s *memory.Scratch) ([]uint32, []uint32, error) {
	k := 0
	for from := 0; from < len(p); from += columnar.MaxRows {
		to := min(len(p), from+columnar.MaxRows)
		batch := &columnar.Batch{Rows: to - from, Cols: make([]columnar.Vector, len(r.columns))}
		for i, at := range r.columns {
			fromBuild := at >= r.left != buildLeft
			if at >= r.left {
				at -= r.left
			}
			switch {
			case !fromBuild:
				batch.Cols[i] = kernel.Indirect(&probe[at], p[from:to], s)
			case dicts != nil && dicts[at] != nil:
				batch.Cols[i] = kernel.IndirectTo(dicts[at], build[at].Valid, b[from:to], s)
			default:
				batch.Cols[i] = kernel.Take(&build[at], b[from:to], s)
			}
		}
		sel, err := r.test.Select(batch, s, r.sel[:0])
		if err != nil {
			return nil, nil, err
		}
		r.sel = sel
		for _, i := range sel {
			p[k], b[k] = p[from+int(i)], b[from+int(i)]
			k++
		}
	}
	return p[:k], b[:k], nil
}
