package eval

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// numberTypes are the types of the columns that arithmetic is tested on.
var numberTypes = []columnar.Type{
	columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type, columnar.Float64Type,
	columnar.DecimalType(7, 2), columnar.DecimalType(15, 2), columnar.DecimalType(18, 0), columnar.DecimalType(19, 6),
	columnar.DecimalType(30, 10), columnar.DecimalType(38, 18),
}

// randomNumber is small mostly, and at the bounds of its type sometimes.
func randomNumber(r *rand.Rand, t columnar.Type) any {
	edge := r.IntN(12) == 0
	switch {
	case t.IsFloat():
		return float64(r.IntN(2000)-1000) / 8
	case t.Kind == columnar.Decimal:
		x := big.NewInt(int64(r.IntN(4001) - 2000))
		if edge {
			x = bigTen(int(t.Precision))
			x.Sub(x, big.NewInt(1+int64(r.IntN(3))))
			if r.IntN(2) == 0 {
				x.Neg(x)
			}
		} else if r.IntN(4) == 0 {
			x.Mul(x, bigTen(r.IntN(int(t.Precision)-3)))
		}
		y, _ := columnar.Int128FromBig(x)
		return y
	case edge:
		w := 8*t.FixedWidth() - 1
		if r.IntN(2) == 0 {
			return int64(-1) << w
		}
		return int64(uint64(1)<<w - 1)
	}
	return int64(r.IntN(41) - 20)
}

func numbers(r *rand.Rand, t columnar.Type, n int) column {
	c := column{values: make([]any, n)}
	nulls := r.IntN(2)
	encoding := r.IntN(4)
	entries := make([]any, 1+r.IntN(6))
	for i := range entries {
		entries[i] = randomNumber(r, t)
	}
	codes := make([]uint32, n)
	for i := range c.values {
		codes[i] = uint32(r.IntN(len(entries)))
		switch {
		case encoding == 0:
			c.values[i] = entries[0]
		case encoding == 1:
			c.values[i] = entries[codes[i]]
		default:
			c.values[i] = randomNumber(r, t)
		}
		if encoding != 0 && nulls > 0 && r.IntN(5) == 0 {
			c.values[i] = nil
		}
	}
	switch encoding {
	case 0:
		c.vector = Constant(entries[0], t, n)
		return c
	case 1:
		d := &columnar.Dictionary{Values: vectorOf(t, entries, r)}
		d.Values.Stable = r.IntN(2) == 0
		c.vector = columnar.Vector{Type: t, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: d}
	default:
		c.vector = vectorOf(t, c.values, r)
	}
	if nulls > 0 {
		c.vector.Valid = columnar.NewBitmap(n)
		for i, x := range c.values {
			c.vector.Valid.SetTo(i, x != nil)
		}
	}
	return c
}

type arithmetic struct {
	r *rand.Rand
	t testing.TB
}

func (a *arithmetic) leaf() expr.Expr {
	i := a.r.IntN(len(numberTypes))
	if a.r.IntN(4) == 0 {
		return expr.Lit(randomNumber(a.r, numberTypes[i]), numberTypes[i])
	}
	return &expr.Column{Index: i, Name: fmt.Sprintf("n%d", i), Typ: numberTypes[i], Null: true}
}

func (a *arithmetic) value(depth int) expr.Expr {
	if depth == 0 {
		return a.leaf()
	}
	switch a.r.IntN(10) {
	case 0:
		return resolved(a.t, []string{"negative", "abs"}[a.r.IntN(2)], a.value(depth-1))
	case 1:
		return &expr.Cast{Arg: a.value(depth - 1), To: numberTypes[a.r.IntN(len(numberTypes))], Try: a.r.IntN(3) == 0}
	case 2:
		return a.choice(depth)
	case 3:
		return resolved(a.t, "coalesce", a.leaf(), a.value(depth-1))
	}
	op := []string{"+", "-", "*", "/", "%", "+", "-", "*"}[a.r.IntN(8)]
	return resolved(a.t, op, a.value(depth-1), a.value(depth-1))
}

// choice is a CASE whose branches fail, often, unless its condition holds.
func (a *arithmetic) choice(depth int) expr.Expr {
	x, y := a.value(depth-1), a.value(depth-1)
	t, ok := expr.CommonType(x.Type(), y.Type())
	if !ok {
		return x
	}
	if !x.Type().Equal(t) {
		x = &expr.Cast{Arg: x, To: t}
	}
	if !y.Type().Equal(t) {
		y = &expr.Cast{Arg: y, To: t}
	}
	c := &expr.Case{Whens: []expr.When{{Cond: a.condition(depth - 1), Then: x}}}
	if a.r.IntN(3) > 0 {
		c.Else = y
	}
	return c
}

func (a *arithmetic) condition(depth int) expr.Expr {
	if depth > 0 && a.r.IntN(3) == 0 {
		return resolved(a.t, []string{"and", "or"}[a.r.IntN(2)], a.condition(depth-1), a.condition(depth-1))
	}
	x := a.leaf()
	if depth > 0 {
		x = a.value(depth - 1)
	}
	return resolved(a.t, []string{"=", "<>", "<", "<=", ">", ">="}[a.r.IntN(6)], x, a.leaf())
}

// ref computes a row with big integers; fail is the class of the error.
func ref(e expr.Expr, cols []column, row int) (value any, fail diag.Class) {
	switch x := e.(type) {
	case *expr.Column:
		return cols[x.Index].values[row], ""
	case *expr.Literal:
		return x.Value, ""
	case *expr.Cast:
		v, fail := ref(x.Arg, cols, row)
		if fail != "" || v == nil {
			return nil, fail
		}
		out, ok := refCast(v, x.Arg.Type(), x.To)
		switch {
		case ok:
			return out, ""
		case x.Try:
			return nil, ""
		}
		return nil, diag.CastOverflow
	case *expr.Case:
		for _, w := range x.Whens {
			c, fail := ref(w.Cond, cols, row)
			if fail != "" {
				return nil, fail
			}
			if c == true {
				return ref(w.Then, cols, row)
			}
		}
		if x.Else == nil {
			return nil, ""
		}
		return ref(x.Else, cols, row)
	}
	c := e.(*expr.Call)
	name := c.Fn.Name
	first, fail := ref(c.Args[0], cols, row)
	switch {
	case fail != "":
		return nil, fail
	case name == "and" && first == false, name == "or" && first == true, name == "coalesce" && first != nil:
		return first, ""
	}
	var second any
	if len(c.Args) > 1 {
		if second, fail = ref(c.Args[1], cols, row); fail != "" {
			return nil, fail
		}
	}
	switch name {
	case "coalesce":
		return second, ""
	case "and", "or":
		if second == (name == "or") {
			return second, ""
		}
		if first == nil {
			return nil, ""
		}
		return second, ""
	}
	if first == nil || len(c.Args) > 1 && second == nil {
		return nil, ""
	}
	if op, ok := operators[name]; ok {
		return holds(op, compareValues(first, second)), ""
	}
	return refCall(c, first, second)
}

func refCall(c *expr.Call, a, b any) (any, diag.Class) {
	t := c.Typ
	if x, ok := a.(float64); ok {
		y, _ := b.(float64)
		switch c.Fn.Name {
		case "+":
			return x + y, ""
		case "-":
			return x - y, ""
		case "*":
			return x * y, ""
		case "negative":
			return -x, ""
		case "abs":
			return math.Abs(x), ""
		}
		if y == 0 {
			return nil, diag.DivideByZero
		}
		if c.Fn.Name == "/" {
			return x / y, ""
		}
		return math.Mod(x, y), ""
	}
	x, y := ratOf(a, c.Args[0].Type()), new(big.Rat)
	if len(c.Args) > 1 {
		y = ratOf(b, c.Args[1].Type())
	}
	z := new(big.Rat)
	switch c.Fn.Name {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "negative":
		z.Neg(x)
	case "abs":
		z.Abs(x)
	default:
		if y.Sign() == 0 {
			return nil, diag.DivideByZero
		}
		z.Quo(x, y)
		if c.Fn.Name == "%" {
			q := new(big.Int).Quo(z.Num(), z.Denom()) // towards zero
			z.Sub(x, new(big.Rat).Mul(y, new(big.Rat).SetInt(q)))
		}
	}
	out, ok := fromRat(z, t)
	if !ok {
		if t.Kind == columnar.Decimal {
			return nil, diag.NumericOutOfRange
		}
		return nil, diag.Overflow
	}
	return out, ""
}

func ratOf(v any, t columnar.Type) *big.Rat {
	switch x := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(x)
	case columnar.Int128:
		return new(big.Rat).SetFrac(x.Big(), bigTen(int(t.Scale)))
	}
	panic(fmt.Sprintf("no number: %v", v))
}

// fromRat rounds half away from zero.
func fromRat(z *big.Rat, t columnar.Type) (any, bool) {
	if t.Kind != columnar.Decimal {
		n := new(big.Int).Quo(z.Num(), z.Denom())
		w := uint(8*t.FixedWidth() - 1)
		least, most := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), w)), new(big.Int).Lsh(big.NewInt(1), w)
		return n.Int64(), n.Cmp(least) >= 0 && n.Cmp(most) < 0
	}
	s := new(big.Rat).Mul(z, new(big.Rat).SetInt(bigTen(int(t.Scale))))
	half := big.NewRat(1, 2)
	if s.Sign() < 0 {
		half.Neg(half)
	}
	s.Add(s, half)
	n := new(big.Int).Quo(s.Num(), s.Denom())
	if n.CmpAbs(bigTen(int(t.Precision))) >= 0 {
		return nil, false
	}
	x, ok := columnar.Int128FromBig(n)
	return x, ok
}

func refCast(v any, from, to columnar.Type) (any, bool) {
	if from.Equal(to) {
		return v, true
	}
	if x, ok := v.(float64); ok {
		switch {
		case to.IsFloat():
			return x, true
		case math.IsNaN(x) || math.IsInf(x, 0):
			return nil, false
		}
		if to.IsInteger() {
			return fromRat(new(big.Rat).SetFloat64(x), to)
		}
		// A decimal takes the digits that the number shows.
		z, _ := new(big.Rat).SetString(fmt.Sprint(x))
		return fromRat(z, to)
	}
	z := ratOf(v, from)
	if to.IsFloat() {
		f, _ := z.Float64()
		return f, true
	}
	return fromRat(z, to)
}

// TestRandomArithmetic compares arithmetic with big integers, errors included:
// if a row that counts fails, so does the batch, and only then.
func TestRandomArithmetic(t *testing.T) {
	r := newRandom(t)
	a := &arithmetic{r, t}
	failures, successes := 0, 0
	for range 1500 {
		var e expr.Expr
		if r.IntN(5) == 0 {
			e = a.condition(r.IntN(3))
		} else {
			e = a.value(1 + r.IntN(3))
		}
		p, err := Compile([]expr.Expr{e, a.leaf(), e}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		s := memory.NewScratch(nil)
		for range 2 {
			s.Reset()
			n := []int{1, 7, 64, 300, 1000}[r.IntN(5)]
			b := &columnar.Batch{Rows: n}
			var cols []column
			for _, typ := range numberTypes {
				cols = append(cols, numbers(r, typ, n))
				b.Cols = append(b.Cols, cols[len(cols)-1].vector)
			}
			if keep := r.IntN(4); keep > 0 {
				b.Sel = []uint16{}
				for i := range n {
					if r.IntN(1<<(2*keep)) == 0 {
						b.Sel = append(b.Sel, uint16(i))
					}
				}
			}
			want := make(map[int]any)
			fails := map[diag.Class]bool{}
			for i := range b.Selected() {
				v, fail := ref(e, cols, b.RowAt(i))
				want[b.RowAt(i)] = v
				if fail != "" {
					fails[fail] = true
				}
			}
			vs, err := p.Eval(b, s)
			if class := diag.ClassOf(err); class != "" || len(fails) > 0 {
				failures++
				if !fails[class] {
					t.Fatalf("%s: error %v, want one of %v", e, err, fails)
				}
				continue
			}
			successes++
			for row, x := range want {
				if got := Value(&vs[0], row); !equalValues(got, x) {
					t.Fatalf("row %d of %d of %s (%s) is %v, not %v\n%v", row, n, e, e.Type(), got, x, rowOf(cols, row))
				}
			}
			checkWidth(t, &vs[0])
		}
	}
	t.Logf("%d batches failed as they should, %d had values", failures, successes)
}

func rowOf(cols []column, row int) (out []any) {
	for _, c := range cols {
		out = append(out, c.values[row])
	}
	return out
}

// checkWidth asserts I6 of columnar for vectors that this package made.
func checkWidth(t *testing.T, v *columnar.Vector) {
	t.Helper()
	if v.Type.Kind != columnar.Null && v.Enc == columnar.Flat && v.Type.Kind != columnar.Decimal && int(v.Width) != v.Type.FixedWidth() {
		t.Fatalf("a vector of %s is %d bytes wide", v.Type, v.Width)
	}
}
