package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// allNull is a column of nulls of a type.
func allNull(t columnar.Type, n int) columnar.Vector {
	return Constant(nil, t, n)
}

// Constant returns a constant vector of a literal's value.
func Constant(value any, t columnar.Type, n int) columnar.Vector {
	v := columnar.Vector{Type: t, Enc: columnar.Const, Width: uint8(t.FixedWidth()), Len: n, Stable: true}
	if t.Kind == columnar.Null {
		v.Enc = columnar.Flat
		return v
	}
	if value == nil {
		v.Valid = columnar.NewBitmap(1)
	}
	var none *memory.Scratch
	v.Data = none.Bytes(16)
	clear(v.Data)
	if t.IsNested() {
		v.Kids = emptyKids(t)
		return v
	}
	switch x := value.(type) {
	case bool:
		columnar.Bitmap(v.Data).SetTo(0, x)
	case float64:
		if t.Kind == columnar.Float32 {
			columnar.View[float32](v.Data, 1)[0] = float32(x)
		} else {
			columnar.View[float64](v.Data, 1)[0] = x
		}
	case string:
		v.Bytes = []byte(x)
		columnar.View[int32](v.Data, 2)[1] = int32(len(x))
	case columnar.Int128:
		if x.FitsInt64() {
			v.Width = 8
			columnar.View[int64](v.Data, 1)[0] = int64(x.Lo)
		} else {
			v.Width = 16
			columnar.View[columnar.Int128](v.Data, 1)[0] = x
		}
	case int64:
		switch v.Width {
		case 1:
			columnar.View[int8](v.Data, 1)[0] = int8(x)
		case 2:
			columnar.View[int16](v.Data, 1)[0] = int16(x)
		case 4:
			columnar.View[int32](v.Data, 1)[0] = int32(x)
		default:
			columnar.View[int64](v.Data, 1)[0] = x
		}
	}
	if t.Kind == columnar.Decimal && value == nil {
		v.Width = 8
	}
	return v
}

// emptyKids are the children of a constant null of a nested type: null themselves
// (one row of them for a struct, none for lists and maps).
func emptyKids(t columnar.Type) []columnar.Vector {
	fields, n := t.Nested.Fields, 0
	if t.Kind == columnar.Struct {
		n = 1
	}
	if t.Kind == columnar.Map {
		fields = []columnar.Field{{Name: "entries", Type: columnar.StructType(fields...)}}
	}
	kids := make([]columnar.Vector, len(fields))
	for i, f := range fields {
		kids[i] = Constant(nil, f.Type, n)
		kids[i].Enc = columnar.Flat
	}
	return kids
}

// Value returns a row of a vector as a literal's value. Nested types are not
// literals: their value is nil.
func Value(v *columnar.Vector, row int) any {
	if v.NullAt(row) || v.Type.IsNested() {
		return nil
	}
	switch {
	case v.Type.Kind == columnar.Bool:
		return v.Int64At(row) != 0
	case v.Type.IsFloat():
		return v.Float64At(row)
	case v.Type.IsBytes():
		return string(v.BytesAt(row))
	case v.Type.Kind == columnar.Decimal:
		return v.Int128At(row)
	}
	return v.Int64At(row)
}

// Fold replaces an expression without columns by its value. Errors of the value
// (a division by zero) leave the expression as it is: it may never be reached.
func Fold(e expr.Expr, opts Options) expr.Expr {
	if _, ok := e.(*expr.Literal); ok || !expr.Deterministic(e) {
		return e
	}
	constant := !expr.Any(e, func(e expr.Expr) bool {
		switch e.(type) {
		case *expr.Column, *expr.Attr, *expr.Subquery, *expr.Agg, *expr.Alias, *expr.Name, *expr.Star, *expr.UnresolvedCall:
			return true
		}
		return false
	})
	if !constant || e.Type().IsNested() {
		return e
	}
	p, err := Compile([]expr.Expr{e}, opts)
	if err != nil {
		return e
	}
	vs, err := p.Eval(&columnar.Batch{Schema: columnar.NewSchema(), Rows: 1}, nil)
	if err != nil {
		return e
	}
	return &expr.Literal{Value: Value(&vs[0], 0), Typ: e.Type(), Place: e.Pos()}
}
