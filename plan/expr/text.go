package expr

import "github.com/millrace-engine/millrace/columnar"

func stringFunctions() []*Function {
	s, i, b := columnar.StringType, columnar.Int32Type, columnar.BoolType
	f := func(name, doc string, result columnar.Type, least int, types ...columnar.Type) *Function {
		return strict(name, doc, false, fixedTypes(name, result, least, types...))
	}
	concat := &Function{Name: "concat", NullOnNull: true, Doc: "Concatenates strings."}
	concat.Resolve = func(args []Expr) (Signature, error) {
		sig := Signature{Result: s}
		for _, a := range args {
			if !ImplicitCast(a.Type(), s) {
				return sig, mismatch("concat", args, "strings")
			}
			sig.Args = append(sig.Args, s)
		}
		return sig, nil
	}
	return []*Function{
		bytesOr("length", "The number of characters, or of bytes of a binary.", i, 1), bytesOr("octet_length", "The number of bytes.", i, 1),
		bytesOr("bit_length", "The number of bits.", i, 1),
		f("lower", "In lower case.", s, 1, s), f("upper", "In upper case.", s, 1, s), f("initcap", "Each word capitalised.", s, 1, s),
		f("trim", "Without spaces (or the given characters) around.", s, 1, s, s),
		f("ltrim", "Without spaces (or the given characters) before.", s, 1, s, s),
		f("rtrim", "Without spaces (or the given characters) behind.", s, 1, s, s),
		f("substring", "The part from a position (from 1), of a length.", s, 2, s, i, i),
		f("left", "The first characters.", s, 2, s, i), f("right", "The last characters.", s, 2, s, i),
		f("replace", "Each occurrence replaced.", s, 2, s, s, s),
		f("instr", "The position (from 1) of a part, 0 if none.", i, 2, s, s),
		f("locate", "The position (from 1) of a part, 0 if none.", i, 2, s, s, i),
		f("position", "The position (from 1) of a part, 0 if none.", i, 2, s, s),
		f("lpad", "Padded on the left.", s, 2, s, i, s), f("rpad", "Padded on the right.", s, 2, s, i, s),
		f("repeat", "Repeated.", s, 2, s, i), f("reverse", "Back to front.", s, 1, s),
		bytesOr("startswith", "Whether it begins with a part.", b, 2), bytesOr("endswith", "Whether it ends with a part.", b, 2),
		bytesOr("contains", "Whether it contains a part.", b, 2), f("ascii", "The code of the first character.", i, 1, s),
		f("split_part", "The n-th part between delimiters.", s, 3, s, s, i), concat,
	}
}

// bytesOr makes a function of n strings or n binaries.
func bytesOr(name, doc string, result columnar.Type, n int) *Function {
	of := func(t columnar.Type) func([]Expr) (Signature, error) {
		types := make([]columnar.Type, n)
		for i := range types {
			types[i] = t
		}
		return fixedTypes(name, result, n, types...)
	}
	return strict(name, doc, false, func(args []Expr) (Signature, error) {
		for _, a := range args {
			if a.Type().Kind == columnar.Binary {
				return of(columnar.BinaryType)(args)
			}
		}
		return of(columnar.StringType)(args)
	})
}
