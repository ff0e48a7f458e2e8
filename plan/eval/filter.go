package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Filter selects the rows for which all conjuncts are true. It is used by one
// goroutine at a time.
type Filter struct {
	tests []test
	buf   [2][]uint16
}

// test is one conjunct: a range of an integer-like column, or any expression.
type test struct {
	column  int // range: position of the column
	lo, hi  int64
	isRange bool
	program *Program
}

// CompileFilter prepares conjuncts. Comparisons of one integer, date, time or
// narrow decimal column with literals become ranges; ranges of one column are
// intersected and tested first.
func CompileFilter(conjuncts []expr.Expr, opts Options) (*Filter, error) {
	f := &Filter{}
	var rest []test
	for _, c := range conjuncts {
		if t, ok := rangeOf(c); ok {
			merged := false
			for i := range f.tests {
				if f.tests[i].column == t.column {
					f.tests[i].lo, f.tests[i].hi = max(f.tests[i].lo, t.lo), min(f.tests[i].hi, t.hi)
					merged = true
				}
			}
			if !merged {
				f.tests = append(f.tests, t)
			}
			continue
		}
		p, err := Compile([]expr.Expr{c}, opts)
		if err != nil {
			return nil, err
		}
		rest = append(rest, test{program: p})
	}
	f.tests = append(f.tests, rest...)
	for i := range f.buf {
		f.buf[i] = make([]uint16, columnar.MaxRows)
	}
	return f, nil
}

const (
	minInt64 = -1 << 63
	maxInt64 = 1<<63 - 1
)

// rangeOf recognises column op literal.
func rangeOf(e expr.Expr) (t test, ok bool) {
	c, ok := e.(*expr.Call)
	if !ok || len(c.Args) != 2 {
		return t, false
	}
	op, ok := operators[c.Fn.Name]
	if !ok || op == ne {
		return t, false
	}
	col, ok := c.Args[0].(*expr.Column)
	l, ok2 := c.Args[1].(*expr.Literal)
	if !ok || !ok2 {
		col, ok = c.Args[1].(*expr.Column)
		l, ok2 = c.Args[0].(*expr.Literal)
		op = swapped[op]
	}
	if !ok || !ok2 || !col.Typ.Equal(l.Typ) {
		return t, false
	}
	var x int64
	switch v := l.Value.(type) {
	case int64:
		if col.Typ.Kind >= columnar.Uint8 && col.Typ.Kind <= columnar.Uint64 {
			return t, false
		}
		x = v
	case columnar.Int128:
		if !v.FitsInt64() {
			return t, false
		}
		if x = int64(v.Lo); x == minInt64 || x == maxInt64 { // they stand for no bound
			return t, false
		}
	default:
		return t, false
	}
	t = test{column: col.Index, isRange: true, lo: minInt64, hi: maxInt64}
	switch op {
	case eq:
		t.lo, t.hi = x, x
	case lt:
		if x == minInt64 {
			return t, false
		}
		t.hi = x - 1
	case le:
		t.hi = x
	case gt:
		if x == maxInt64 {
			return t, false
		}
		t.lo = x + 1
	case ge:
		t.lo = x
	}
	return t, true
}

// Select appends to out the rows of the batch that count and for which every
// conjunct is true.
func (f *Filter) Select(b *columnar.Batch, s *memory.Scratch, out []uint16) ([]uint16, error) {
	sel := b.Sel
	for i := range f.tests {
		t := &f.tests[i]
		dst := f.buf[i&1][:0]
		if sel != nil && len(sel) == 0 {
			break
		}
		if t.isRange {
			if next, ok := t.selectRange(&b.Cols[t.column], b.Rows, sel, dst, s); ok {
				sel = next
				continue
			}
			sel = t.slowRange(&b.Cols[t.column], b.Rows, sel, dst)
			continue
		}
		vs, err := t.program.run(&rows{n: b.Rows, sel: sel, s: s, batch: b})
		if err != nil {
			return nil, err
		}
		v := vs[0]
		switch {
		case v.Type.Kind == columnar.Null:
			sel = dst
		case v.Enc == columnar.Const:
			if v.NullAt(0) || !v.Bits().Get(0) {
				sel = dst
			} else if sel == nil {
				sel = all(b.Rows, dst)
			}
		default:
			v = kernel.Flatten(&v, s)
			sel = kernel.SelectBits(v.Bits(), v.Valid, b.Rows, sel, dst)
		}
	}
	if sel == nil {
		sel = all(b.Rows, f.buf[0][:0])
	}
	return append(out, sel...), nil
}

func all(n int, out []uint16) []uint16 {
	for i := range n {
		out = append(out, uint16(i))
	}
	return out
}

// selectRange serves flat signed vectors; the second result is false for others.
func (t *test) selectRange(v *columnar.Vector, n int, sel, out []uint16, s *memory.Scratch) ([]uint16, bool) {
	if v.Enc == columnar.Dict && v.Dict.Values.Len <= n && v.Dict.Values.Width <= 8 {
		ok := make([]bool, v.Dict.Values.Len)
		for i := range ok {
			x := v.Dict.Values.Int64At(i)
			ok[i] = x >= t.lo && x <= t.hi
		}
		out = out[:cap(out)]
		k := 0
		codes := v.Codes()
		if sel == nil {
			for i, c := range codes {
				out[k] = uint16(i)
				k += int(bit(ok[c]))
			}
		} else {
			for _, r := range sel {
				out[k] = r
				k += int(bit(ok[codes[r]]))
			}
		}
		return dropNulls(v, out[:k]), true
	}
	if v.Enc != columnar.Flat {
		return nil, false
	}
	switch v.Width {
	case 4:
		lo, hi := max(t.lo, -1<<31), min(t.hi, 1<<31-1)
		if lo > hi {
			return out, true
		}
		out = pickRange(columnar.Values[int32](v), int32(lo), int32(hi), sel, out)
	case 8:
		if t.lo > t.hi {
			return out, true
		}
		out = pickRange(columnar.Values[int64](v), t.lo, t.hi, sel, out)
	default:
		return nil, false
	}
	return dropNulls(v, out), true
}

func dropNulls(v *columnar.Vector, sel []uint16) []uint16 {
	if v.Valid == nil {
		return sel
	}
	k := 0
	for _, r := range sel {
		sel[k] = r
		k += int(v.Valid[r>>3] >> (r & 7) & 1)
	}
	return sel[:k]
}

func pickRange[T int32 | int64](vs []T, lo, hi T, sel, out []uint16) []uint16 {
	out = out[:cap(out)]
	k := 0
	if sel == nil {
		for i, x := range vs {
			out[k] = uint16(i)
			k += int(bit(x >= lo) & bit(x <= hi))
		}
		return out[:k]
	}
	for _, r := range sel {
		x := vs[r]
		out[k] = r
		k += int(bit(x >= lo) & bit(x <= hi))
	}
	return out[:k]
}

func (t *test) slowRange(v *columnar.Vector, n int, sel, out []uint16) []uint16 {
	one := func(r uint16) {
		if v.NullAt(int(r)) {
			return
		}
		x := columnar.Int128{}
		if v.Type.Kind == columnar.Decimal {
			x = v.Int128At(int(r))
		} else {
			x = columnar.Int128Of(v.Int64At(int(r)))
		}
		if (t.lo == minInt64 || orderWide(x, columnar.Int128Of(t.lo)) >= 0) && (t.hi == maxInt64 || orderWide(x, columnar.Int128Of(t.hi)) <= 0) {
			out = append(out, r)
		}
	}
	if sel == nil {
		for i := range n {
			one(uint16(i))
		}
		return out
	}
	for _, r := range sel {
		one(r)
	}
	return out
}
