package wire

import "github.com/millrace-engine/millrace/plan/physical"

func (e *encoder) generate(x *physical.Generate) {
	e.string(1, x.Fn.Key())
	e.exprs(2, x.Args)
	e.ints(3, x.Keep)
	e.bool(4, x.Outer)
	e.schema(5, x.Out)
	e.plan(6, x.Child)
}

func (d *decoder) generate(b []byte) (*physical.Generate, error) {
	x := &physical.Generate{}
	return x, fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Fn, err = d.function(f.string())
		case 2:
			err = d.exprs(f.data, &x.Args)
		case 3:
			x.Keep, err = f.ints()
		case 4:
			x.Outer = f.bool()
		case 5:
			x.Out, err = d.schema(f.data)
		case 6:
			x.Child, err = d.plan(f.data)
		}
		return err
	})
}

// checkGenerate verifies the call of a table function: what it puts out has the types
// that the function here makes.
func checkGenerate(x *physical.Generate) error {
	if x.Fn == nil || x.Fn.Table == nil || x.Out == nil {
		return malformed("shape of a table function")
	}
	made := x.Fn.Table.Columns()
	in := x.Child.Schema()
	if x.Out.Len() != len(x.Keep)+made.Len() {
		return malformed("columns of a table function")
	}
	if err := positions(x.Keep, in.Len()); err != nil {
		return err
	}
	for i, f := range x.Out.Fields {
		of := in
		at := i - len(x.Keep)
		if at < 0 {
			at = x.Keep[i]
		} else {
			of = made
		}
		if !f.Type.Equal(of.Fields[at].Type) {
			return malformed("types of a table function")
		}
	}
	sig, err := x.Fn.Resolve(x.Args)
	if err != nil || len(sig.Args) != len(x.Args) {
		return malformed("arguments of a table function")
	}
	for i, a := range x.Args {
		if !a.Type().Equal(sig.Args[i]) {
			return malformed("types of a table function's arguments")
		}
	}
	return bound(in, x.Args...)
}
