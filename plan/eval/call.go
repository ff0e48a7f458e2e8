package eval

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// call returns the implementation of a function and whether constants and
// dictionaries may be exploited (it is strict and looks at one row at a time).
func (p *Program) call(c *expr.Call) (fn function, strict bool, err error) {
	name := c.Fn.Name
	if op, ok := operators[name]; ok {
		return compare(op), true, nil
	}
	switch name {
	case "and", "or":
		if lazy(c) {
			fn, err = p.lazyLogic(c)
			return fn, false, err
		}
		return logic(name), false, nil
	case "not":
		return logic(name), false, nil
	case "if":
		fn, err = p.caseWhen(&expr.Case{Whens: []expr.When{{Cond: c.Args[0], Then: c.Args[1]}}, Else: c.Args[2], Place: c.Place})
		return fn, false, err
	case "coalesce":
		fn, err = p.coalesce(c)
		return fn, false, err
	case "isnull", "isnotnull":
		return isNull(name), false, nil
	case "istrue", "isfalse":
		return isTruth(name), false, nil
	case "<=>":
		return same, false, nil
	case "in":
		fn, strict = inList(c)
		return fn, strict, nil
	case "between":
		return between, valueLiterals(c.Args[1:]), nil
	case "greatest":
		return extreme(gt, c.Typ), false, nil
	case "least":
		return extreme(lt, c.Typ), false, nil
	case "nullif":
		return nullIf(c.Typ), false, nil
	case "typeof":
		t := c.Args[0].Type().String()
		return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
			return Constant(t, columnar.StringType, r.n), nil
		}, false, nil
	case "+", "-", "*", "/", "%", "div", "pmod":
		return p.arithmetic(c), true, nil
	case "negative", "abs", "positive", "~", "&", "|", "^", "<<", ">>", ">>>":
		return integral(c), true, nil
	case "like", "ilike":
		return like(c), true, nil
	case "rlike":
		return rlike(c), true, nil
	}
	if f, ok := floats[name]; ok {
		return floatFunction(c, f), true, nil
	}
	switch name {
	case "pow", "atan2", "hypot":
		f := math.Pow
		switch name {
		case "atan2":
			f = math.Atan2
		case "hypot":
			f = math.Hypot
		}
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			b.float(i, f(args[0].Float64At(i), args[1].Float64At(i)))
			return nil
		}), true, nil
	case "ln", "log2", "log10", "log1p", "log":
		return logarithm(c), true, nil
	case "pmod":
		return positiveModulo(c), true, nil
	case "nanvl":
		return notNaN(c), false, nil
	case "round", "bround", "ceil", "floor":
		return rounding(c), true, nil
	case "isnan":
		return perRow(columnar.BoolType, func(b *builder, args []*columnar.Vector, i int) error {
			b.bool(i, args[0].Type.IsFloat() && math.IsNaN(args[0].Float64At(i)))
			return nil
		}), true, nil
	}
	if f, ok := stringFunctions[name]; ok {
		return perRow(c.Typ, f), true, nil
	}
	if f, ok := encodingFunctions[name]; ok {
		return perRow(c.Typ, f), true, nil
	}
	if f := regexpFunction(c); f != nil {
		return f, true, nil
	}
	if attempts[name] != "" {
		return p.attempt(c), true, nil
	}
	if f := p.timeFunction(c); f != nil {
		return f, true, nil
	}
	return nil, false, diag.NewAt(c.Place, diag.Unsupported, "the function %s is not supported yet", name)
}

// valueLiterals reports that no expression is anything but a literal with a
// value. Without them IN and BETWEEN are not strict: a null in a list is no
// reason for null where another entry decides.
func valueLiterals(es []expr.Expr) bool {
	for _, e := range es {
		if l, ok := e.(*expr.Literal); !ok || l.Value == nil {
			return false
		}
	}
	return true
}

// pattern is a LIKE pattern taken apart: literal pieces between %, each of bytes
// with _ as a wildcard for one character.
type pattern struct {
	pieces       [][]byte
	wild         bool // some piece holds _
	open, closed bool // begins, ends with %
}

// anyByte stands for _ inside a piece: it never occurs in UTF-8.
const anyByte = 0xff

func compileLike(text, escape string) (pattern, error) {
	p := pattern{}
	esc := byte('\\')
	if escape != "" {
		esc = escape[0]
	}
	var piece []byte
	first := true
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == esc:
			i++
			if i == len(text) || text[i] != '%' && text[i] != '_' && text[i] != esc {
				return p, diag.New(diag.InvalidArgument, "the LIKE pattern '%s' ends in or misuses its escape character", text).
					WithRemedy("write the escape character before %%, _ or itself only")
			}
			piece = append(piece, text[i])
		case ch == '%':
			if first && len(piece) == 0 && len(p.pieces) == 0 {
				p.open = true
			}
			if len(piece) > 0 {
				p.pieces = append(p.pieces, piece)
				piece = nil
			}
			p.closed = i == len(text)-1
		case ch == '_':
			piece, p.wild = append(piece, anyByte), true
		default:
			piece = append(piece, ch)
		}
		first = first && len(p.pieces) == 0 && len(piece) == 0
	}
	if len(piece) > 0 {
		p.pieces = append(p.pieces, piece)
		p.closed = false
	}
	return p, nil
}

// prefix returns how many bytes of s a piece covers at its start, −1 if it does
// not match.
func prefix(s, piece []byte) int {
	at := 0
	for _, c := range piece {
		if at >= len(s) {
			return -1
		}
		if c == anyByte {
			_, n := utf8.DecodeRune(s[at:])
			at += n
			continue
		}
		if s[at] != c {
			return -1
		}
		at++
	}
	return at
}

func (p *pattern) find(s, piece []byte) (at, n int) {
	if !p.wild {
		return bytes.Index(s, piece), len(piece)
	}
	for i := 0; i <= len(s); i++ {
		if n := prefix(s[i:], piece); n >= 0 {
			return i, n
		}
	}
	return -1, 0
}

func (p *pattern) match(s []byte) bool {
	pieces := p.pieces
	if len(pieces) == 0 {
		return p.open || p.closed || len(s) == 0
	}
	if !p.open {
		n := prefix(s, pieces[0])
		if n < 0 {
			return false
		}
		s, pieces = s[n:], pieces[1:]
		if len(pieces) == 0 {
			return p.closed || len(s) == 0
		}
	}
	for k, piece := range pieces {
		if k == len(pieces)-1 && !p.closed { // the last piece ends the string
			if !p.wild {
				return bytes.HasSuffix(s, piece)
			}
			for i := range len(s) + 1 {
				if n := prefix(s[i:], piece); n >= 0 && i+n == len(s) {
					return true
				}
			}
			return false
		}
		at, n := p.find(s, piece)
		if at < 0 {
			return false
		}
		s = s[at+n:]
	}
	return true
}

func like(c *expr.Call) function {
	fold := c.Fn.Name == "ilike"
	var known string
	var p pattern
	compiled := false
	row := func(b *builder, args []*columnar.Vector, i int) error {
		text := args[1].BytesAt(i)
		if !compiled || string(text) != known {
			esc := ""
			if len(args) > 2 {
				esc = string(args[2].BytesAt(i))
			}
			src := string(text)
			if fold {
				src = strings.ToLower(src)
			}
			q, err := compileLike(src, esc)
			if err != nil {
				if e, ok := err.(*diag.Error); ok {
					e.Pos = c.Place
				}
				return err
			}
			p, known, compiled = q, string(text), true
		}
		s := args[0].BytesAt(i)
		if fold {
			s = bytes.ToLower(s)
		}
		b.bool(i, p.match(s))
		return nil
	}
	return perRow(columnar.BoolType, row)
}

func rlike(c *expr.Call) function {
	var known string
	var re *regexp.Regexp
	return perRow(columnar.BoolType, func(b *builder, args []*columnar.Vector, i int) error {
		if text := args[1].BytesAt(i); re == nil || string(text) != known {
			q, err := regexp.Compile(string(text))
			if err != nil {
				return diag.NewAt(c.Place, diag.InvalidArgument, "the regular expression '%s' is not valid: %v", text, err)
			}
			re, known = q, string(text)
		}
		b.bool(i, re.Match(args[0].BytesAt(i)))
		return nil
	})
}
