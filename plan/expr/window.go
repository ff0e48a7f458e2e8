package expr

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// windowFunctions need an OVER clause. Those that have no frame look at the whole
// partition.
func windowFunctions() []*Function {
	window := func(name, doc string, resolve func([]Expr) (Signature, error)) *Function {
		return &Function{Name: name, Kind: WindowFunction, OrderSensitive: true, Doc: doc, Resolve: resolve}
	}
	number := func(name, doc string, result columnar.Type) *Function {
		f := window(name, doc, fixedTypes(name, result, 0))
		f.NeverNull = true
		return f
	}
	// Ranks take the keys of their order as arguments, if anything, and ignore them.
	rank := func(name, doc string, result columnar.Type) *Function {
		f := window(name, doc, func(args []Expr) (Signature, error) {
			s := Signature{Result: result}
			for _, a := range args {
				s.Args = append(s.Args, a.Type())
			}
			return s, nil
		})
		f.NeverNull = true
		return f
	}
	ntile := window("ntile", "The number, from 1, of the row's share of n equal ones.", func(args []Expr) (Signature, error) {
		if len(args) > 0 {
			if err := positive("ntile", args[0]); err != nil {
				return Signature{}, err
			}
		}
		return fixedTypes("ntile", columnar.Int32Type, 1, columnar.Int32Type)(args)
	})
	ntile.NeverNull = true
	return []*Function{
		number("row_number", "The number of the row, from 1.", columnar.Int32Type),
		rank("rank", "The number of the first row that is equal in order, from 1.", columnar.Int32Type),
		rank("dense_rank", "The rank without gaps, from 1.", columnar.Int32Type),
		rank("percent_rank", "The rank from 0 to 1.", columnar.Float64Type),
		number("cume_dist", "The share of rows up to this one and its equals.", columnar.Float64Type),
		ntile,
		window("lag", "The value of the row some rows before, else a default.", neighbour("lag")),
		window("lead", "The value of the row some rows behind, else a default.", neighbour("lead")),
		window("nth_value", "The value of the n-th row of the frame.", func(args []Expr) (Signature, error) {
			if err := arity(args, "nth_value", 2, 2); err != nil {
				return Signature{}, err
			}
			if err := positive("nth_value", args[1]); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			return Signature{Args: []columnar.Type{t, columnar.Int32Type}, Result: t, Nullable: true}, nil
		}),
	}
}

// neighbour resolves lag and lead: a value, how many rows away (1), and a default
// (null) of the value's type.
func neighbour(name string) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		if err := arity(args, name, 1, 3); err != nil {
			return Signature{}, err
		}
		t := args[0].Type()
		s := Signature{Args: []columnar.Type{t, columnar.Int32Type, t}[:len(args)], Result: t, Nullable: true}
		if len(args) > 1 {
			if !ImplicitCast(args[1].Type(), columnar.Int32Type) || !isConstant(args[1]) {
				return s, diag.New(diag.InvalidArgument, "the distance of %s must be a constant whole number", name)
			}
		}
		if len(args) > 2 {
			both, ok := CommonType(t, args[2].Type())
			if !ok {
				return s, mismatch(name, args, "a value and a default of one type")
			}
			s.Args[0], s.Args[2], s.Result = both, both, both
		}
		return s, nil
	}
}

func isConstant(e Expr) bool {
	return !Any(e, func(e Expr) bool {
		switch e.(type) {
		case *Attr, *Subquery, *Agg:
			return true
		}
		return false
	})
}

// positive checks an argument that must be a literal number from 1 on. An argument
// without a type stands for any.
func positive(name string, e Expr) error {
	if l, ok := e.(*Literal); ok && (l.Typ.Kind == columnar.Null || l.Typ.IsInteger()) {
		if n, ok := l.Value.(int64); !ok || n >= 1 {
			return nil
		}
	}
	return diag.New(diag.InvalidArgument, "%s needs a constant whole number from 1 on", name)
}
