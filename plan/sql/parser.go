package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// The bounds of P1: nesting of expressions, queries and types; operands of one
// chain of operators, set operations or joins, which become nested nodes.
const (
	maxDepth = 1000
	maxChain = 5000
)

// parser walks over the tokens of one statement. Its error is sticky (P2).
type parser struct {
	text  string
	toks  []token
	i     int
	err   *diag.Error
	depth int
	// alias is the index of the last word that became an alias without AS, the
	// usual fate of a misspelt keyword.
	alias int
	// pending are the OVER clauses that name a window of the current SELECT.
	pending []windowRef
	// windows are the definitions of the current query's WINDOW clauses.
	windows []namedWindow
}

// newParser cuts a text into tokens.
func newParser(text string) (*parser, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, toks: toks, alias: -1}, nil
}

func (p *parser) tok() token { return p.toks[p.i] }

// ahead returns the token n places ahead, the last one past the end.
func (p *parser) ahead(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) place() diag.Pos { return p.toks[p.i].place() }

// source returns the text of a token.
func (p *parser) source(t token) string { return p.text[t.pos:t.end] }

func (p *parser) is(k kind) bool { return p.toks[p.i].kind == k }

// isWord reports whether the next token is the keyword.
func (p *parser) isWord(k keyword) bool { return p.toks[p.i].kw == k }

// isWords reports whether the next tokens are the keywords.
func (p *parser) isWords(ks ...keyword) bool {
	for n, k := range ks {
		if p.ahead(n).kw != k {
			return false
		}
	}
	return true
}

// isName reports whether the next token is the given word, keyword or not.
func (p *parser) isName(upper string) bool {
	t := p.tok()
	return t.kind == tWord && strings.EqualFold(p.source(t), upper)
}

// advance moves past the next token, but never past the end.
func (p *parser) advance() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) accept(k kind) bool {
	if p.toks[p.i].kind == k && k != tEOF {
		p.i++
		return true
	}
	return false
}

func (p *parser) acceptWord(k keyword) bool {
	if p.toks[p.i].kw == k {
		p.i++
		return true
	}
	return false
}

// acceptWords moves past the keywords if all of them follow.
func (p *parser) acceptWords(ks ...keyword) bool {
	if !p.isWords(ks...) {
		return false
	}
	p.i += len(ks)
	return true
}

// expect moves past a token of the kind or fails.
func (p *parser) expect(k kind, shown string) token {
	if !p.is(k) {
		p.unexpected(shown)
	}
	return p.advance()
}

func (p *parser) expectWord(k keyword) {
	if !p.acceptWord(k) {
		p.unexpected(words[k])
	}
}

// enter counts a level of nesting; leave undoes it. It reports whether there is
// room for another.
func (p *parser) enter() bool {
	p.depth++
	if p.depth > maxDepth {
		p.failAt(p.place(), diag.Syntax, "the statement is nested more than %d levels deep", maxDepth).
			remedy("Split it with common table expressions or views")
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// chain bounds the operands of one chain.
func (p *parser) chain(n int) bool {
	if n > maxChain {
		p.failAt(p.place(), diag.Syntax, "a chain has more than %d operands", maxChain).
			remedy("Use IN, VALUES or a table instead")
		return false
	}
	return p.err == nil
}

// isIdent reports whether the next token can be a name.
func (p *parser) isIdent() bool {
	k := p.toks[p.i].kind
	return k == tWord || k == tQuoted
}

// ident reads a name, any keyword included.
func (p *parser) ident(what string) string {
	if !p.isIdent() {
		p.unexpected(what)
		return ""
	}
	return p.name(p.advance())
}

// strictIdent reads a name that may not be a word of the grammar's clauses:
// what makes SELECT a FROM WHERE an error at WHERE.
func (p *parser) strictIdent(what string) string {
	if t := p.tok(); t.kind == tWord && noName[t.kw] {
		p.unexpected(what)
		return ""
	}
	return p.ident(what)
}

// name returns the name that an identifier token spells.
func (p *parser) name(t token) string {
	s := p.source(t)
	if t.kind == tQuoted {
		s = s[1 : len(s)-1]
		if strings.Contains(s, "``") {
			s = strings.ReplaceAll(s, "``", "`")
		}
	}
	return s
}

// multipart reads name{.name}.
func (p *parser) multipart(what string) []string {
	parts := []string{p.strictIdent(what)}
	for p.is(tDot) && p.chain(len(parts)) {
		p.advance()
		parts = append(parts, p.ident("a name"))
	}
	return parts
}

// identList reads ( name {, name} ).
func (p *parser) identList(what string) []string {
	p.expect(tOpen, "(")
	list := []string{p.ident(what)}
	for p.accept(tComma) {
		list = append(list, p.ident(what))
	}
	p.expect(tClose, ")")
	return list
}

// call makes a call of an operator or function.
func call(place diag.Pos, fn string, args ...expr.Expr) expr.Expr {
	return &expr.UnresolvedCall{Fn: fn, Args: args, Place: place}
}

// broken stands where an expression could not be read; it never leaves (P2).
func broken() expr.Expr { return expr.Null(columnar.NullType) }
