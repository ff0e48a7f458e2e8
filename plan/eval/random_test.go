package eval

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// column is a column with its values a row: nil, or as a literal has them.
type column struct {
	vector columnar.Vector
	values []any
}

var wide = columnar.DecimalType(38, 2)

var columnTypes = []columnar.Type{columnar.Int32Type, columnar.Int64Type, columnar.DateType, columnar.DecimalType(9, 2), wide,
	columnar.StringType, columnar.Float64Type, columnar.BoolType, columnar.Int8Type, columnar.TimestampType}

func randomValue(r *rand.Rand, t columnar.Type) any {
	small := int64(r.IntN(7)) - 3
	switch {
	case t.Kind == columnar.Bool:
		return small > 0
	case t.IsFloat():
		return []float64{0, math.Copysign(0, -1), math.NaN(), 1.5, -2, math.Inf(1), math.Inf(-1)}[r.IntN(7)]
	case t.Kind == columnar.String:
		return strings.Repeat("ä", int(small+3)/3) + string(rune('a'+r.IntN(3)))
	case t.Kind == columnar.Decimal:
		if t.Precision > 18 && r.IntN(3) == 0 {
			x, _ := columnar.Int128FromBig(new(big.Int).Mul(big.NewInt(small), bigTen(20)))
			return x
		}
		return columnar.Int128Of(small)
	}
	return small
}

// vectorOf builds a flat vector; null rows hold something.
func vectorOf(t columnar.Type, values []any, r *rand.Rand) columnar.Vector {
	b := newBuilder(&rows{n: len(values)}, t)
	for i, x := range values {
		if x == nil {
			x = randomValue(r, t)
		}
		one := Constant(x, t, 1)
		switch {
		case t.IsBytes():
			b.str(i, one.BytesAt(0))
		case t.Kind == columnar.Bool:
			b.bool(i, x.(bool))
		case t.IsFloat():
			b.float(i, x.(float64))
		case t.Kind == columnar.Decimal:
			b.decimal(i, x.(columnar.Int128))
		default:
			b.int(i, x.(int64))
		}
	}
	return b.vector()
}

// randomColumn makes a column in a random encoding.
func randomColumn(r *rand.Rand, t columnar.Type, n int) column {
	c := column{values: make([]any, n)}
	nulls := []float64{0, 0.3}[r.IntN(2)]
	fresh := func() any {
		if r.Float64() < nulls {
			return nil
		}
		return randomValue(r, t)
	}
	switch kind := r.IntN(3); {
	case kind == 0: // constant
		x := fresh()
		for i := range c.values {
			c.values[i] = x
		}
		c.vector = Constant(x, t, n)
		return c
	case kind == 1 && t.Kind != columnar.Bool:
		entries := make([]any, 1+r.IntN(5))
		for i := range entries {
			entries[i] = randomValue(r, t)
		}
		codes := make([]uint32, n)
		for i := range codes {
			codes[i] = uint32(r.IntN(len(entries)))
			if r.Float64() >= nulls {
				c.values[i] = entries[codes[i]]
			}
		}
		d := &columnar.Dictionary{Values: vectorOf(t, entries, r)}
		d.Values.Stable = r.IntN(2) == 0
		c.vector = columnar.Vector{Type: t, Enc: columnar.Dict, Width: d.Values.Width, Len: n, Data: columnar.BytesOf(codes), Dict: d, Stable: d.Values.Stable}
	default:
		for i := range c.values {
			c.values[i] = fresh()
		}
		c.vector = vectorOf(t, c.values, r)
	}
	valid := columnar.NewBitmap(n)
	all := true
	for i, x := range c.values {
		valid.SetTo(i, x != nil)
		all = all && x != nil
	}
	if !all {
		c.vector.Valid = valid
	}
	return c
}

// maker makes expressions over columns of columnTypes.
type maker struct{ r *rand.Rand }

func (m *maker) leaf(t columnar.Type) expr.Expr {
	if m.r.IntN(4) == 0 {
		if m.r.IntN(6) == 0 {
			return expr.Null(t)
		}
		return expr.Lit(randomValue(m.r, t), t)
	}
	for i, k := range columnTypes {
		if k.Equal(t) {
			i += len(columnTypes) * m.r.IntN(2)
			return &expr.Column{Index: i, Name: fmt.Sprintf("c%d", i), Typ: t, Null: true}
		}
	}
	return expr.Null(t)
}

func (m *maker) value(t columnar.Type, depth int) expr.Expr {
	if depth <= 0 {
		return m.leaf(t)
	}
	v := func() expr.Expr { return m.value(t, depth-1) }
	if t.Kind == columnar.Bool && m.r.IntN(3) > 0 {
		return m.condition(depth)
	}
	switch m.r.IntN(7) {
	case 0:
		c := &expr.Case{Whens: []expr.When{{Cond: m.condition(depth - 1), Then: v()}, {Cond: m.condition(depth - 1), Then: v()}}}
		if m.r.IntN(2) == 0 {
			c.Else = v()
		}
		return c
	case 1:
		return expr.NewCall("coalesce", t, v(), v())
	case 2:
		return expr.NewCall("if", t, m.condition(depth-1), v(), v())
	case 3:
		return expr.NewCall("greatest", t, v(), v(), v())
	case 4:
		return expr.NewCall("least", t, v(), v())
	case 5:
		return expr.NewCall("nullif", t, v(), v())
	}
	return m.leaf(t)
}

func (m *maker) condition(depth int) expr.Expr {
	t := columnTypes[m.r.IntN(len(columnTypes))]
	v := func() expr.Expr { return m.value(t, depth-2) }
	call := func(name string, args ...expr.Expr) expr.Expr { return expr.NewCall(name, columnar.BoolType, args...) }
	n := 9
	if depth <= 0 {
		n = 5
	}
	switch m.r.IntN(n) {
	case 0:
		return call("in", v(), m.leaf(t), expr.Lit(randomValue(m.r, t), t), expr.Lit(randomValue(m.r, t), t))
	case 1:
		args := []expr.Expr{v()}
		for range 1 + m.r.IntN(12) {
			args = append(args, expr.Lit(randomValue(m.r, t), t))
		}
		if m.r.IntN(3) == 0 {
			args = append(args, expr.Null(t))
		}
		return call("in", args...)
	case 2:
		return call("between", v(), m.leaf(t), m.leaf(t))
	case 3:
		return call([]string{"isnull", "isnotnull"}[m.r.IntN(2)], v())
	case 4, 5:
		return call([]string{"=", "<>", "<", "<=", ">", ">=", "<=>"}[m.r.IntN(7)], v(), v())
	case 6:
		return call("not", m.condition(depth-1))
	}
	return call([]string{"and", "or"}[m.r.IntN(2)], m.condition(depth-1), m.condition(depth-1))
}

func compareValues(a, b any) int {
	switch x := a.(type) {
	case bool:
		if x == b.(bool) {
			return 0
		} else if x {
			return 1
		}
		return -1
	case string:
		return strings.Compare(x, b.(string))
	case float64:
		y := b.(float64)
		switch {
		case math.IsNaN(x) && math.IsNaN(y) || x == y:
			return 0
		case math.IsNaN(x) || x > y:
			return 1
		}
		return -1
	case columnar.Int128:
		y := b.(columnar.Int128)
		return x.Big().Cmp(y.Big())
	}
	x, y := a.(int64), b.(int64)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// naive computes an expression on a row, value by value.
func naive(e expr.Expr, cols []column, row int) any {
	at := func(e expr.Expr) any { return naive(e, cols, row) }
	and := func(a, b any) any {
		switch {
		case a == false || b == false:
			return false
		case a == nil || b == nil:
			return nil
		}
		return true
	}
	not := func(a any) any {
		if a == nil {
			return nil
		}
		return !a.(bool)
	}
	test := func(op string, a, b any) any {
		if a == nil || b == nil {
			return nil
		}
		return holds(operators[op], compareValues(a, b))
	}
	switch x := e.(type) {
	case *expr.Column:
		return cols[x.Index].values[row]
	case *expr.Literal:
		return x.Value
	case *expr.Case:
		for _, w := range x.Whens {
			if at(w.Cond) == true {
				return at(w.Then)
			}
		}
		if x.Else == nil {
			return nil
		}
		return at(x.Else)
	case *expr.Call:
		args := make([]any, len(x.Args))
		for i, a := range x.Args {
			args[i] = at(a)
		}
		switch x.Fn.Name {
		case "and":
			return and(args[0], args[1])
		case "or":
			return not(and(not(args[0]), not(args[1])))
		case "not":
			return not(args[0])
		case "isnull":
			return args[0] == nil
		case "isnotnull":
			return args[0] != nil
		case "<=>":
			if args[0] == nil || args[1] == nil {
				return args[0] == nil && args[1] == nil
			}
			return compareValues(args[0], args[1]) == 0
		case "between":
			return and(test(">=", args[0], args[1]), test("<=", args[0], args[2]))
		case "in":
			out := any(false)
			for _, a := range args[1:] {
				switch test("=", args[0], a) {
				case true:
					return true
				case nil:
					out = nil
				}
			}
			return out
		case "if":
			if args[0] == true {
				return args[1]
			}
			return args[2]
		case "nullif":
			if test("=", args[0], args[1]) == true {
				return nil
			}
			return args[0]
		case "coalesce", "greatest", "least":
			var best any
			for _, a := range args {
				if a != nil && (best == nil || x.Fn.Name == "greatest" && compareValues(a, best) > 0 || x.Fn.Name == "least" && compareValues(a, best) < 0) {
					best = a
				}
			}
			return best
		}
		return test(x.Fn.Name, args[0], args[1])
	}
	return nil
}

func randomBatch(r *rand.Rand) (*columnar.Batch, []column) {
	n := 1 + r.IntN([]int{5, 200}[r.IntN(2)])
	b := &columnar.Batch{Rows: n, Schema: columnar.NewSchema()}
	var cols []column
	for i := range 2 * len(columnTypes) {
		c := randomColumn(r, columnTypes[i%len(columnTypes)], n)
		cols = append(cols, c)
		b.Cols = append(b.Cols, c.vector)
	}
	if r.IntN(2) == 0 {
		b.Sel = []uint16{}
		for i := range n {
			if r.IntN(3) > 0 {
				b.Sel = append(b.Sel, uint16(i))
			}
		}
	}
	return b, cols
}

func newRandom(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func equalValues(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return compareValues(a, b) == 0
}

// TestRandomExpressions compares Eval with a naive evaluation.
func TestRandomExpressions(t *testing.T) {
	r := newRandom(t)
	m := &maker{r}
	for range 1500 {
		var e expr.Expr
		if r.IntN(2) == 0 {
			e = m.condition(r.IntN(4))
		} else {
			e = m.value(columnTypes[r.IntN(len(columnTypes))], r.IntN(4))
		}
		p, err := Compile([]expr.Expr{e}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		for range 3 { // batches of one program: dictionaries are remembered
			b, cols := randomBatch(r)
			vs, err := p.Eval(b, nil)
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			for i := range b.Selected() {
				row := b.RowAt(i)
				if got, want := Value(&vs[0], row), naive(e, cols, row); !equalValues(got, want) {
					t.Fatalf("row %d of %s is %v, not %v\n%s", row, e, got, want, shown(cols))
				}
			}
		}
	}
}

// TestRandomFilters compares Filter.Select with a naive evaluation.
func TestRandomFilters(t *testing.T) {
	r := newRandom(t)
	m := &maker{r}
	for range 1500 {
		var conjuncts []expr.Expr
		for range 1 + r.IntN(4) {
			c := m.condition(r.IntN(3))
			if r.IntN(2) == 0 { // a range
				typ := columnTypes[r.IntN(5)]
				args := []expr.Expr{m.leaf(typ), expr.Lit(randomValue(r, typ), typ)}
				if r.IntN(2) == 0 {
					args[0], args[1] = args[1], args[0]
				}
				c = expr.NewCall([]string{"=", "<>", "<", "<=", ">", ">="}[r.IntN(6)], columnar.BoolType, args...)
			}
			conjuncts = append(conjuncts, c)
		}
		f, err := CompileFilter(conjuncts, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b, cols := randomBatch(r)
			got, err := f.Select(b, nil, nil)
			if err != nil {
				t.Fatalf("%v: %v", conjuncts, err)
			}
			var want []uint16
			for i := range b.Selected() {
				row, keep := b.RowAt(i), true
				for _, c := range conjuncts {
					keep = keep && naive(c, cols, row) == true
				}
				if keep {
					want = append(want, uint16(row))
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%v keeps %v, not %v; selected %v\n%s", conjuncts, got, want, b.Sel, shown(cols))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%v keeps %v, not %v", conjuncts, got, want)
				}
			}
		}
	}
}

// TestRandomDecimals compares arithmetic on decimals of both widths with exact
// fractions, rounded half away from zero.
func TestRandomDecimals(t *testing.T) {
	r := newRandom(t)
	random := func(typ columnar.Type) any {
		switch r.IntN(6) {
		case 0:
			return nil
		case 1:
			return columnar.Int128{}
		}
		x := new(big.Int)
		for range 1 + r.IntN(int(typ.Precision)) {
			x.Add(x.Mul(x, big.NewInt(10)), big.NewInt(int64(r.IntN(10))))
		}
		if r.IntN(2) == 0 {
			x.Neg(x)
		}
		y, _ := columnar.Int128FromBig(x)
		return y
	}
	rat := func(x any, typ columnar.Type) *big.Rat {
		return new(big.Rat).SetFrac(x.(columnar.Int128).Big(), bigTen(int(typ.Scale)))
	}
	for range 3000 {
		var types [2]columnar.Type
		for i := range types {
			p := 1 + r.IntN([]int{18, 38}[r.IntN(2)])
			types[i] = columnar.DecimalType(p, r.IntN(p+1))
		}
		op := []string{"+", "-", "*", "/", "%"}[r.IntN(5)]
		typ := expr.DecimalResult(op, types[0], types[1])
		c := expr.NewCall(op, typ, &expr.Column{Index: 0, Name: "a", Typ: types[0], Null: true}, &expr.Column{Index: 1, Name: "b", Typ: types[1], Null: true})
		p, err := Compile([]expr.Expr{c}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := 1 + r.IntN(4)
		b := &columnar.Batch{Rows: n, Schema: columnar.NewSchema()}
		var values [2][]any
		for k, typ := range types {
			constant, x := r.IntN(4) == 0, random(typ)
			for range n {
				if !constant {
					x = random(typ)
				}
				values[k] = append(values[k], x)
			}
			v := Constant(x, typ, n)
			if !constant {
				v = vectorOf(typ, values[k], r)
				v.Valid = columnar.NewBitmap(n)
				for i, x := range values[k] {
					v.Valid.SetTo(i, x != nil)
				}
			}
			b.Cols = append(b.Cols, v)
		}
		class := diag.Class("")
		want := make([]any, n)
		for i := range n {
			if class != "" || values[0][i] == nil || values[1][i] == nil {
				continue
			}
			x, y, z := rat(values[0][i], types[0]), rat(values[1][i], types[1]), new(big.Rat)
			switch op {
			case "+":
				z.Add(x, y)
			case "-":
				z.Sub(x, y)
			case "*":
				z.Mul(x, y)
			default:
				if y.Sign() == 0 {
					class = diag.DivideByZero
					continue
				}
				z.Quo(x, y)
				if op == "%" {
					q := new(big.Int).Quo(z.Num(), z.Denom())
					z.Sub(x, y.Mul(y, new(big.Rat).SetInt(q)))
				}
			}
			u, ok := new(big.Rat).SetString(z.FloatString(int(typ.Scale)))
			u.Mul(u, new(big.Rat).SetInt(bigTen(int(typ.Scale))))
			if !ok || u.Num().CmpAbs(bigTen(int(typ.Precision))) >= 0 {
				class = diag.NumericOutOfRange
				continue
			}
			want[i], _ = columnar.Int128FromBig(u.Num())
		}
		vs, err := p.Eval(b, nil)
		if diag.ClassOf(err) != class {
			t.Fatalf("%v %s %v (%s, %s): got %v, want %q", values[0], op, values[1], types[0], types[1], err, class)
		}
		for i := range n {
			if class == "" && !equalValues(Value(&vs[0], i), want[i]) {
				t.Fatalf("%v %s %v (%s, %s) as %s: got %v, want %v", values[0][i], op, values[1][i], types[0], types[1], typ, Value(&vs[0], i), want[i])
			}
		}
	}
}

// shown renders columns for a failure's message.
func shown(cols []column) string {
	var b strings.Builder
	for i, c := range cols {
		fmt.Fprintf(&b, "c%d encoding %d width %d: %v\n", i, c.vector.Enc, c.vector.Width, c.values)
	}
	return b.String()
}
