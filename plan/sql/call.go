package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// equalFold compares with a lower-case ASCII word.
func equalFold(s, lower string) bool { return len(s) == len(lower) && strings.EqualFold(s, lower) }

// call reads the rest of a call from its parenthesis on:
//
//	([DISTINCT | ALL] args) [WITHIN GROUP (ORDER BY …)] [FILTER (WHERE …)] [OVER …]
func (p *parser) call(parts []string, place diag.Pos) expr.Expr {
	c := &expr.UnresolvedCall{Fn: strings.ToLower(strings.Join(parts, ".")), Place: place}
	p.expect(tOpen, "(")
	if !p.is(tClose) {
		if p.isWord(kDistinct) {
			p.advance()
			c.Distinct = true
		} else if p.isWord(kAll) && p.ahead(1).kind != tClose && p.ahead(1).kind != tComma {
			p.advance()
		}
		if p.startsQuery(0) && p.isWord(kSelect) {
			p.unexpected("an argument")
			p.err.WithRemedy("Put the subquery into its own parentheses")
			return c
		}
		c.Args = append(c.Args, p.argument())
		for p.accept(tComma) {
			c.Args = append(c.Args, p.argument())
		}
		p.nullTreatment(c)
	}
	if !p.accept(tClose) {
		p.unexpected(",", ")")
	}
	return p.callSuffix(c)
}

// callSuffix reads what may follow a call's parentheses.
func (p *parser) callSuffix(c *expr.UnresolvedCall) expr.Expr {
	if p.acceptWords(kWithin, kGroup) {
		p.expect(tOpen, "(")
		p.expectWord(kOrder)
		p.expectWord(kBy)
		c.OrderBy = p.sortOrders()
		p.expect(tClose, ")")
	}
	if p.isWord(kFilter) && p.ahead(1).kind == tOpen {
		p.advance()
		p.advance()
		p.expectWord(kWhere)
		c.Filter = p.expr()
		p.expect(tClose, ")")
	}
	p.nullTreatment(c)
	if p.isWord(kOver) && (p.ahead(1).kind == tOpen || p.ahead(1).kind == tWord || p.ahead(1).kind == tQuoted) {
		p.advance()
		c.Over = p.over()
	}
	return c
}

// nullTreatment reads RESPECT NULLS, which is the default, and IGNORE NULLS.
func (p *parser) nullTreatment(c *expr.UnresolvedCall) {
	switch {
	case p.acceptWords(kRespect, kNulls):
	case p.acceptWords(kIgnore, kNulls):
		c.IgnoreNulls = true
	}
}

// argument reads an argument of a call: an expression or a star.
func (p *parser) argument() expr.Expr {
	if t := p.tok(); t.kind == tStar {
		p.advance()
		return &expr.Star{Except: p.starExcept(), Place: t.place()}
	}
	return p.expr()
}

// specialCall reads the calls that have words among their arguments. Each also
// takes plain arguments where the function does.
func (p *parser) specialCall() expr.Expr {
	t := p.advance()
	place := t.place()
	switch t.kw {
	case kCast, kTryCast:
		p.expect(tOpen, "(")
		c := &expr.Cast{Arg: p.expr(), Try: t.kw == kTryCast, Place: place}
		p.expectWord(kAs)
		c.To = p.typ()
		p.expect(tClose, ")")
		return c
	case kExtract:
		return p.extract(place)
	case kTrim:
		return p.trim(t)
	case kStruct:
		return p.structOf(place)
	}
	p.expect(tOpen, "(")
	if p.is(tClose) {
		p.advance()
		return p.callSuffix(&expr.UnresolvedCall{Fn: strings.ToLower(p.source(t)), Place: place})
	}
	c := &expr.UnresolvedCall{Fn: strings.ToLower(p.source(t)), Place: place}
	if t.kw == kPosition {
		// The IN of position(a IN b) would otherwise begin a list.
		c.Args = []expr.Expr{p.value(precComparison)}
		if p.acceptWord(kIn) {
			c.Args = append(c.Args, p.value(precComparison))
			p.expect(tClose, ")")
			return c
		}
	} else {
		c.Args = []expr.Expr{p.expr()}
	}
	switch {
	case t.kw == kOverlay && p.acceptWord(kPlacing):
		c.Args = append(c.Args, p.expr())
		p.expectWord(kFrom)
		c.Args = append(c.Args, p.expr())
		if p.acceptWord(kFor) {
			c.Args = append(c.Args, p.expr())
		}
	case (t.kw == kSubstring || t.kw == kSubstr) && p.acceptWord(kFrom):
		c.Args = append(c.Args, p.expr())
		if p.acceptWord(kFor) {
			c.Args = append(c.Args, p.expr())
		}
	default:
		for p.accept(tComma) {
			c.Args = append(c.Args, p.expr())
		}
	}
	if !p.accept(tClose) {
		p.unexpected(",", ")")
	}
	return p.callSuffix(c)
}

// extract reads (field FROM source).
func (p *parser) extract(place diag.Pos) expr.Expr {
	p.expect(tOpen, "(")
	t := p.tok()
	var field string
	switch t.kind {
	case tString:
		p.advance()
		field = p.unquote(t)
	case tWord, tQuoted:
		field = p.name(p.advance())
	default:
		p.unexpected("a field such as YEAR")
		return broken()
	}
	p.expectWord(kFrom)
	source := p.expr()
	p.expect(tClose, ")")
	return call(place, "extract", &expr.Literal{Value: field, Typ: columnar.StringType, Place: t.place()}, source)
}

// trim reads ([BOTH | LEADING | TRAILING] [characters] FROM text) and the plain
// forms. The text comes first in the call, then the characters.
func (p *parser) trim(t token) expr.Expr {
	p.expect(tOpen, "(")
	side := p.tok().kw
	switch side {
	case kBoth, kLeading, kTrailing:
		// Also names of columns: then a comma, a parenthesis or an operator follows.
		next := p.ahead(1)
		if next.kind == tClose || next.kind == tComma || next.kind == tDot || operator(next).prec > 0 {
			side = none
		} else {
			p.advance()
		}
	default:
		side = none
	}
	var chars expr.Expr
	if side == none || !p.isWord(kFrom) {
		chars = p.expr()
	}
	if !p.acceptWord(kFrom) {
		if side != none {
			p.unexpected("FROM")
		}
		c := &expr.UnresolvedCall{Fn: "trim", Args: []expr.Expr{chars}, Place: t.place()}
		for p.accept(tComma) {
			c.Args = append(c.Args, p.expr())
		}
		if !p.accept(tClose) {
			p.unexpected("FROM", ")")
		}
		return c
	}
	text := p.expr()
	p.expect(tClose, ")")
	fn := "trim"
	switch side {
	case kLeading:
		fn = "ltrim"
	case kTrailing:
		fn = "rtrim"
	}
	if chars == nil {
		return call(t.place(), fn, text)
	}
	return call(t.place(), fn, text, chars)
}

// structOf reads (expression [AS name], …): names become fields.
func (p *parser) structOf(place diag.Pos) expr.Expr {
	p.expect(tOpen, "(")
	c := &expr.UnresolvedCall{Fn: "struct", Place: place}
	for !p.is(tClose) && p.err == nil {
		e := p.argument()
		if as := p.tok(); as.kw == kAs {
			p.advance()
			e = &expr.Alias{Arg: e, Name: p.ident("a field name"), Place: e.Pos()}
		}
		c.Args = append(c.Args, e)
		if !p.accept(tComma) {
			break
		}
	}
	if !p.accept(tClose) {
		p.unexpected(",", ")")
	}
	return c
}
