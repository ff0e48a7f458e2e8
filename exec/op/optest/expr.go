package optest

import (
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Ref is a reference to a column of a schema.
func Ref(s *columnar.Schema, i int) *expr.Column {
	return &expr.Column{Index: i, Name: s.Fields[i].Name, Typ: s.Fields[i].Type, Null: s.Fields[i].Nullable}
}

// Call is a call of a function that there is.
func Call(t *testing.T, name string, args ...expr.Expr) expr.Expr {
	t.Helper()
	f, ok := expr.Builtins().Lookup(name)
	if !ok {
		t.Fatal(name)
	}
	sig, err := f.Resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	return &expr.Call{Fn: f, Args: args, Typ: sig.Result, Null: expr.CallNullable(f, args, sig)}
}
