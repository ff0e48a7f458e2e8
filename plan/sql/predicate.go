package sql

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// predicate reads a value and the test that may follow it: IS, BETWEEN, IN,
// LIKE and theirs.
func (p *parser) predicate() expr.Expr {
	left := p.value(precComparison)
	t := p.tok()
	if t.kw == kIs {
		return p.isTest(left)
	}
	not := t.kw == kNot
	if not {
		switch p.ahead(1).kw {
		case kBetween, kIn, kLike, kIlike, kRlike, kRegexp:
			p.advance()
		default:
			return left
		}
	}
	var e expr.Expr
	switch op := p.tok(); op.kw {
	case kBetween:
		p.advance()
		low := p.value(precComparison)
		p.expectWord(kAnd)
		high := p.value(precComparison)
		e = call(op.place(), "and", call(op.place(), ">=", left, low), call(op.place(), "<=", left, high))
	case kIn:
		p.advance()
		e = p.in(left, op.place())
	case kLike:
		e = p.like(left, "like")
	case kIlike:
		e = p.like(left, "ilike")
	case kRlike, kRegexp:
		p.advance()
		e = call(op.place(), "rlike", left, p.value(precComparison))
	default:
		return left
	}
	if not {
		return call(t.place(), "not", e)
	}
	return e
}

// isTest reads IS [NOT] {NULL | TRUE | FALSE | UNKNOWN | DISTINCT FROM value}.
func (p *parser) isTest(left expr.Expr) expr.Expr {
	place := p.advance().place()
	not := p.acceptWord(kNot)
	var e expr.Expr
	switch {
	case p.acceptWord(kNull):
		if not {
			return call(place, "isnotnull", left)
		}
		return call(place, "isnull", left)
	case p.acceptWord(kTrue):
		e = call(place, "istrue", left)
	case p.acceptWord(kFalse):
		e = call(place, "isfalse", left)
	case p.acceptWord(kUnknown):
		e = call(place, "isunknown", left)
	case p.acceptWords(kDistinct, kFrom):
		// DISTINCT FROM is the negation of the null-safe equality.
		e = call(place, "<=>", left, p.value(precComparison))
		not = !not
	default:
		p.unexpected("NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT FROM")
		return left
	}
	if not {
		return call(place, "not", e)
	}
	return e
}

// in reads what follows IN: a subquery or a list.
func (p *parser) in(left expr.Expr, place diag.Pos) expr.Expr {
	p.expect(tOpen, "(")
	if p.startsQuery(0) {
		plan := p.query()
		p.expect(tClose, ")")
		return &expr.Subquery{Kind: expr.In, Left: p.columns(left), Plan: plan, Place: place}
	}
	first := p.expr()
	if sub, ok := bare(first); ok && afterQuery[p.tok().kw] {
		plan := p.queryTail(sub)
		p.expect(tClose, ")")
		return &expr.Subquery{Kind: expr.In, Left: p.columns(left), Plan: plan, Place: place}
	}
	args := []expr.Expr{left, first}
	for p.accept(tComma) {
		args = append(args, p.expr())
	}
	p.expect(tClose, ")")
	return call(place, "in", args...)
}

// columns takes the row (a, b) apart; any other value is one column.
func (p *parser) columns(left expr.Expr) []expr.Expr {
	if c, ok := left.(*expr.UnresolvedCall); ok && c.Fn == "struct" {
		// A row begins with its parenthesis, struct(a, b) with its name.
		if at, ok := c.Place.Offset(); ok && p.text[at] == '(' {
			return c.Args
		}
	}
	return []expr.Expr{left}
}

// like reads LIKE pattern [ESCAPE c] and LIKE {ANY | SOME | ALL} (pattern, …).
func (p *parser) like(left expr.Expr, fn string) expr.Expr {
	place := p.advance().place()
	quantifier := p.tok().kw
	if (quantifier == kAny || quantifier == kSome || quantifier == kAll) && p.ahead(1).kind == tOpen {
		p.advance()
		p.advance()
		if p.startsQuery(0) {
			p.unsupported(p.place(), "LIKE with a subquery")
			return left
		}
		patterns := p.exprs()
		p.expect(tClose, ")")
		terms := make([]expr.Expr, len(patterns))
		places := make([]diag.Pos, len(patterns)-1)
		for i, pattern := range patterns {
			terms[i] = call(place, fn, left, pattern)
		}
		for i := range places {
			places[i] = place
		}
		if quantifier == kAll {
			return balanced("and", terms, places)
		}
		return balanced("or", terms, places)
	}
	pattern := p.value(precComparison)
	if !p.acceptWord(kEscape) {
		return call(place, fn, left, pattern)
	}
	t := p.tok()
	if t.kind != tString {
		p.unexpected("a string of one character")
		return left
	}
	p.advance()
	escape := p.unquote(t)
	if len([]rune(escape)) != 1 {
		p.failAt(t.place(), diag.Syntax, "ESCAPE takes one character, not %d", len([]rune(escape)))
	}
	return call(place, fn, left, pattern, &expr.Literal{Value: escape, Typ: columnar.StringType, Place: t.place()})
}
