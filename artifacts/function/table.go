package function

import (
	"io"
	"iter"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Table1 registers a table function of one value: it makes any number of rows, whose
// columns are the fields of R, or one named value.
func Table1[A, R any](r *Registry, name string, f func(A) iter.Seq[R], opts ...Option) {
	table1(r, name, "table", f, func(as []A, w *work[R], rows *made[R]) {
		for i, a := range as {
			w.at = i
			if !rows.each(i, f(a)) {
				return
			}
		}
	}, opts)
}

// TableVector1 registers a table function of many values at once: it says of each row
// which of them it belongs to. It may not keep as.
func TableVector1[A, R any](r *Registry, name string, f func(as []A) iter.Seq2[int, R], opts ...Option) {
	table1(r, name, "table vector", f, func(as []A, _ *work[R], rows *made[R]) { rows.all(len(as), f(as)) }, opts)
}

func table1[A, R any](r *Registry, name, kind string, f any, run func([]A, *work[R], *made[R]), opts []Option) {
	a, err1 := columnOf[A]()
	t := &table[R]{name: name, inputs: inputs{strict: !a.nullable}}
	var err2 error
	if t.rows, err2 = recordOf[R](); !r.types(name, err1, err2) {
		return
	}
	t.run = func(n int, sel []uint16, args []*columnar.Vector, w *work[R]) (func() string, func(*made[R])) {
		as := pick(a.load(args[0], n, slot[A](w, 0, n)), sel, w, 0)
		return func() string { return shown(as[w.at]) }, func(out *made[R]) { run(as, w, out) }
	}
	r.table(t.describe([]columnar.Type{a.typ}, opts), kind, f)
}

// Table2 registers a table function of two values, as Table1.
func Table2[A, B, R any](r *Registry, name string, f func(A, B) iter.Seq[R], opts ...Option) {
	table2(r, name, "table", f, func(as []A, bs []B, w *work[R], rows *made[R]) {
		for i, a := range as {
			w.at = i
			if !rows.each(i, f(a, bs[i])) {
				return
			}
		}
	}, opts)
}

// TableVector2 registers a table function of many pairs of values at once, as
// TableVector1.
func TableVector2[A, B, R any](r *Registry, name string, f func(as []A, bs []B) iter.Seq2[int, R], opts ...Option) {
	table2(r, name, "table vector", f, func(as []A, bs []B, _ *work[R], rows *made[R]) { rows.all(len(as), f(as, bs)) }, opts)
}

func table2[A, B, R any](r *Registry, name, kind string, f any, run func([]A, []B, *work[R], *made[R]), opts []Option) {
	a, err1 := columnOf[A]()
	b, err2 := columnOf[B]()
	t := &table[R]{name: name, inputs: inputs{strict: !a.nullable && !b.nullable, never: []bool{!a.nullable, !b.nullable}}}
	var err3 error
	if t.rows, err3 = recordOf[R](); !r.types(name, err1, err2, err3) {
		return
	}
	t.run = func(n int, sel []uint16, args []*columnar.Vector, w *work[R]) (func() string, func(*made[R])) {
		as := pick(a.load(args[0], n, slot[A](w, 0, n)), sel, w, 0)
		bs := pick(b.load(args[1], n, slot[B](w, 1, n)), sel, w, 1)
		return func() string { return shown(as[w.at], bs[w.at]) }, func(out *made[R]) { run(as, bs, w, out) }
	}
	r.table(t.describe([]columnar.Type{a.typ, b.typ}, opts), kind, f)
}

// table is an expr.ForeignTable.
type table[R any] struct {
	name string
	inputs
	rows record[R]
	// run readies a call for rows (nil: all n), as that of a scalar.
	run func(n int, sel []uint16, args []*columnar.Vector, w *work[R]) (given func() string, call func(*made[R]))
}

var _ expr.ForeignTable = (*table[int64])(nil)

func (t *table[R]) describe(params []columnar.Type, opts []Option) *expr.Function {
	f := &expr.Function{Name: t.name, Kind: expr.TableFunction, Fallible: true, Table: t, Resolve: expr.Fixed(t.name, columnar.Type{}, true, params...)}
	for _, o := range opts {
		o(f)
	}
	return f
}

// Columns implements expr.ForeignTable.
func (t *table[R]) Columns() *columnar.Schema { return t.rows.schema }

// Open implements expr.ForeignTable.
func (t *table[R]) Open(n int, sel []uint16, args []*columnar.Vector, most int, s *memory.Scratch) expr.ForeignTableRows {
	w := &work[R]{at: -1}
	live, _ := t.live(n, sel, args, s, &w.rows)
	given, call := t.run(n, live, args, w)
	m := &made[R]{record: &t.rows, live: live, most: most}
	m.next, m.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if p := recover(); p != nil {
				text := ""
				if w.at >= 0 {
					text = given()
				}
				m.err = panicked(t.name, p, text)
			}
		}()
		m.full = func() bool { return yield(struct{}{}) }
		call(m)
	})
	return m
}

// made are the rows that a call makes: the function runs until there are most of
// them, and goes on when these were taken.
type made[R any] struct {
	record *record[R]
	live   []uint16 // the row of the batch by that among those that count; nil: the same
	most   int
	rows   []R
	from   []uint16
	full   func() bool // suspends the function; false: it is to end
	next   func() (struct{}, bool)
	stop   func()
	ended  bool
	err    error
}

// add takes a row that was made for row i of those that count.
func (m *made[R]) add(i int, x R) bool {
	if m.live != nil {
		i = int(m.live[i])
	}
	m.rows, m.from = append(m.rows, x), append(m.from, uint16(i))
	return len(m.rows) < m.most || m.full()
}

func (m *made[R]) each(i int, rows iter.Seq[R]) bool {
	if rows == nil {
		return true
	}
	for x := range rows {
		if !m.add(i, x) {
			return false
		}
	}
	return true
}

func (m *made[R]) all(n int, rows iter.Seq2[int, R]) {
	if rows == nil {
		return
	}
	for i, x := range rows {
		if i < 0 || i >= n {
			panic(diag.New(diag.FunctionFailed, "a table function made a row for value %d of %d", i, n).WithRemedy("the first of a pair that it yields is an index of its arguments"))
		}
		if !m.add(i, x) {
			return
		}
	}
}

// Next implements expr.ForeignTableRows.
func (m *made[R]) Next(s *memory.Scratch) ([]columnar.Vector, []uint16, error) {
	clear(m.rows) // of strings
	m.rows, m.from = m.rows[:0], m.from[:0]
	if !m.ended {
		_, more := m.next()
		m.ended = !more
	}
	if m.err != nil {
		return nil, nil, m.err
	}
	if len(m.rows) == 0 {
		return nil, nil, io.EOF
	}
	vs, err := m.record.store(m.rows, s)
	return vs, m.from, err
}

// Close implements expr.ForeignTableRows.
func (m *made[R]) Close() { m.stop() }
