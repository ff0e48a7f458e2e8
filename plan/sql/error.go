package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// failure lets a caller add a remedy to the error that it has just raised.
type failure struct{ e *diag.Error }

func (f failure) remedy(format string, args ...any) {
	if f.e != nil && f.e.Remedy == "" {
		f.e.WithRemedy(format, args...)
	}
}

// failAt records the first error and moves to the end of the input (P2).
func (p *parser) failAt(place diag.Pos, class diag.Class, format string, args ...any) failure {
	var f failure
	if p.err == nil {
		p.err = diag.NewAt(place, class, format, args...)
		f.e = p.err
	}
	p.i = len(p.toks) - 1
	return f
}

// unsupported says that a known feature is missing (P3).
func (p *parser) unsupported(place diag.Pos, what string) failure {
	return p.failAt(place, diag.Unsupported, "%s is not supported", what)
}

// unexpected says that the next token is none of those that may stand here. A
// misspelt keyword is named as such.
func (p *parser) unexpected(expected ...string) {
	if p.err != nil {
		return
	}
	t := p.tok()
	if p.alias >= 0 && p.alias == p.i-1 {
		a := p.toks[p.alias]
		if meant := nearest(p.source(a), clauseNames); meant != "" {
			p.failAt(a.place(), diag.Syntax, "syntax error at or near '%s': expected %s", p.source(a), meant).
				remedy("Did you mean %s?", meant)
			return
		}
	}
	switch t.kind {
	case tPipeline:
		p.unsupported(t.place(), "the pipe syntax |>")
		return
	case tQuestion:
		p.unsupported(t.place(), "a parameter marker (?)").remedy("Write the value into the statement")
		return
	case tArrow:
		p.unsupported(t.place(), "a lambda function (->)")
		return
	case tFatArrow:
		p.unsupported(t.place(), "a named argument (=>)").remedy("Pass the arguments by position")
		return
	}
	near := "the end of the statement"
	if t.kind != tEOF {
		near = "'" + shorten(p.source(t)) + "'"
	}
	f := p.failAt(t.place(), diag.Syntax, "syntax error at or near %s: expected %s", near, alternatives(expected))
	if t.kind != tWord {
		if t.kind == tString && p.i > 0 {
			f.remedy("Names stand between back quotes: `name`")
		}
		return
	}
	word := p.source(t)
	if t.kw != none {
		if noName[t.kw] {
			f.remedy("A keyword used as a name stands between back quotes: `%s`", word)
		}
	} else if meant := nearest(word, expected); meant != "" {
		f.remedy("Did you mean %s?", meant)
	} else if meant := nearest(word, clauseNames); meant != "" {
		f.remedy("Did you mean %s?", meant)
	}
}

// clauseNames are the words that are often misspelt after a complete clause.
var clauseNames = []string{
	"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "JOIN", "INNER", "LEFT", "RIGHT",
	"FULL", "CROSS", "NATURAL", "ON", "USING", "UNION", "INTERSECT", "EXCEPT", "VALUES", "WINDOW",
	"AND", "OR", "NOT", "BETWEEN", "LIKE", "AS", "DESC", "ASC", "THEN", "ELSE", "END", "WHEN",
}

// alternatives joins what is expected: a, b or c.
func alternatives(list []string) string {
	switch n := len(list); n {
	case 0:
		return "something else"
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " or " + list[n-1]
	}
}

// shorten keeps messages on one line.
func shorten(s string) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i] + "…"
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return s
}

// nearest returns the keyword that a word was probably meant to be, or "": one
// slip in a short word, two in a long one. Equal words are no misspelling.
func nearest(word string, candidates []string) string {
	if len(word) < 3 || len(word) > 16 {
		return ""
	}
	var keywords []string
	for _, c := range candidates {
		if len(c) >= 3 && c == strings.ToUpper(c) && !strings.EqualFold(c, word) {
			keywords = append(keywords, c)
		}
	}
	limit := 1
	if len(word) > 5 {
		limit = 2
	}
	return diag.Nearest(word, keywords, limit)
}
