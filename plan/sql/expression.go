package sql

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// expr reads an expression: OR over AND over NOT over predicates over values.
func (p *parser) expr() expr.Expr {
	if !p.enter() {
		return broken()
	}
	e := p.connected(kOr, "or")
	p.leave()
	return e
}

// exprs reads expressions separated by commas.
func (p *parser) exprs() []expr.Expr {
	list := []expr.Expr{p.expr()}
	for p.accept(tComma) {
		list = append(list, p.expr())
	}
	return list
}

// connected reads a chain of OR or AND. Long chains become balanced trees: a
// generated condition of thousands of terms must not be as deep as it is long.
func (p *parser) connected(word keyword, fn string) expr.Expr {
	first := p.connectedOperand(word)
	if !p.isWord(word) {
		return first
	}
	terms := []expr.Expr{first}
	var places []diag.Pos
	for p.isWord(word) {
		places = append(places, p.advance().place())
		terms = append(terms, p.connectedOperand(word))
	}
	if len(terms) <= 64 {
		e := first
		for i, t := range terms[1:] {
			e = call(places[i], fn, e, t)
		}
		return e
	}
	return balanced(fn, terms, places)
}

func (p *parser) connectedOperand(word keyword) expr.Expr {
	if word == kOr {
		return p.connected(kAnd, "and")
	}
	return p.negated()
}

// balanced joins terms by a connective; places[i] stands between terms i and i+1.
func balanced(fn string, terms []expr.Expr, places []diag.Pos) expr.Expr {
	if len(terms) == 1 {
		return terms[0]
	}
	m := len(terms) / 2
	return call(places[m-1], fn, balanced(fn, terms[:m], places[:m-1]), balanced(fn, terms[m:], places[m:]))
}

// negated reads {NOT | !} predicate.
func (p *parser) negated() expr.Expr {
	t := p.tok()
	if t.kw == kNot || t.kind == tBang {
		if !p.enter() {
			return broken()
		}
		p.advance()
		e := call(t.place(), "not", p.negated())
		p.leave()
		return e
	}
	return p.predicate()
}

// binary describes an infix operator of values.
type binary struct {
	prec int
	fn   string
}

// The precedences of value operators, loosest first, as in Spark's grammar.
const (
	precComparison = iota + 1
	precOr
	precXor
	precAnd
	precShift
	precAdd
	precMultiply
)

var binaries = [...]binary{
	tEq: {precComparison, "="}, tNullSafeEq: {precComparison, "<=>"}, tNotEq: {precComparison, "<>"},
	tLess: {precComparison, "<"}, tLessEq: {precComparison, "<="},
	tGreater: {precComparison, ">"}, tGreaterEq: {precComparison, ">="},
	tPipe: {precOr, "|"}, tHat: {precXor, "^"}, tAmpersand: {precAnd, "&"},
	tShiftLeft: {precShift, "<<"}, tShiftRight: {precShift, ">>"}, tShiftRightUnsigned: {precShift, "shiftrightunsigned"},
	tPlus: {precAdd, "+"}, tMinus: {precAdd, "-"}, tConcat: {precAdd, "||"},
	tStar: {precMultiply, "*"}, tSlash: {precMultiply, "/"}, tPercent: {precMultiply, "%"},
	tPipeline: {},
}

// operator returns the infix operator that a token is; prec 0 if none.
func operator(t token) binary {
	if t.kw == kDiv {
		return binary{precMultiply, "div"}
	}
	return binaries[t.kind]
}

// value reads operands joined by operators of at least the given precedence.
func (p *parser) value(lowest int) expr.Expr {
	left := p.unary()
	for n := 0; ; n++ {
		t := p.tok()
		op := operator(t)
		if op.prec == 0 || op.prec < lowest || !p.chain(n) {
			return left
		}
		p.advance()
		if op.prec == precComparison {
			p.noQuantifier()
		}
		right := p.value(op.prec + 1)
		if op.fn == "<>" {
			left = call(t.place(), "not", call(t.place(), "=", left, right))
		} else {
			left = call(t.place(), op.fn, left, right)
		}
	}
}

// noQuantifier refuses = ANY (SELECT …) and its like.
func (p *parser) noQuantifier() {
	t := p.tok()
	if (t.kw == kAny || t.kw == kSome || t.kw == kAll) && p.ahead(1).kind == tOpen && p.startsQuery(2) {
		p.unsupported(t.place(), "a quantified comparison with a subquery").remedy("Use IN or EXISTS instead")
	}
}

// unary reads {+ | - | ~} operand. A minus right before a number is part of it,
// so that the smallest bigint can be written.
func (p *parser) unary() expr.Expr {
	t := p.tok()
	switch t.kind {
	case tMinus:
		if n := p.ahead(1); n.kind == tInt || n.kind == tDecimal || n.kind == tExponent {
			p.advance()
			p.advance()
			return p.postfix(p.number(n, true, t.place()))
		}
	case tPlus, tTilde:
	default:
		return p.postfix(p.primary())
	}
	if !p.enter() {
		return broken()
	}
	p.advance()
	e := p.unary()
	p.leave()
	switch t.kind {
	case tMinus:
		return call(t.place(), "negative", e)
	case tTilde:
		return call(t.place(), "~", e)
	}
	return e
}

// postfix reads what binds tightest: .field, [index], ::type.
func (p *parser) postfix(e expr.Expr) expr.Expr {
	for n := 0; ; n++ {
		t := p.tok()
		switch t.kind {
		case tDot:
			p.advance()
			field := p.tok()
			e = call(t.place(), "getitem", e, &expr.Literal{Value: p.ident("a field name"), Typ: columnar.StringType, Place: field.place()})
		case tOpenBracket:
			p.advance()
			e = call(t.place(), "getitem", e, p.expr())
			p.expect(tCloseBracket, "]")
		case tDoubleColon:
			p.advance()
			e = &expr.Cast{Arg: e, To: p.typ(), Place: t.place()}
		default:
			return e
		}
		if !p.chain(n) {
			return e
		}
	}
}
