package eval

import (
	"bytes"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// slice returns characters [from, from+n) of a string, counted in code points.
func slice(s []byte, from, n int) []byte {
	if ascii(s) {
		from = min(max(from, 0), len(s))
		return s[from:min(len(s), from+max(n, 0))]
	}
	at := 0
	for ; from > 0 && at < len(s); from-- {
		_, w := utf8.DecodeRune(s[at:])
		at += w
	}
	end := at
	for ; n > 0 && end < len(s); n-- {
		_, w := utf8.DecodeRune(s[end:])
		end += w
	}
	return s[at:end]
}

func ascii(s []byte) bool {
	for _, c := range s {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func charIndex(s, part []byte, from int) int {
	if len(part) == 0 {
		return 1
	}
	start := len(slice(s, 0, from))
	at := bytes.Index(s[start:], part)
	if at < 0 {
		return 0
	}
	return utf8.RuneCount(s[:start+at]) + 1
}

func pad(s []byte, n int, fill []byte, left bool) []byte {
	have := utf8.RuneCount(s)
	if have >= n || len(fill) == 0 {
		return slice(s, 0, n)
	}
	var p []byte
	for k := n - have; k > 0; {
		c := min(k, utf8.RuneCount(fill))
		p = append(p, slice(fill, 0, c)...)
		k -= c
	}
	if left {
		return append(p, s...)
	}
	return append(append([]byte{}, s...), p...)
}

const maxStringBytes = 1 << 30

type rowFunction = func(b *builder, args []*columnar.Vector, i int) error

func text1(f func(s []byte) []byte) rowFunction {
	return func(b *builder, args []*columnar.Vector, i int) error {
		b.str(i, f(args[0].BytesAt(i)))
		return nil
	}
}

func trimmer(left, right bool) rowFunction {
	return func(b *builder, args []*columnar.Vector, i int) error {
		s, cut := args[0].BytesAt(i), " "
		if len(args) > 1 {
			cut = string(args[1].BytesAt(i))
		}
		if left {
			s = bytes.TrimLeft(s, cut)
		}
		if right {
			s = bytes.TrimRight(s, cut)
		}
		b.str(i, s)
		return nil
	}
}

var stringFunctions = map[string]rowFunction{
	"length": func(b *builder, args []*columnar.Vector, i int) error {
		n := len(args[0].BytesAt(i))
		if args[0].Type.Kind != columnar.Binary {
			n = utf8.RuneCount(args[0].BytesAt(i))
		}
		b.int(i, int64(n))
		return nil
	},
	"bit_length": func(b *builder, args []*columnar.Vector, i int) error {
		b.int(i, 8*int64(len(args[0].BytesAt(i))))
		return nil
	},
	"octet_length": func(b *builder, args []*columnar.Vector, i int) error {
		b.int(i, int64(len(args[0].BytesAt(i))))
		return nil
	},
	"lower": text1(bytes.ToLower), "upper": text1(bytes.ToUpper),
	"initcap": text1(func(s []byte) []byte {
		start := true
		return bytes.Map(func(r rune) rune {
			was := start
			start = r == ' '
			if was {
				return unicode.ToTitle(r)
			}
			return unicode.ToLower(r)
		}, s)
	}),
	"reverse": text1(func(s []byte) []byte {
		out := make([]byte, 0, len(s))
		for len(s) > 0 {
			_, n := utf8.DecodeLastRune(s)
			out = append(out, s[len(s)-n:]...)
			s = s[:len(s)-n]
		}
		return out
	}),
	"trim": trimmer(true, true), "ltrim": trimmer(true, false), "rtrim": trimmer(false, true),
	"substring": func(b *builder, args []*columnar.Vector, i int) error {
		s, from, n := args[0].BytesAt(i), int(args[1].Int64At(i)), math.MaxInt32
		if len(args) > 2 {
			n = int(args[2].Int64At(i))
		}
		start := from - 1
		if from <= 0 {
			start = 0
			if from < 0 {
				start = utf8.RuneCount(s) + from
			}
		}
		if start < 0 {
			n += start
			start = 0
		}
		b.str(i, slice(s, start, n))
		return nil
	},
	"left": func(b *builder, args []*columnar.Vector, i int) error {
		b.str(i, slice(args[0].BytesAt(i), 0, int(args[1].Int64At(i))))
		return nil
	},
	"right": func(b *builder, args []*columnar.Vector, i int) error {
		s, n := args[0].BytesAt(i), int(args[1].Int64At(i))
		b.str(i, slice(s, max(0, utf8.RuneCount(s)-n), max(0, n)))
		return nil
	},
	"replace": func(b *builder, args []*columnar.Vector, i int) error {
		var to []byte
		if len(args) > 2 {
			to = args[2].BytesAt(i)
		}
		s, from := args[0].BytesAt(i), args[1].BytesAt(i)
		if len(from) > 0 {
			s = bytes.ReplaceAll(s, from, to)
		}
		b.str(i, s)
		return nil
	},
	"instr": func(b *builder, args []*columnar.Vector, i int) error {
		b.int(i, int64(charIndex(args[0].BytesAt(i), args[1].BytesAt(i), 0)))
		return nil
	},
	"locate": locate, "position": locate,
	"lpad": padder(true), "rpad": padder(false),
	"repeat": func(b *builder, args []*columnar.Vector, i int) error {
		s, n := args[0].BytesAt(i), max(0, int(args[1].Int64At(i)))
		if len(s)*n > maxStringBytes {
			return diag.New(diag.InvalidArgument, "repeat would make a string of %d bytes; the limit is %d", len(s)*n, maxStringBytes)
		}
		b.str(i, bytes.Repeat(s, n))
		return nil
	},
	"startswith": func(b *builder, args []*columnar.Vector, i int) error {
		b.bool(i, bytes.HasPrefix(args[0].BytesAt(i), args[1].BytesAt(i)))
		return nil
	},
	"endswith": func(b *builder, args []*columnar.Vector, i int) error {
		b.bool(i, bytes.HasSuffix(args[0].BytesAt(i), args[1].BytesAt(i)))
		return nil
	},
	"contains": func(b *builder, args []*columnar.Vector, i int) error {
		b.bool(i, bytes.Contains(args[0].BytesAt(i), args[1].BytesAt(i)))
		return nil
	},
	"ascii": func(b *builder, args []*columnar.Vector, i int) error {
		r, n := utf8.DecodeRune(args[0].BytesAt(i))
		if n == 0 {
			r = 0
		}
		b.int(i, int64(r))
		return nil
	},
	"split_part": func(b *builder, args []*columnar.Vector, i int) error {
		s, sep, n := args[0].BytesAt(i), args[1].BytesAt(i), int(args[2].Int64At(i))
		if n == 0 {
			return diag.New(diag.InvalidArgument, "the part number of split_part must not be 0").WithRemedy("parts are counted from 1, or from −1 backwards")
		}
		parts := [][]byte{s}
		if len(sep) > 0 {
			parts = bytes.Split(s, sep)
		}
		if n < 0 {
			n += len(parts) + 1
		}
		if n < 1 || n > len(parts) {
			b.str(i, nil)
		} else {
			b.str(i, parts[n-1])
		}
		return nil
	},
	"concat": concat, "||": concat,
	"overlay": func(b *builder, args []*columnar.Vector, i int) error {
		s, with, from := args[0].BytesAt(i), args[1].BytesAt(i), int(args[2].Int64At(i))
		n := utf8.RuneCount(with)
		if len(args) > 3 && args[3].Int64At(i) >= 0 {
			n = int(args[3].Int64At(i))
		}
		out := append([]byte{}, slice(s, 0, from-1)...)
		b.str(i, append(append(out, with...), slice(s, max(0, from-1+n), math.MaxInt32)...))
		return nil
	},
	"substring_index": func(b *builder, args []*columnar.Vector, i int) error {
		b.str(i, beforeDelimiter(args[0].BytesAt(i), args[1].BytesAt(i), int(args[2].Int64At(i))))
		return nil
	},
	"translate": func(b *builder, args []*columnar.Vector, i int) error {
		from, to := []rune(string(args[1].BytesAt(i))), []rune(string(args[2].BytesAt(i)))
		b.str(i, bytes.Map(func(r rune) rune {
			switch k := slices.Index(from, r); {
			case k < 0:
				return r
			case k < len(to):
				return to[k]
			}
			return -1
		}, args[0].BytesAt(i)))
		return nil
	},
}

func concat(b *builder, args []*columnar.Vector, i int) error {
	b.begin(i)
	for _, a := range args {
		b.bytes = append(b.bytes, a.BytesAt(i)...)
	}
	b.end(i)
	return nil
}

func locate(b *builder, args []*columnar.Vector, i int) error {
	from := 1
	if len(args) > 2 {
		from = int(args[2].Int64At(i))
	}
	if from < 1 {
		b.int(i, 0)
		return nil
	}
	b.int(i, int64(charIndex(args[1].BytesAt(i), args[0].BytesAt(i), from-1)))
	return nil
}

func padder(left bool) rowFunction {
	return func(b *builder, args []*columnar.Vector, i int) error {
		fill := []byte(" ")
		if len(args) > 2 {
			fill = args[2].BytesAt(i)
		}
		n := max(0, int(args[1].Int64At(i)))
		if n > maxStringBytes {
			return diag.New(diag.InvalidArgument, "padding to %d characters exceeds the limit of %d", n, maxStringBytes)
		}
		b.str(i, pad(args[0].BytesAt(i), n, fill, left))
		return nil
	}
}

// beforeDelimiter returns what stands before the n-th delimiter, or behind the
// n-th from the end if n is negative; all of s if there are not so many.
func beforeDelimiter(s, sep []byte, n int) []byte {
	if len(sep) == 0 || n == 0 {
		return nil
	}
	for at := 0; n > 0; n-- {
		k := bytes.Index(s[at:], sep)
		switch {
		case k < 0:
			return s
		case n == 1:
			return s[:at+k]
		}
		at += k + len(sep)
	}
	for end := len(s); ; n++ {
		k := bytes.LastIndex(s[:end], sep)
		switch {
		case k < 0:
			return s
		case n == -1:
			return s[k+len(sep):]
		}
		end = k
	}
}
