package sql

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/internal/diag"
)

// MaxText is the largest statement in bytes.
const MaxText = 16 << 20

// lexer cuts a text into tokens. Comments, hints among them, are white space.
type lexer struct {
	text string
	i    int
}

// lex returns the tokens of a text; the last is tEOF.
func lex(text string) ([]token, *diag.Error) {
	if len(text) > MaxText {
		return nil, diag.NewAt(diag.At(MaxText), diag.Syntax, "the statement has %d bytes, more than the %d that are allowed", len(text), MaxText).
			WithRemedy("Load data from a file instead of writing it into the statement")
	}
	l := lexer{text: text}
	toks := make([]token, 0, len(text)/4+8)
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		toks = append(toks, t)
		if t.kind == tEOF {
			return toks, nil
		}
	}
}

// next returns the next token.
func (l *lexer) next() (token, *diag.Error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	start := l.i
	if start == len(l.text) {
		return l.token(tEOF, start), nil
	}
	c := l.text[start]
	switch {
	case (c == 'r' || c == 'R') && (l.at(1) == '\'' || l.at(1) == '"'):
		l.i++
		return l.str(start, true)
	case isWordStart(c):
		l.word()
		t := l.token(tWord, start)
		t.kw = lookup(l.text[start:l.i])
		return t, nil
	case c >= 0x80:
		r, _ := utf8.DecodeRuneInString(l.text[start:])
		if !unicode.IsLetter(r) {
			return token{}, l.illegal(start)
		}
		l.word()
		return l.token(tWord, start), nil
	case isDigit(c), c == '.' && isDigit(l.at(1)) && !l.afterName(start):
		return l.number(start), nil
	case c == '\'' || c == '"':
		return l.str(start, false)
	case c == '`':
		return l.quoted(start)
	}
	k, n := symbol(l.text[start:])
	if n == 0 {
		return token{}, l.illegal(start)
	}
	l.i += n
	return l.token(k, start), nil
}

func (l *lexer) token(k kind, start int) token {
	return token{kind: k, pos: int32(start), end: int32(l.i)}
}

// at returns the byte n places ahead, 0 past the end.
func (l *lexer) at(n int) byte {
	if l.i+n < len(l.text) {
		return l.text[l.i+n]
	}
	return 0
}

// afterName reports whether a name, a bracket or a quote ends right before a
// point, so that t.1a is a qualified name and not t followed by .1.
func (l *lexer) afterName(i int) bool {
	if i == 0 {
		return false
	}
	c := l.text[i-1]
	return isWordPart(c) || c == '`' || c == ')' || c == ']'
}

// skip moves past white space and comments.
func (l *lexer) skip() *diag.Error {
	for l.i < len(l.text) {
		c := l.text[l.i]
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			l.i++
		case c == '-' && l.at(1) == '-':
			if n := strings.IndexByte(l.text[l.i:], '\n'); n >= 0 {
				l.i += n
			} else {
				l.i = len(l.text)
			}
		case c == '/' && l.at(1) == '*':
			if !l.comment() {
				return diag.NewAt(diag.At(l.i), diag.Syntax, "the comment that begins here is not closed").WithRemedy("Close it with */")
			}
		case c >= 0x80:
			r, n := utf8.DecodeRuneInString(l.text[l.i:])
			if !unicode.IsSpace(r) && r != '\ufeff' {
				return nil
			}
			l.i += n
		default:
			return nil
		}
	}
	return nil
}

// comment moves past a bracketed comment, which may hold others; it reports
// whether it ends, and does not move when it does not.
func (l *lexer) comment() bool {
	depth := 0
	for i := l.i; i+1 < len(l.text); {
		switch {
		case l.text[i] == '/' && l.text[i+1] == '*':
			depth++
			i += 2
		case l.text[i] == '*' && l.text[i+1] == '/':
			depth--
			i += 2
			if depth == 0 {
				l.i = i
				return true
			}
		default:
			i++
		}
	}
	return false
}

// word moves past letters, digits and underscores.
func (l *lexer) word() {
	for l.i < len(l.text) {
		c := l.text[l.i]
		if c < 0x80 {
			if !isWordPart(c) {
				return
			}
			l.i++
			continue
		}
		r, n := utf8.DecodeRuneInString(l.text[l.i:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return
		}
		l.i += n
	}
}

// number reads a number with its suffix. Digits that run into letters which
// are no suffix are a word, as in Spark: 1a is a name.
func (l *lexer) number(start int) token {
	k := tInt
	l.digits()
	if l.at(0) == '.' && (l.i == start || isDigit(l.at(1)) || !isWordStart(l.at(1)) || isSuffix(l.text[l.i+1:])) {
		k = tDecimal
		l.i++
		l.digits()
	}
	if c := l.at(0); c|0x20 == 'e' {
		n := 1
		if c := l.at(1); c == '+' || c == '-' {
			n = 2
		}
		if isDigit(l.at(n)) {
			l.i += n
			l.digits()
			k = tExponent
		}
	}
	if c := l.at(0); c < 0x80 && !isWordPart(c) {
		return l.token(k, start)
	}
	if n := suffix(l.text[l.i:]); n > 0 {
		l.i += n
		return l.token(k, start)
	}
	if k == tInt {
		l.word()
		return l.token(tWord, start)
	}
	return l.token(k, start)
}

func (l *lexer) digits() {
	for l.i < len(l.text) && isDigit(l.text[l.i]) {
		l.i++
	}
}

// suffix returns the length of a number's suffix (L S Y BD D F) at the start of
// s, 0 if there is none.
func suffix(s string) int {
	n := 0
	switch {
	case len(s) >= 2 && s[0]|0x20 == 'b' && s[1]|0x20 == 'd':
		n = 2
	case len(s) >= 1 && strings.IndexByte("lsydf", s[0]|0x20) >= 0:
		n = 1
	}
	if n > 0 && n < len(s) && (isWordPart(s[n]) || s[n] >= 0x80) {
		return 0
	}
	return n
}

func isSuffix(s string) bool { return suffix(s) > 0 }

// str reads a string; l.i is at its quote.
func (l *lexer) str(start int, raw bool) (token, *diag.Error) {
	quote := l.text[l.i]
	for i := l.i + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && !raw:
			i++
		case c == quote && !raw && i+1 < len(l.text) && l.text[i+1] == quote:
			i++
		case c == quote:
			l.i = i + 1
			return l.token(tString, start), nil
		}
	}
	return token{}, diag.NewAt(diag.At(start), diag.Syntax, "the string that begins here is not closed").WithRemedy("Close it with %c", quote)
}

// quoted reads a back-quoted identifier.
func (l *lexer) quoted(start int) (token, *diag.Error) {
	for i := start + 1; i < len(l.text); i++ {
		if l.text[i] != '`' {
			continue
		}
		if i+1 < len(l.text) && l.text[i+1] == '`' {
			i++
			continue
		}
		if i == start+1 {
			break
		}
		l.i = i + 1
		return l.token(tQuoted, start), nil
	}
	if strings.HasPrefix(l.text[start:], "``") {
		return token{}, diag.NewAt(diag.At(start), diag.Syntax, "syntax error at or near '``': a name is not empty")
	}
	return token{}, diag.NewAt(diag.At(start), diag.Syntax, "the quoted name that begins here is not closed").WithRemedy("Close it with `")
}

// illegal says that no token begins at i.
func (l *lexer) illegal(i int) *diag.Error {
	r, _ := utf8.DecodeRuneInString(l.text[i:])
	return diag.NewAt(diag.At(i), diag.Syntax, "syntax error at or near %q: the character has no meaning in SQL", string(r)).
		WithRemedy("Put names with special characters between back quotes, and text between single quotes")
}

// symbol returns the longest operator at the start of s and its length.
func symbol(s string) (kind, int) {
	second, third := byte(0), byte(0)
	if len(s) > 1 {
		second = s[1]
	}
	if len(s) > 2 {
		third = s[2]
	}
	switch s[0] {
	case ',':
		return tComma, 1
	case '.':
		return tDot, 1
	case '(':
		return tOpen, 1
	case ')':
		return tClose, 1
	case '[':
		return tOpenBracket, 1
	case ']':
		return tCloseBracket, 1
	case ';':
		return tSemicolon, 1
	case '+':
		return tPlus, 1
	case '-':
		if second == '>' {
			return tArrow, 2
		}
		return tMinus, 1
	case '*':
		return tStar, 1
	case '/':
		return tSlash, 1
	case '%':
		return tPercent, 1
	case '=':
		switch second {
		case '=':
			return tEq, 2
		case '>':
			return tFatArrow, 2
		}
		return tEq, 1
	case '<':
		switch {
		case second == '=' && third == '>':
			return tNullSafeEq, 3
		case second == '=':
			return tLessEq, 2
		case second == '>':
			return tNotEq, 2
		case second == '<':
			return tShiftLeft, 2
		}
		return tLess, 1
	case '>':
		switch {
		case second == '>' && third == '>':
			return tShiftRightUnsigned, 3
		case second == '>':
			return tShiftRight, 2
		case second == '=':
			return tGreaterEq, 2
		}
		return tGreater, 1
	case '|':
		switch second {
		case '|':
			return tConcat, 2
		case '>':
			return tPipeline, 2
		}
		return tPipe, 1
	case '&':
		return tAmpersand, 1
	case '^':
		return tHat, 1
	case '~':
		return tTilde, 1
	case '!':
		if second == '=' {
			return tNotEq, 2
		}
		return tBang, 1
	case ':':
		if second == ':' {
			return tDoubleColon, 2
		}
		return tColon, 1
	case '?':
		return tQuestion, 1
	}
	return tEOF, 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) }
