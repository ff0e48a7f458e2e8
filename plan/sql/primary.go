package sql

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// operand names what may stand where an operand is missing.
const operand = "an expression"

// primary reads an operand without operators around it.
func (p *parser) primary() expr.Expr {
	t := p.tok()
	switch t.kind {
	case tInt, tDecimal, tExponent:
		p.advance()
		return p.number(t, false, t.place())
	case tString:
		return p.stringLiteral()
	case tOpen:
		return p.parenthesis()
	case tQuoted:
		return p.reference()
	case tWord:
		return p.wordPrimary(t)
	case tColon:
		if n := p.ahead(1); n.kind == tWord || n.kind == tInt {
			p.unsupported(t.place(), "a named parameter (:name)").remedy("Write the value into the statement")
			return broken()
		}
	case tStar:
		p.unexpected(operand)
		return broken()
	}
	p.unexpected(operand)
	return broken()
}

// wordPrimary reads an operand that begins with a word.
func (p *parser) wordPrimary(t token) expr.Expr {
	next := p.ahead(1).kind
	switch t.kw {
	case none:
		if next == tArrow {
			p.i++
			p.unexpected(operand)
			return broken()
		}
		if next != tOpen && next != tDot {
			if fn := bareFunction(p.source(t)); fn != "" {
				p.advance()
				return call(t.place(), fn)
			}
		}
		return p.reference()
	case kTrue, kFalse:
		p.advance()
		return &expr.Literal{Value: t.kw == kTrue, Typ: columnar.BoolType, Place: t.place()}
	case kNull:
		p.advance()
		return &expr.Literal{Typ: columnar.NullType, Place: t.place()}
	case kCase:
		return p.caseOf()
	case kExists:
		// exists(array, x -> …) is a function; its first argument gives it away.
		if next == tOpen && (p.ahead(2).kind != tWord || p.startsQuery(2) || p.ahead(3).kind != tOpen && p.ahead(3).kind != tComma) {
			return p.exists()
		}
		if next == tOpen {
			return p.reference()
		}
	case kNot:
		// NOT binds loosely; here it stands where an operand must: a + NOT b.
		p.unexpected(operand)
		return broken()
	case kInterval:
		if p.startsInterval() {
			return p.interval()
		}
	case kDate, kTimestamp, kTimestampNTZ, kTimestampLTZ, kTime, kX:
		if next == tString {
			return p.typedLiteral()
		}
	case kCast, kTryCast, kExtract, kPosition, kSubstring, kSubstr, kTrim, kOverlay, kStruct:
		if next == tOpen {
			return p.specialCall()
		}
	case kLeft, kRight, kLike, kIlike, kRlike, kRegexp:
		// Functions whose names begin something else everywhere but here.
		if next == tOpen {
			p.advance()
			return p.call([]string{p.source(t)}, t.place())
		}
	}
	if noName[t.kw] && !p.softName(t) {
		p.unexpected(operand)
		return broken()
	}
	return p.reference()
}

// softName reports whether a clause's word is a column here: it is one of those
// that people do name columns after, and what follows cannot be its clause.
func (p *parser) softName(t token) bool {
	if !soft[t.kw] {
		return false
	}
	switch n := p.ahead(1); n.kind {
	case tInt, tDecimal, tExponent, tString, tQuoted:
		return false
	case tWord:
		return n.kw != none && n.kw != kJoin && n.kw != kOuter && n.kw != kBy
	}
	return true
}

// bareFunction returns the function that a word calls without parentheses.
func bareFunction(word string) string {
	switch len(word) {
	case 4, 12, 14, 17:
	default:
		return ""
	}
	for _, fn := range [...]string{"current_date", "current_timestamp", "localtimestamp", "current_user", "current_time", "session_user"} {
		if equalFold(word, fn) {
			return fn
		}
	}
	return ""
}

// reference reads a column, t.*, or a call: name{.name}[(…)].
func (p *parser) reference() expr.Expr {
	first := p.advance()
	parts := []string{p.name(first)}
	for p.is(tDot) && p.chain(len(parts)) {
		p.advance()
		if p.is(tStar) {
			p.advance()
			return &expr.Star{Qualifier: parts, Except: p.starExcept(), Place: first.place()}
		}
		parts = append(parts, p.ident("a name or *"))
	}
	if p.is(tOpen) && first.kind != tEOF {
		return p.call(parts, first.place())
	}
	return &expr.Name{Parts: parts, Place: first.place()}
}

// starExcept reads the EXCEPT (a, b) that may follow a star.
func (p *parser) starExcept() []string {
	if !p.isWord(kExcept) || p.ahead(1).kind != tOpen || p.startsQuery(2) || p.ahead(2).kind == tOpen {
		return nil
	}
	p.advance()
	return p.identList("a column name")
}

// startsQuery reports whether the token n places ahead begins a query. VALUES,
// WITH and TABLE are names unless something of theirs follows.
func (p *parser) startsQuery(n int) bool {
	next := p.ahead(n + 1)
	switch p.ahead(n).kw {
	case kSelect, kFrom:
		return true
	case kWith:
		return next.kind == tWord || next.kind == tQuoted
	case kTable:
		return next.kind == tQuoted || next.kind == tWord && !noName[next.kw]
	case kValues:
		switch next.kind {
		case tOpen, tInt, tDecimal, tExponent, tString:
			return true
		case tWord:
			return !noName[next.kw] || next.kw == kNull || next.kw == kTrue || next.kw == kFalse
		}
	}
	return false
}

// bare returns the plan of a scalar subquery.
func bare(e expr.Expr) (logical.Plan, bool) {
	if s, ok := e.(*expr.Subquery); ok && s.Kind == expr.Scalar {
		plan, ok := s.Plan.(logical.Plan)
		return plan, ok
	}
	return nil, false
}

// parenthesis reads (expression), (subquery) or the row (a, b).
func (p *parser) parenthesis() expr.Expr {
	open := p.advance()
	if p.startsQuery(0) {
		plan := p.query()
		p.expect(tClose, ")")
		return &expr.Subquery{Kind: expr.Scalar, Plan: plan, Place: open.place()}
	}
	e := p.expr()
	// ((SELECT …) UNION (SELECT …)): what looked like an operand is a query.
	if plan, ok := bare(e); ok && afterQuery[p.tok().kw] {
		plan = p.queryTail(plan)
		p.expect(tClose, ")")
		return &expr.Subquery{Kind: expr.Scalar, Plan: plan, Place: open.place()}
	}
	if p.is(tComma) {
		row := []expr.Expr{e}
		for p.accept(tComma) {
			row = append(row, p.expr())
		}
		e = call(open.place(), "struct", row...)
	}
	p.expect(tClose, ")")
	if p.is(tArrow) {
		p.unexpected(operand)
	}
	return e
}

// exists reads EXISTS (query).
func (p *parser) exists() expr.Expr {
	place := p.advance().place()
	p.expect(tOpen, "(")
	plan := p.query()
	p.expect(tClose, ")")
	return &expr.Subquery{Kind: expr.Exists, Plan: plan, Place: place}
}

// caseOf reads both forms of CASE; the simple one becomes equalities.
func (p *parser) caseOf() expr.Expr {
	c := &expr.Case{Place: p.advance().place()}
	var subject expr.Expr
	if !p.isWord(kWhen) {
		subject = p.expr()
	}
	for p.isWord(kWhen) {
		when := p.advance()
		cond := p.expr()
		if subject != nil {
			cond = call(when.place(), "=", subject, cond)
		}
		p.expectWord(kThen)
		c.Whens = append(c.Whens, expr.When{Cond: cond, Then: p.expr()})
	}
	if len(c.Whens) == 0 {
		p.unexpected("WHEN")
	}
	if p.acceptWord(kElse) {
		c.Else = p.expr()
	}
	if !p.acceptWord(kEnd) {
		p.unexpected("WHEN", "ELSE", "END")
	}
	return c
}
