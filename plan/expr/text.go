package expr

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

func stringFunctions() []*Function {
	s, i, b := columnar.StringType, columnar.Int32Type, columnar.BoolType
	f := func(name, doc string, result columnar.Type, least int, types ...columnar.Type) *Function {
		return strict(name, doc, false, fixedTypes(name, result, least, types...))
	}
	may := func(name, doc string, result columnar.Type, least int, types ...columnar.Type) *Function {
		return strict(name, doc, true, fixedTypes(name, result, least, types...))
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
		may("lpad", "Padded on the left.", s, 2, s, i, s), may("rpad", "Padded on the right.", s, 2, s, i, s),
		may("repeat", "Repeated.", s, 2, s, i), f("reverse", "Back to front.", s, 1, s),
		bytesOr("startswith", "Whether it begins with a part.", b, 2), bytesOr("endswith", "Whether it ends with a part.", b, 2),
		bytesOr("contains", "Whether it contains a part.", b, 2), f("ascii", "The code of the first character.", i, 1, s),
		may("split_part", "The n-th part between delimiters.", s, 3, s, s, i), concat,
		f("overlay", "A part replaced from a position (from 1), of a length.", s, 3, s, s, i, i),
		f("substring_index", "The part before the n-th delimiter, or behind it from the end.", s, 3, s, s, i),
		f("translate", "Characters replaced by others.", s, 3, s, s, s),
	}
}

// encodings are functions that turn values into other notations of themselves.
func encodings() []*Function {
	s, i, l, bin := columnar.StringType, columnar.Int32Type, columnar.Int64Type, columnar.BinaryType
	f := func(name, doc string, result columnar.Type, types ...columnar.Type) *Function {
		return strict(name, doc, false, fixedTypes(name, result, len(types), types...))
	}
	fallible := func(name, doc string, result columnar.Type, least int, types ...columnar.Type) *Function {
		return strict(name, doc, true, fixedTypes(name, result, least, types...))
	}
	hex := strict("hex", "A number, string or binary in hexadecimal.", false, func(args []Expr) (Signature, error) {
		if len(args) == 1 && args[0].Type().IsBytes() {
			return Signature{Args: []columnar.Type{args[0].Type()}, Result: s}, nil
		}
		return fixedTypes("hex", s, 1, l)(args)
	})
	return []*Function{
		f("md5", "The MD5 digest in hexadecimal.", s, bin), f("sha1", "The SHA-1 digest in hexadecimal.", s, bin),
		f("crc32", "The CRC-32 checksum.", l, bin), f("base64", "In base 64.", s, bin),
		fallible("unbase64", "Out of base 64.", bin, 1, s), hex,
		strict("unhex", "Out of hexadecimal; null if it is none.", false, nullable(fixedTypes("unhex", bin, 1, s))),
		f("bin", "A number in binary.", s, l), f("bit_count", "The number of bits that are set.", i, l),
		fallible("bit_get", "A bit of a number, from 0.", columnar.Int8Type, 2, l, i),
		f("url_encode", "As a part of a URL.", s, s), fallible("url_decode", "Out of a part of a URL.", s, 1, s),
		fallible("encode", "A string as bytes of a character set.", bin, 2, s, s),
		strict("decode", "A string out of bytes of a character set.", true, func(args []Expr) (Signature, error) {
			if len(args) > 2 {
				return Signature{}, diag.New(diag.Unsupported, "decode with pairs of values is not supported yet").WithRemedy("use CASE")
			}
			return fixedTypes("decode", s, 2, bin, s)(args)
		}),
		bytesOr("is_valid_utf8", "Whether it is UTF-8.", columnar.BoolType, 1),
		f("chr", "The character of a code.", s, l),
		fallible("regexp_replace", "Each match replaced; $1 is a group.", s, 3, s, s, s),
		fallible("regexp_extract", "A group of the first match, empty if there is none.", s, 2, s, s, i),
		fallible("regexp_count", "The number of matches.", i, 2, s, s),
		fallible("regexp_instr", "The position (from 1) of the first match, 0 if none.", i, 2, s, s),
		strict("regexp_substr", "The first match.", true, nullable(fixedTypes("regexp_substr", s, 2, s, s))),
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
