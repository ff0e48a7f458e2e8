package sql

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// nothing is the relation of a missing FROM: one row without columns. It also
// stands where a query could not be read.
func nothing(place diag.Pos) logical.Plan {
	return &logical.Values{Rows: [][]expr.Expr{{}}, Place: place}
}

// query reads [WITH …] body [ORDER BY …] [LIMIT …] [OFFSET …].
func (p *parser) query() logical.Plan {
	if !p.enter() {
		return nothing(p.place())
	}
	outer, windows := p.pending, p.windows
	p.pending, p.windows = nil, nil
	var plan logical.Plan
	if p.isWord(kWith) {
		ctes := p.ctes()
		plan = &logical.With{CTEs: ctes, Child: p.queryTail(p.operand())}
	} else {
		plan = p.queryTail(p.operand())
	}
	p.pending, p.windows = outer, windows
	p.leave()
	return plan
}

// queryTail reads what may follow the first operand of a query: set operations
// and the ordering of the whole.
func (p *parser) queryTail(first logical.Plan) logical.Plan {
	return p.organize(p.unions(first))
}

// ctes reads WITH name [(columns)] [AS] (query), ….
func (p *parser) ctes() []logical.CTE {
	p.expectWord(kWith)
	if t := p.tok(); t.kw == kRecursive && (p.ahead(1).kind == tWord || p.ahead(1).kind == tQuoted) && p.ahead(1).kw != kAs {
		p.unsupported(t.place(), "a recursive common table expression")
		return nil
	}
	var list []logical.CTE
	for {
		place := p.place()
		cte := logical.CTE{Name: p.strictIdent("a name"), Place: place}
		if p.is(tOpen) && !p.startsQuery(1) {
			cte.Columns = p.identList("a column name")
		}
		p.acceptWord(kAs)
		p.expect(tOpen, "(")
		cte.Plan = p.query()
		p.expect(tClose, ")")
		list = append(list, cte)
		if !p.accept(tComma) {
			return list
		}
	}
}

// unions reads {UNION | EXCEPT | MINUS} [ALL | DISTINCT] operands, left to right.
func (p *parser) unions(first logical.Plan) logical.Plan {
	left := p.intersects(first)
	for n := 0; ; n++ {
		t := p.tok()
		op := logical.UnionOp
		switch t.kw {
		case kUnion:
		case kExcept, kMinus:
			op = logical.ExceptOp
		default:
			return left
		}
		if !p.chain(n) {
			return left
		}
		p.advance()
		all := p.setQuantifier()
		right := p.intersects(p.operand())
		left = &logical.SetOp{Op: op, All: all, Left: left, Right: right, Place: t.place()}
	}
}

// intersects reads INTERSECT operands, which bind tighter.
func (p *parser) intersects(left logical.Plan) logical.Plan {
	for n := 0; p.isWord(kIntersect) && p.chain(n); n++ {
		place := p.advance().place()
		all := p.setQuantifier()
		left = &logical.SetOp{Op: logical.IntersectOp, All: all, Left: left, Right: p.operand(), Place: place}
	}
	return left
}

func (p *parser) setQuantifier() (all bool) {
	if p.acceptWord(kAll) {
		return true
	}
	p.acceptWord(kDistinct)
	return false
}

// operand reads one operand of set operations: SELECT, VALUES, TABLE, FROM …
// SELECT, or a query in parentheses.
func (p *parser) operand() logical.Plan {
	t := p.tok()
	switch {
	case t.kw == kSelect:
		p.advance()
		return p.selectBody(nil, t.place())
	case t.kw == kValues:
		return p.values()
	case t.kw == kTable:
		p.advance()
		return p.tableRef()
	case t.kw == kFrom:
		p.advance()
		from := p.from()
		place := p.place()
		p.expectWord(kSelect)
		return p.selectBody(from, place)
	case t.kind == tOpen:
		p.advance()
		plan := p.query()
		p.expect(tClose, ")")
		return plan
	}
	p.unexpected("SELECT", "VALUES", "WITH", "FROM", "(")
	return nothing(t.place())
}

// selectBody reads the rest of a SELECT; from is what stood before it, if anything.
func (p *parser) selectBody(from logical.Plan, place diag.Pos) logical.Plan {
	outer := p.pending
	p.pending = nil
	distinct := p.acceptWord(kDistinct)
	if !distinct && p.isWord(kAll) && p.ahead(1).kind != tComma && p.ahead(1).kw != kFrom && p.ahead(1).kind != tEOF {
		p.advance()
	}
	list := p.selectList()
	if from == nil && p.acceptWord(kFrom) {
		from = p.from()
	}
	if from == nil {
		from = nothing(place)
	}
	child := from
	p.noLateralView()
	if p.acceptWord(kWhere) {
		child = &logical.Filter{Cond: p.expr(), Child: child}
	}
	var keys []expr.Expr
	var sets [][]int
	grouped := p.isWord(kGroup)
	if grouped {
		keys, sets = p.groupBy()
	}
	var having expr.Expr
	if p.acceptWord(kHaving) {
		having = p.expr()
	}
	if t := p.tok(); t.kw == kQualify {
		p.unsupported(t.place(), "QUALIFY").remedy("Filter in a query around this one")
	}
	var plan logical.Plan
	if grouped || having != nil {
		plan = &logical.Aggregate{Keys: keys, Sets: sets, List: list, Child: child}
	} else {
		plan = &logical.Project{List: list, Child: child}
	}
	if having != nil {
		plan = &logical.Filter{Cond: having, Child: plan, Having: true}
	}
	if p.isWord(kWindow) {
		p.windowClause()
	}
	if distinct {
		plan = &logical.Distinct{Child: plan}
	}
	// What is left may be defined after ORDER BY.
	p.pending = append(outer, p.pending...)
	return plan
}

// selectList reads the columns of a SELECT.
func (p *parser) selectList() []expr.Expr {
	var list []expr.Expr
	for {
		list = append(list, p.selectItem())
		if !p.accept(tComma) {
			return list
		}
	}
}

// selectItem reads *, t.*, or an expression with its alias.
func (p *parser) selectItem() expr.Expr {
	t := p.tok()
	if t.kind == tStar {
		p.advance()
		return &expr.Star{Except: p.starExcept(), Place: t.place()}
	}
	if t.kw == kFrom || t.kind == tEOF {
		p.unexpected("a column, an expression or *")
		return broken()
	}
	e := p.expr()
	place := e.Pos()
	switch t := p.tok(); {
	case t.kw == kAs:
		p.advance()
		if p.is(tOpen) {
			p.unsupported(p.place(), "several aliases for one expression")
			return e
		}
		return &expr.Alias{Arg: e, Name: p.ident("a name"), Place: place}
	case t.kind == tQuoted, t.kind == tWord && !noAlias[t.kw]:
		if _, star := e.(*expr.Star); star {
			p.unexpected(",", "FROM")
			return e
		}
		p.alias = p.i
		p.advance()
		return &expr.Alias{Arg: e, Name: p.name(t), Place: place}
	}
	return e
}

// values reads VALUES row, …; a row is (a, b) or one expression.
func (p *parser) values() logical.Plan {
	v := &logical.Values{Place: p.advance().place()}
	for {
		row := p.expr()
		v.Rows = append(v.Rows, p.columns(row))
		if n := len(v.Rows[len(v.Rows)-1]); n != len(v.Rows[0]) {
			p.failAt(row.Pos(), diag.InvalidQuery, "row %d of VALUES has %d columns, the first has %d", len(v.Rows), n, len(v.Rows[0]))
		}
		if !p.accept(tComma) {
			return v
		}
	}
}

// organize reads ORDER BY, WINDOW, LIMIT and OFFSET.
func (p *parser) organize(plan logical.Plan) logical.Plan {
	switch t := p.tok(); t.kw {
	case kOrder:
		p.advance()
		p.expectWord(kBy)
		plan = &logical.Sort{Order: p.sortOrders(), Child: plan}
	case kSort, kCluster, kDistribute:
		if p.ahead(1).kw == kBy {
			p.unsupported(t.place(), words[t.kw]+" BY").remedy("Use ORDER BY")
			return plan
		}
	}
	if p.isWord(kWindow) {
		p.windowClause()
	}
	p.undefinedWindow()
	if !p.isWord(kLimit) && !p.isWord(kOffset) {
		return plan
	}
	l := &logical.Limit{Count: -1, Child: plan}
	all := false
	for p.err == nil {
		switch {
		case p.isWord(kLimit) && l.CountExpr == nil && !all:
			p.advance()
			if all = p.acceptWord(kAll); !all {
				l.CountExpr = p.expr()
			}
		case p.isWord(kOffset) && l.OffsetExpr == nil:
			p.advance()
			l.OffsetExpr = p.expr()
			if !p.acceptWord(kRows) {
				p.acceptWord(kRow)
			}
		default:
			if l.CountExpr == nil && l.OffsetExpr == nil {
				return plan
			}
			return l
		}
	}
	return l
}

// sortOrders reads expression [ASC | DESC] [NULLS {FIRST | LAST}], …. Nulls are
// the smallest values unless said otherwise.
func (p *parser) sortOrders() []expr.SortOrder {
	var list []expr.SortOrder
	for {
		o := expr.SortOrder{Expr: p.expr()}
		if p.acceptWord(kDesc) {
			o.Desc, o.NullsLast = true, true
		} else {
			p.acceptWord(kAsc)
		}
		if p.acceptWord(kNulls) {
			switch {
			case p.acceptWord(kFirst):
				o.NullsLast = false
			case p.acceptWord(kLast):
				o.NullsLast = true
			default:
				p.unexpected("FIRST", "LAST")
			}
		}
		list = append(list, o)
		if !p.accept(tComma) {
			return list
		}
	}
}
