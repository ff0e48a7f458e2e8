package sql

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// number makes the literal of a number token: the smallest of int, bigint and
// decimal for digits alone, decimal with a point, double with an exponent, or
// what the suffix says. place is the sign's, if there is one.
func (p *parser) number(t token, neg bool, place diag.Pos) expr.Expr {
	s := p.source(t)
	n := suffix(s[len(strings.TrimRight(s, "bdlsyfBDLSYF")):])
	body, suf := s[:len(s)-n], strings.ToLower(s[len(s)-n:])
	if neg {
		body = "-" + body
	}
	lit := &expr.Literal{Place: place}
	var err error
	integer := func(bits int, typ columnar.Type) {
		var v int64
		if t.kind != tInt {
			err = text.ErrSyntax
			return
		}
		v, err = text.ParseInt(body, bits)
		lit.Value, lit.Typ = v, typ
	}
	decimal := func() {
		v, precision, scale, e := text.ParseDecimal(body)
		lit.Value, lit.Typ, err = v, columnar.DecimalType(precision, scale), e
	}
	float := func(bits int, typ columnar.Type) {
		var v float64
		v, err = text.ParseFloat(body, bits)
		if v-v != 0 {
			err = text.ErrRange
		}
		lit.Value, lit.Typ = v, typ
	}
	switch suf {
	case "l":
		integer(64, columnar.Int64Type)
	case "s":
		integer(16, columnar.Int16Type)
	case "y":
		integer(8, columnar.Int8Type)
	case "bd":
		decimal()
	case "d":
		float(64, columnar.Float64Type)
	case "f":
		float(32, columnar.Float32Type)
	default:
		switch t.kind {
		case tInt:
			if integer(32, columnar.Int32Type); err == text.ErrRange {
				integer(64, columnar.Int64Type)
			}
			if err == text.ErrRange {
				decimal()
			}
		case tDecimal:
			decimal()
		default:
			float(64, columnar.Float64Type)
		}
	}
	switch err {
	case nil:
		return lit
	case text.ErrRange:
		what := "any number type"
		if lit.Typ.Kind != columnar.Null && suf != "" && suf != "bd" {
			what = lit.Typ.String()
		} else if suf == "bd" || t.kind == tDecimal {
			what = "a decimal of 38 digits"
		} else if t.kind == tExponent {
			what = "double"
		}
		p.failAt(place, diag.NumericOutOfRange, "the number %s does not fit into %s", shorten(body), what)
	default:
		p.failAt(place, diag.Syntax, "syntax error at or near '%s': not a number of that kind", shorten(s))
	}
	return broken()
}

// stringLiteral reads a string and those that follow it immediately, which are
// its continuation.
func (p *parser) stringLiteral() expr.Expr {
	t := p.advance()
	s := p.unquote(t)
	if p.is(tString) {
		var b strings.Builder
		b.WriteString(s)
		for p.is(tString) {
			b.WriteString(p.unquote(p.advance()))
		}
		s = b.String()
	}
	return &expr.Literal{Value: s, Typ: columnar.StringType, Place: t.place()}
}

// unquote returns the value of a string token.
func (p *parser) unquote(t token) string {
	s := p.source(t)
	if s[0] == 'r' || s[0] == 'R' {
		return s[2 : len(s)-1]
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 && strings.IndexByte(s, quote) < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == quote {
			// Doubled inside its own quotes.
			i++
		}
		if c != '\\' || i+1 == len(s) {
			b = append(b, c)
			continue
		}
		i++
		switch c := s[i]; c {
		case '0', '1', '2', '3', '4', '5', '6', '7':
			if c <= '1' && i+2 < len(s) && octal(s[i+1]) && octal(s[i+2]) {
				b = append(b, (c-'0')<<6|(s[i+1]-'0')<<3|(s[i+2]-'0'))
				i += 2
			} else if c == '0' {
				b = append(b, 0)
			} else {
				b = append(b, c)
			}
		case 'b':
			b = append(b, '\b')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'Z':
			b = append(b, 0x1a)
		case '%', '_':
			// LIKE sees the backslash and takes the character literally.
			b = append(b, '\\', c)
		case 'u', 'U':
			n := 4
			if c == 'U' {
				n = 8
			}
			r, ok := codepoint(s[i+1:], n)
			if !ok {
				b = append(b, c)
				continue
			}
			i += n
			// Java writes what lies beyond 16 bits as two halves.
			if low, ok := lowSurrogate(s[i+1:]); ok && r >= 0xd800 && r < 0xdc00 {
				r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
				i += 6
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

// codepoint reads n hexadecimal digits.
func codepoint(s string, n int) (r rune, ok bool) {
	if len(s) < n {
		return 0, false
	}
	for _, c := range []byte(s[:n]) {
		var d byte
		switch {
		case isDigit(c):
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		if r >= 1<<24 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, r <= utf8.MaxRune
}

// lowSurrogate reads the second half of a pair, \uDC00 … \uDFFF.
func lowSurrogate(s string) (rune, bool) {
	if !strings.HasPrefix(s, `\u`) {
		return 0, false
	}
	r, ok := codepoint(s[2:], 4)
	return r, ok && r >= 0xdc00 && r < 0xe000
}

// typedLiteral reads DATE '…', TIMESTAMP '…', TIME '…' and X'…'.
func (p *parser) typedLiteral() expr.Expr {
	word := p.advance()
	t := p.advance()
	s := p.unquote(t)
	lit := &expr.Literal{Place: word.place()}
	var err error
	switch word.kw {
	case kX:
		if len(s)%2 == 1 {
			s = "0" + s
		}
		var b []byte
		b, err = hex.DecodeString(s)
		lit.Value, lit.Typ = string(b), columnar.BinaryType
	case kDate:
		var days int32
		days, err = text.ParseDate(s)
		lit.Value, lit.Typ = int64(days), columnar.DateType
	case kTime:
		var us int64
		us, err = text.ParseTime(s)
		lit.Value, lit.Typ = us, columnar.TimeType
	case kTimestampNTZ:
		var us int64
		us, _, err = text.ParseTimestampNTZ(s)
		lit.Value, lit.Typ = us, columnar.TimestampNTZType
	default:
		_, zoned, e := text.ParseTimestampNTZ(s)
		if e == nil && !zoned {
			// The session's zone decides, which a text does not know.
			return &expr.Cast{Arg: &expr.Literal{Value: s, Typ: columnar.StringType, Place: t.place()}, To: columnar.TimestampType, Place: word.place()}
		}
		var us int64
		us, err = text.ParseTimestamp(s, nil)
		lit.Value, lit.Typ = us, columnar.TimestampType
	}
	if err != nil {
		p.failAt(t.place(), diag.InvalidLiteral, "%s is not a value of the type %s", shorten(p.source(t)), typedName(word.kw)).
			remedy("%s", literalForm(word.kw))
		return broken()
	}
	return lit
}

// typedName is the type that the word of a typed literal stands for.
func typedName(k keyword) string {
	if k == kX {
		return "BINARY"
	}
	return words[k]
}

// literalForm says how a typed literal is written.
func literalForm(k keyword) string {
	switch k {
	case kX:
		return "Write hexadecimal digits, as in X'1F'"
	case kDate:
		return "Write DATE 'yyyy-mm-dd' with a day that the calendar has"
	case kTime:
		return "Write TIME 'hh:mm:ss'"
	}
	return "Write TIMESTAMP 'yyyy-mm-dd hh:mm:ss', with a zone after it if need be"
}
