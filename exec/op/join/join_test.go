package join_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/join"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// random returns the sides of a join: an integer key, a string key, a number, a
// long string. A part of the left rows and of the right rows has key 3.
func random(r *rand.Rand, left, right int, hot float64) (l, w *columnar.Batch) {
	side := func(n, distinct, longest int, hot float64) *columnar.Batch {
		b := optest.Random(r, n, optest.Column{Type: columnar.Int64Type, Distinct: distinct, Nulls: 0.05}, optest.Column{Type: columnar.StringType, Distinct: distinct, Nulls: 0.05},
			optest.Column{Type: columnar.Int32Type, Distinct: 40, Nulls: 0.1}, optest.Column{Type: columnar.StringType, Distinct: 1000, Nulls: 0.1, Longest: longest})
		keys := columnar.Values[int64](&b.Cols[0])
		for i := range keys {
			if r.Float64() < hot {
				keys[i] = 3
			}
		}
		return b
	}
	return side(left, right, 40, hot/10), side(right, right, 200, hot)
}

func column(s *columnar.Schema, i, offset int) *expr.Column {
	return &expr.Column{Index: i + offset, Name: s.Fields[i].Name, Typ: s.Fields[i].Type, Null: s.Fields[i].Nullable}
}

// node describes a join of l and r.
type node struct {
	kind      logical.JoinKind
	buildLeft bool
	shared    bool
	apart     bool // tasks run on several executors
	keys      []int
	nullSafe  bool // of the first key
	computed  bool // keys are columns plus nothing
	residual  bool // c2 of the left < c2 of the right
}

func (n node) plan(l, r *columnar.Schema) *physical.HashJoin {
	p := &physical.HashJoin{Kind: n.kind, BuildLeft: n.buildLeft, Shared: n.shared, Together: n.shared && !n.apart, Left: &physical.Values{Out: l}, Right: &physical.Values{Out: r}, Out: &columnar.Schema{}}
	for i, k := range n.keys {
		a, b := expr.Expr(column(l, k, 0)), expr.Expr(column(r, k, 0))
		if n.computed && a.Type().Kind == columnar.Int64 {
			a, b = expr.NewCall("negative", columnar.Int64Type, a), expr.NewCall("negative", columnar.Int64Type, b)
		}
		p.LeftKeys, p.RightKeys, p.NullSafe = append(p.LeftKeys, a), append(p.RightKeys, b), append(p.NullSafe, n.nullSafe && i == 0)
	}
	if n.residual {
		p.Residual = expr.NewCall("<", columnar.BoolType, column(l, 2, 0), column(r, 2, l.Len()))
	}
	add := func(f columnar.Field) {
		p.Output = append(p.Output, len(p.Output))
		f.Nullable = true
		p.Out.Fields = append(p.Out.Fields, f)
	}
	for _, f := range l.Fields {
		add(f)
	}
	switch {
	case n.kind == logical.LeftMark:
		add(columnar.Field{Name: "mark", Type: columnar.BoolType})
	case !n.kind.LeftOnly():
		for _, f := range r.Fields {
			add(f)
		}
	}
	return p
}

func show(b *columnar.Batch, row int) []string {
	var out []string
	for c := range b.Cols {
		if b.Cols[c].NullAt(row) {
			out = append(out, "NULL")
			continue
		}
		out = append(out, string(text.AppendValue(nil, &b.Cols[c], row, nil)))
	}
	return out
}

// naive joins row by row.
func (n node) naive(l, r *columnar.Batch) (out []string) {
	key := func(b *columnar.Batch, row int) (string, bool) {
		k, known := "", true
		for i, c := range n.keys {
			known = known && (!b.Cols[c].NullAt(row) || n.nullSafe && i == 0)
		}
		all := show(b, row)
		for _, c := range n.keys {
			k += all[c] + "|"
		}
		return k, known
	}
	emit := func(parts ...[]string) {
		var row []string
		for _, p := range parts {
			row = append(row, p...)
		}
		out = append(out, strings.Join(row, "|"))
	}
	byKey, hasNull := map[string][]int{}, false
	for j := range r.Rows {
		if k, known := key(r, j); known {
			byKey[k] = append(byKey[k], j)
		} else {
			hasNull = true
		}
	}
	nulls := func(n int) []string { return strings.Split(strings.Repeat("NULL|", n)[:5*n-1], "|") }
	matched := map[int]bool{}
	for i := range l.Rows {
		k, known := key(l, i)
		row, n1 := show(l, i), 0
		if known {
			for _, j := range byKey[k] {
				x, y := &l.Cols[2], &r.Cols[2]
				if n.residual && (x.NullAt(i) || y.NullAt(j) || x.Int64At(i) >= y.Int64At(j)) {
					continue
				}
				n1++
				matched[j] = true
				if !n.kind.LeftOnly() {
					emit(row, show(r, j))
				}
			}
		}
		switch n.kind {
		case logical.Left, logical.Full, logical.LeftSingle:
			if n1 == 0 {
				emit(row, nulls(len(r.Cols)))
			}
		case logical.LeftSemi:
			if n1 > 0 {
				emit(row)
			}
		case logical.LeftAnti:
			if n1 == 0 {
				emit(row)
			}
		case logical.NullAwareAnti:
			if r.Rows == 0 || n1 == 0 && !hasNull && known {
				emit(row)
			}
		case logical.LeftMark:
			mark := fmt.Sprint(n1 > 0)
			if n1 == 0 && r.Rows > 0 && (hasNull || !known) {
				mark = "NULL"
			}
			emit(row, []string{mark})
		}
	}
	if n.kind == logical.Right || n.kind == logical.Full {
		for j := range r.Rows {
			if !matched[j] {
				emit(nulls(len(l.Cols)), show(r, j))
			}
		}
	}
	return out
}

func (n node) check(t *testing.T, l, r *columnar.Batch, tiny int64) {
	t.Helper()
	p := n.plan(l.Schema, r.Schema)
	optest.Check(t, optest.Case{Tables: []*columnar.Batch{l, r}, Tiny: tiny,
		New: func(in ...op.Operator) op.Operator { return join.NewHash(p, 1, in[0], in[1]) },
		Want: func(tables []*columnar.Batch) []string {
			return n.naive(tables[0], tables[1])
		}})
}

func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// TestKinds joins every way, within memory and beyond it.
func TestKinds(t *testing.T) {
	r := seeded(t)
	kinds := []node{{kind: logical.Inner}, {kind: logical.Inner, buildLeft: true}, {kind: logical.Left}, {kind: logical.Left, buildLeft: true}, {kind: logical.Right},
		{kind: logical.Full}, {kind: logical.LeftSemi}, {kind: logical.LeftSemi, buildLeft: true}, {kind: logical.LeftAnti}, {kind: logical.LeftAnti, buildLeft: true},
		{kind: logical.NullAwareAnti}, {kind: logical.LeftMark}}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, n := range kinds[:4] { // each takes half a second
		n.keys = [][]int{{0}, {1}, {0, 1}, {1, 0}}[r.IntN(4)]
		if n.kind == logical.NullAwareAnti || n.kind == logical.LeftMark {
			n.keys = n.keys[:1]
		} else {
			n.nullSafe = len(n.keys) > 1 && r.IntN(2) == 0 // of one key alone, all null rows match
			n.residual = r.IntN(2) == 0
		}
		n.shared, n.computed = r.IntN(2) == 0, r.IntN(3) == 0
		t.Run(fmt.Sprintf("%+v", n), func(t *testing.T) {
			small, large := random(r, 1500, 8000, 0)
			if n.buildLeft {
				small, large = large, small
			}
			n.check(t, small, large, 1<<20)
		})
	}
}

// TestOneKey joins sides of which most rows have one key, which no partitioning
// takes apart.
func TestOneKey(t *testing.T) {
	r := seeded(t)
	kinds := []node{{kind: logical.Inner}, {kind: logical.Full, residual: true}, {kind: logical.LeftAnti, residual: true}, {kind: logical.LeftSemi, buildLeft: true, residual: true}, {kind: logical.LeftMark}, {kind: logical.NullAwareAnti}}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, n := range kinds[:2] {
		n.keys = []int{0}
		t.Run(fmt.Sprintf("%+v", n), func(t *testing.T) {
			few, most := random(r, 25, 10000, 0.9)
			if n.buildLeft {
				few, most = most, few
			}
			n.check(t, few, most, 1<<20)
		})
	}
}

// TestSingle joins a scalar subquery, which may give one row per row at most.
func TestSingle(t *testing.T) {
	r := seeded(t)
	n := node{kind: logical.LeftSingle, keys: []int{0}}
	l, w := random(r, 3000, 9000, 0)
	keys := columnar.Values[int64](&w.Cols[0])
	for i := range keys {
		keys[i] = int64(i - len(keys)/2)
	}
	n.check(t, l, w, 1<<20)
	for i := range keys { // now there are two of each
		keys[i] = int64(i / 2)
	}
	p := n.plan(l.Schema, w.Schema)
	for _, budget := range []int64{1 << 30, 1 << 20} {
		x := newStage(budget, 1)
		_, err := x.run(p, 0, optest.NewSource(l, optest.Shape{Rows: 1000}), optest.NewSource(w, optest.Shape{Rows: 1000}))
		if diag.ClassOf(err) != diag.ScalarSubquery {
			t.Errorf("with %d bytes: %v", budget, err)
		}
		x.close(t)
	}
}

// stage is what tasks of a stage run in.
type stage struct {
	broker *memory.Broker
	space  *spill.Space
	shared *op.Shared
	tasks  int
}

func newStage(budget int64, tasks int) *stage {
	x := &stage{broker: memory.NewBroker(budget), space: spill.NewSpace(""), tasks: tasks}
	x.shared = &op.Shared{Memory: x.broker.Reserve("stage", 0), Spill: x.space.File()}
	return x
}

// run runs a task to its end and renders its rows.
func (x *stage) run(p *physical.HashJoin, task int, left, right op.Operator) (rows []string, err error) {
	m, file := x.broker.Reserve("task", 0), x.space.File()
	defer m.Close()
	defer file.Close()
	j := join.NewHash(p, 1, left, right)
	defer j.Close()
	ctx := context.Background()
	err = j.Open(ctx, &op.TaskContext{Memory: m, Spill: file, BatchRows: columnar.MaxRows, Slots: 2, Tasks: x.tasks, Task: task, Zone: time.UTC, Shared: x.shared})
	for err == nil {
		var b *columnar.Batch
		if b, err = j.Next(ctx); err != nil {
			break
		}
		for i := range b.Selected() {
			rows = append(rows, strings.Join(show(b, b.RowAt(i)), "|"))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return rows, err
}

func (x *stage) close(t *testing.T) {
	t.Helper()
	x.shared.Close()
	x.shared.Memory.Close()
	if n := x.broker.Reserved(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
	if err := x.space.Close(); err != nil {
		t.Error(err)
	}
}

// TestTasks lets the tasks of a stage, more than run at a time, share a build
// side; one of them fails once before its end, one after it.
func TestTasks(t *testing.T) {
	r := seeded(t)
	const tasks = 5
	for _, n := range []node{{kind: logical.Inner}, {kind: logical.Full}, {kind: logical.LeftAnti, buildLeft: true}, {kind: logical.LeftMark}, {kind: logical.Left, residual: true}, {kind: logical.Left, apart: true}} {
		n.keys, n.shared = []int{0}, true
		l, w := random(r, 3000, 9000, 0)
		if n.buildLeft {
			l, w = w, l
		}
		p := n.plan(l.Schema, w.Schema)
		build, probe := w, l
		if n.buildLeft {
			build, probe = l, w
		}
		want := n.naive(l, w)
		slices.Sort(want)
		for _, budget := range []int64{1 << 30, 1 << 20} {
			x := newStage(budget, tasks)
			one := func(task, failAt int) ([]string, error) {
				from, to := probe.Rows*task/tasks, probe.Rows*(task+1)/tasks
				part := kernel.SliceBatch(probe, from, to-from, nil)
				part.Schema = probe.Schema
				in, table := optest.NewSource(part, optest.Shape{Rows: 200, FailAt: failAt}), optest.NewSource(build, optest.Shape{Rows: 1000, Selection: true})
				if n.buildLeft {
					return x.run(p, task, table, in)
				}
				return x.run(p, task, in, table)
			}
			var mu sync.Mutex
			var got []string
			var wg sync.WaitGroup
			slots := make(chan bool, 2)
			for task := range tasks {
				wg.Go(func() {
					slots <- true
					defer func() { <-slots }()
					if task == 1 {
						if _, err := one(task, 2); !errors.Is(err, optest.ErrInput) {
							t.Error(err)
						}
					}
					rows, err := one(task, 0)
					if err == nil && task == 2 { // its rows are lost on their way
						rows, err = one(task, 0)
					}
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					got = append(got, rows...)
				})
			}
			wg.Wait()
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%+v with %d bytes: %d rows, want %d", n, budget, len(got), len(want))
			}
			if spilled := x.shared.Spill.Spilled(); (spilled > 0) != (budget < 1<<30) {
				t.Errorf("%+v with %d bytes: %d bytes are spilled", n, budget, spilled)
			}
			x.close(t)
		}
	}
}

// TestLoop joins by nested loops, with more right rows than memory has room for.
func TestLoop(t *testing.T) {
	r := seeded(t)
	kinds := []logical.JoinKind{logical.Inner, logical.Left, logical.Right, logical.Full, logical.LeftSemi, logical.LeftAnti, logical.NullAwareAnti, logical.LeftMark}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, kind := range kinds[:2] {
		n := node{kind: kind, keys: []int{0}, residual: kind != logical.NullAwareAnti && kind != logical.LeftMark}
		t.Run(kind.String(), func(t *testing.T) {
			l, w := random(r, 8, 3100, 0)
			w.Cols[3] = optest.Random(r, w.Rows, optest.Column{Type: columnar.StringType, Distinct: 1000, Longest: 1000}).Cols[0]
			h := n.plan(l.Schema, w.Schema)
			cond := expr.Expr(expr.NewCall("=", columnar.BoolType, column(l.Schema, 0, 0), column(w.Schema, 0, l.Schema.Len())))
			if h.Residual != nil {
				cond = expr.NewCall("and", columnar.BoolType, cond, h.Residual)
			}
			p := &physical.LoopJoin{Kind: kind, Shared: r.IntN(2) == 0, Left: h.Left, Right: h.Right, Cond: cond, Output: h.Output, Out: h.Out}
			optest.Check(t, optest.Case{Tables: []*columnar.Batch{l, w}, Tiny: 1 << 20,
				New:  func(in ...op.Operator) op.Operator { return join.NewLoop(p, 1, in[0], in[1]) },
				Want: func(tables []*columnar.Batch) []string { return n.naive(tables[0], tables[1]) }})
		})
	}
}
