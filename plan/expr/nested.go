package expr

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// collections are the functions of arrays, maps and structs. Subscripts and fields
// are calls of them: a[i] is getitem, m[k] element_at, s.f getfield.
func collections() []*Function {
	element := func(name, doc string, fallible bool, maps bool) *Function {
		return &Function{Name: name, Doc: doc, NullOnNull: true, Fallible: fallible, Args: []string{"collection", "index"}, Resolve: func(args []Expr) (Signature, error) {
			if err := arity(args, name, 2, 2); err != nil {
				return Signature{}, err
			}
			t, k := args[0].Type(), args[1].Type()
			switch {
			case t.Kind == columnar.List && (k.IsInteger() || k.Kind == columnar.Null):
				return Signature{Args: []columnar.Type{t, columnar.Int32Type}, Result: t.Nested.Fields[0].Type, Nullable: true}, nil
			case t.Kind == columnar.List:
				return Signature{}, mismatch(name, args, "an array and a whole number")
			case t.Kind == columnar.Map && maps:
				key, err := comparable(name, args, t.Nested.Fields[0].Type)
				return Signature{Args: []columnar.Type{t, key}, Result: t.Nested.Fields[1].Type, Nullable: true}, err
			case maps:
				return Signature{}, mismatch(name, args, "an array and an index, or a map and a key")
			}
			return Signature{}, mismatch(name, args, "an array and an index")
		}}
	}
	of := func(name, doc, want string, result func(t columnar.Type) (columnar.Type, bool)) *Function {
		return &Function{Name: name, Doc: doc, NullOnNull: true, Args: []string{"collection"}, Resolve: func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 1); err != nil {
				return Signature{}, err
			}
			t, ok := result(args[0].Type())
			if !ok {
				return Signature{}, mismatch(name, args, want)
			}
			return Signature{Args: []columnar.Type{args[0].Type()}, Result: t}, nil
		}}
	}
	contains := &Function{Name: "array_contains", Doc: "Whether an array has an element; null if it has not, but has nulls.", NullOnNull: true, Args: []string{"array", "element"}}
	contains.Resolve = func(args []Expr) (Signature, error) {
		if err := arity(args, "array_contains", 2, 2); err != nil {
			return Signature{}, err
		}
		t := args[0].Type()
		if t.Kind != columnar.List {
			return Signature{}, mismatch("array_contains", args, "an array and an element")
		}
		value, err := comparable("array_contains", args, t.Nested.Fields[0].Type)
		return Signature{Args: []columnar.Type{t, value}, Result: columnar.BoolType, Nullable: true}, err
	}
	return []*Function{
		of("size", "The number of elements of an array or entries of a map.", "an array or a map", func(t columnar.Type) (columnar.Type, bool) {
			return columnar.Int32Type, t.Kind == columnar.List || t.Kind == columnar.Map
		}),
		of("map_keys", "The keys of a map, as an array.", "a map", func(t columnar.Type) (columnar.Type, bool) {
			if t.Kind != columnar.Map {
				return t, false
			}
			return columnar.ListType(t.Nested.Fields[0].Type, false), true
		}),
		of("map_values", "The values of a map, as an array.", "a map", func(t columnar.Type) (columnar.Type, bool) {
			if t.Kind != columnar.Map {
				return t, false
			}
			return columnar.ListType(t.Nested.Fields[1].Type, t.Nested.Fields[1].Nullable), true
		}),
		{Name: "getfield", Doc: "A field of a struct, or of each struct of an array, by its name.", NullOnNull: true, Args: []string{"struct", "field"}, Resolve: fieldSignature},
		element("getitem", "The element of an array at an index from 0.", true, false),
		element("get", "The element of an array at an index from 0; null if there is none.", false, false),
		element("element_at", "The element of an array at a position from 1, or from −1 at its end; the value of a map's key, or null.", true, true),
		element("try_element_at", "As element_at; null if there is none.", false, true),
		contains,
	}
}

// comparable is the type that a value is looked for as among values of type t.
func comparable(name string, args []Expr, t columnar.Type) (columnar.Type, error) {
	if c, ok := CommonType(args[1].Type(), t); t.IsNested() || !ok || !c.Equal(t) {
		return t, mismatch(name, args, "a value to look for of type "+t.String())
	}
	return t, nil
}

// fieldSignature resolves getfield.
func fieldSignature(args []Expr) (Signature, error) {
	if err := arity(args, "getfield", 2, 2); err != nil {
		return Signature{}, err
	}
	t := args[0].Type()
	name, ok := FieldName(args[1])
	of := t
	if t.Kind == columnar.List {
		of = t.Nested.Fields[0].Type
	}
	if of.Kind != columnar.Struct || !ok {
		return Signature{}, mismatch("getfield", args, "a struct and the name of a field")
	}
	at, err := FieldOf(of, name)
	if err != nil {
		return Signature{}, err
	}
	f := of.Nested.Fields[at]
	s := Signature{Args: []columnar.Type{t, columnar.StringType}, Result: f.Type, Nullable: f.Nullable}
	if t.Kind == columnar.List {
		s.Result, s.Nullable = columnar.ListType(f.Type, f.Nullable || t.Nested.Fields[0].Nullable), false
	}
	return s, nil
}

// FieldName returns the name of a field that an expression is as a constant.
func FieldName(e Expr) (string, bool) {
	l, ok := e.(*Literal)
	if !ok {
		return "", false
	}
	s, ok := l.Value.(string)
	return s, ok
}

// FieldOf returns the place of a struct's field, without regard to case.
func FieldOf(t columnar.Type, name string) (int, error) {
	found := -1
	var names []string
	for i, f := range t.Nested.Fields {
		names = append(names, f.Name)
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		if found >= 0 {
			return 0, diag.New(diag.AmbiguousReference, "the field %s is ambiguous: %s has it more than once", name, t)
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	err := diag.New(diag.FieldNotFound, "there is no field %s in %s", name, t)
	if near := diag.Nearest(name, names, 1+len(name)/3); near != "" {
		return 0, err.WithRemedy("did you mean %s?", near)
	}
	return 0, err.WithRemedy("the fields are %s", strings.Join(names, ", "))
}
