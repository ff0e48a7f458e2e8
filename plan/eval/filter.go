package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Filter selects the rows for which all conjuncts are true. It is used by one
// goroutine at a time.
//
// Conjuncts that cannot fail come first, the most useful of them (fewest rows
// kept for the least work, as seen so far) before the others; the rest follow
// as written. So a conjunct that can fail sees no row that an earlier one
// rejected, whatever the order of the others.
type Filter struct {
	tests []test
	safe  int // so many tests may change places
	turns int
	buf   [2][]uint16
	root  *Program // the parent of all branches; it computes nothing
}

// test is one conjunct: a range of an integer-like column, or any expression.
type test struct {
	column  int // range: position of the column
	lo, hi  int64
	isRange bool
	cost    float64 // estimated work per row
	in, out float64 // rows seen and kept, fading
	branch  *branch
	rows    rows // of the call at hand
}

// CompileFilter prepares conjuncts. Comparisons of one integer, date, time or
// narrow decimal column with literals become ranges; ranges of one column are
// intersected.
func CompileFilter(conjuncts []expr.Expr, opts Options) (*Filter, error) {
	f := &Filter{root: &Program{opts: opts}}
	var rest []test
	for _, c := range conjuncts {
		if t, ok := rangeOf(c); ok {
			f.addRange(t)
			continue
		}
		b, err := f.root.branch(c)
		if err != nil {
			return nil, err
		}
		t := test{branch: b, cost: costOf(c)}
		if expr.Fallible(c) {
			rest = append(rest, t)
		} else {
			f.tests = append(f.tests, t)
		}
	}
	f.safe = len(f.tests)
	f.tests = append(f.tests, rest...)
	for i := range f.buf {
		f.buf[i] = make([]uint16, columnar.MaxRows)
	}
	f.order()
	return f, nil
}

func (f *Filter) addRange(t test) {
	for i := range f.tests {
		if o := &f.tests[i]; o.isRange && o.column == t.column {
			o.lo, o.hi = max(o.lo, t.lo), min(o.hi, t.hi)
			return
		}
	}
	t.cost = 1
	f.tests = append(f.tests, t)
}

// costOf estimates the work of a condition per row, in units of a comparison of
// integers. Only the order of tests depends on it.
func costOf(e expr.Expr) float64 {
	cost := 0.0
	expr.Walk(e, func(e expr.Expr) bool {
		switch x := e.(type) {
		case *expr.Call:
			cost++
			if len(x.Args) > 0 && x.Args[0].Type().IsBytes() {
				cost += 4
			}
			switch x.Fn.Name {
			case "like", "ilike":
				cost += 10
			case "rlike", "regexp_replace", "regexp_extract":
				cost += 200
			}
		case *expr.Cast:
			cost += 2
			if x.Arg.Type().IsBytes() || x.To.IsBytes() {
				cost += 30
			}
		case *expr.Case:
			cost += 5
		}
		return true
	})
	return cost
}

// order sorts the tests that cannot fail by work per row rejected.
func (f *Filter) order() {
	rank := func(t *test) float64 {
		kept := (t.out + 1) / (t.in + 3) // a third, before anything was seen
		return t.cost / (1.001 - kept)
	}
	ts := f.tests[:f.safe]
	for i := 1; i < len(ts); i++ {
		for j := i; j > 0 && rank(&ts[j]) < rank(&ts[j-1]); j-- {
			ts[j], ts[j-1] = ts[j-1], ts[j]
		}
	}
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
	if b.Rows > len(f.buf[0]) {
		for i := range f.buf {
			f.buf[i] = make([]uint16, b.Rows)
		}
	}
	for i := range f.tests {
		t := &f.tests[i]
		dst := f.buf[i&1][:0]
		if sel != nil && len(sel) == 0 || b.Rows == 0 {
			break
		}
		before := b.Rows
		if sel != nil {
			before = len(sel)
		}
		var err error
		if t.isRange {
			sel = t.selectRange(&b.Cols[t.column], b.Rows, sel, dst)
		} else if sel, err = t.selectTrue(b, s, sel, dst); err != nil {
			return nil, err
		}
		t.in += float64(before)
		t.out += float64(len(sel))
	}
	if f.turns++; f.turns&15 == 2 && f.safe > 1 {
		f.order()
		for i := range f.tests {
			f.tests[i].in, f.tests[i].out = f.tests[i].in/2, f.tests[i].out/2
		}
	}
	if sel == nil {
		sel = all(b.Rows, f.buf[0][:0])
	}
	return append(out, sel...), nil
}

func (t *test) selectTrue(b *columnar.Batch, s *memory.Scratch, sel, dst []uint16) ([]uint16, error) {
	t.rows = rows{n: b.Rows, sel: sel, s: s, batch: b}
	c, err := t.branch.run(&t.rows, sel)
	if err != nil {
		return nil, err
	}
	v := &c.v
	switch {
	case v.Type.Kind == columnar.Null:
		return dst, nil
	case v.Enc == columnar.Const:
		if v.NullAt(0) || !v.Bits().Get(0) {
			return dst, nil
		}
		if sel == nil {
			return all(b.Rows, dst), nil
		}
		return append(dst, sel...), nil
	}
	v = flat(v, s)
	if !c.dense {
		return kernel.SelectBits(v.Bits(), v.Valid, b.Rows, sel, dst), nil
	}
	dst = kernel.SelectBits(v.Bits(), v.Valid, len(sel), nil, dst)
	for i, k := range dst {
		dst[i] = sel[k]
	}
	return dst, nil
}

func all(n int, out []uint16) []uint16 {
	for i := range n {
		out = append(out, uint16(i))
	}
	return out
}

// selectRange keeps the rows of sel, or of all n, whose value is in the range.
func (t *test) selectRange(v *columnar.Vector, n int, sel, out []uint16) []uint16 {
	if t.lo > t.hi {
		return out
	}
	switch {
	case v.Enc == columnar.Dict && v.Dict.Values.Len <= n && narrowest(v) <= 8:
		ok := make([]byte, v.Dict.Values.Len)
		for i := range ok {
			x := v.Dict.Values.Int64At(i)
			ok[i] = byte(bit(x >= t.lo) & bit(x <= t.hi))
		}
		return dropNulls(v, pickCodes(ok, v.Codes(), sel, out))
	case v.Enc == columnar.Flat && v.Width == 4:
		lo, hi := max(t.lo, -1<<31), min(t.hi, 1<<31-1)
		if lo > hi {
			return out
		}
		return dropNulls(v, pickRange(columnar.Values[int32](v), int32(lo), uint32(hi)-uint32(lo), sel, out))
	case v.Enc == columnar.Flat && v.Width == 8:
		return dropNulls(v, pickWideRange(columnar.Values[int64](v), t.lo, uint64(t.hi)-uint64(t.lo), sel, out))
	}
	return t.slowRange(v, n, sel, out)
}

func pickCodes(ok []byte, codes []uint32, sel, out []uint16) []uint16 {
	k := 0
	if sel == nil {
		out = out[:len(codes)]
		for i, c := range codes {
			out[k] = uint16(i)
			k += int(ok[c])
		}
		return out[:k]
	}
	out = out[:len(sel)]
	for _, r := range sel {
		out[k] = r
		k += int(ok[codes[r]])
	}
	return out[:k]
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

// pickRange keeps rows with lo <= x <= lo+span, in one comparison.
func pickRange(vs []int32, lo int32, span uint32, sel, out []uint16) []uint16 {
	k := 0
	if sel == nil {
		out = out[:len(vs)]
		for i, x := range vs {
			out[k] = uint16(i)
			k += int(bit(uint32(x)-uint32(lo) <= span))
		}
		return out[:k]
	}
	out = out[:len(sel)]
	for _, r := range sel {
		out[k] = r
		k += int(bit(uint32(vs[r])-uint32(lo) <= span))
	}
	return out[:k]
}

func pickWideRange(vs []int64, lo int64, span uint64, sel, out []uint16) []uint16 {
	k := 0
	if sel == nil {
		out = out[:len(vs)]
		for i, x := range vs {
			out[k] = uint16(i)
			k += int(bit(uint64(x)-uint64(lo) <= span))
		}
		return out[:k]
	}
	out = out[:len(sel)]
	for _, r := range sel {
		out[k] = r
		k += int(bit(uint64(vs[r])-uint64(lo) <= span))
	}
	return out[:k]
}

// slowRange serves every shape and width.
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
		// An open end means any value: wide decimals reach beyond 64 bits.
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
