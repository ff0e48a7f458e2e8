package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/logical"
)

// from reads relation {, relation}: joins bind tighter than commas.
func (p *parser) from() logical.Plan {
	left := p.relation()
	for n := 0; p.is(tComma) && p.chain(n); n++ {
		place := p.advance().place()
		lateral := p.lateral()
		left = &logical.Join{Kind: logical.Inner, Left: left, Right: p.relation(), Lateral: lateral, Place: place}
	}
	return left
}

// lateral reads LATERAL before a subquery or a call; LATERAL VIEW is refused.
func (p *parser) lateral() bool {
	p.noLateralView()
	return p.acceptWord(kLateral)
}

func (p *parser) noLateralView() {
	if p.isWords(kLateral, kView) {
		p.unsupported(p.place(), "LATERAL VIEW")
	}
}

// relation reads a FROM item with the joins after it.
func (p *parser) relation() logical.Plan {
	return p.joins(p.relationPrimary())
}

// joins reads {kind JOIN item [ON condition | USING (columns)]}.
func (p *parser) joins(left logical.Plan) logical.Plan {
	for n := 0; ; n++ {
		start := p.i
		natural := p.acceptWord(kNatural)
		kind, ok := p.joinKind()
		if !ok {
			if natural {
				p.unexpected("JOIN")
			}
			return left
		}
		j := &logical.Join{Kind: kind, Left: left, Natural: natural, Place: p.toks[start].place()}
		if !p.chain(n) {
			return left
		}
		j.Lateral = p.lateral()
		j.Right = p.relationPrimary()
		switch t := p.tok(); {
		case natural:
		case t.kw == kOn:
			p.advance()
			j.Cond = p.expr()
		case t.kw == kUsing:
			p.advance()
			j.Using = p.identList("a column name")
		}
		left = j
	}
}

// joinKind reads the words up to JOIN; ok is false when no join begins here.
func (p *parser) joinKind() (kind logical.JoinKind, ok bool) {
	switch {
	case p.acceptWord(kJoin):
		return logical.Inner, true
	case p.acceptWord(kInner):
	case p.acceptWord(kCross):
		kind = logical.Cross
	case p.acceptWord(kRight):
		kind = logical.Right
		p.acceptWord(kOuter)
	case p.acceptWord(kFull):
		kind = logical.Full
		p.acceptWord(kOuter)
	case p.acceptWord(kSemi):
		kind = logical.LeftSemi
	case p.acceptWord(kAnti):
		kind = logical.LeftAnti
	case p.acceptWord(kLeft):
		switch {
		case p.acceptWord(kSemi):
			kind = logical.LeftSemi
		case p.acceptWord(kAnti):
			kind = logical.LeftAnti
		default:
			kind = logical.Left
			p.acceptWord(kOuter)
		}
	default:
		return kind, false
	}
	p.expectWord(kJoin)
	return kind, p.err == nil
}

// relationPrimary reads a FROM item with its alias.
func (p *parser) relationPrimary() logical.Plan {
	t := p.tok()
	var plan logical.Plan
	switch {
	case t.kind == tOpen:
		plan, _ = p.parenthesizedRelation()
	case t.kw == kValues && p.startsQuery(0):
		plan = p.values()
	case t.kw == kLateral:
		p.noLateralView()
		p.advance()
		if !p.is(tOpen) && !(p.tok().kind == tWord && p.ahead(1).kind == tOpen) {
			p.unexpected("a subquery in parentheses, or a call of a table function")
		}
		return p.relationPrimary()
	case t.kind == tString, t.kind == tQuoted, t.kind == tWord && !noName[t.kw]:
		plan = p.tableRef()
	default:
		p.unexpected("a table, a subquery or VALUES")
		return nothing(t.place())
	}
	return p.tableAlias(plan)
}

// parenthesizedRelation reads (query) or (relation with joins). Which of both
// it is shows only after the first operand: ((SELECT 1) UNION (SELECT 2)) is a
// query, ((SELECT 1) t JOIN b) a relation. isQuery tells.
func (p *parser) parenthesizedRelation() (plan logical.Plan, isQuery bool) {
	if !p.enter() {
		return nothing(p.place()), false
	}
	defer p.leave()
	p.advance()
	switch {
	case p.startsQuery(0):
		plan, isQuery = p.query(), true
	case p.is(tOpen):
		plan, isQuery = p.parenthesizedRelation()
		if isQuery && afterQuery[p.tok().kw] {
			plan = p.queryTail(plan)
		} else if !p.is(tClose) {
			plan, isQuery = p.joins(p.tableAlias(plan)), false
		}
	default:
		plan = p.relation()
	}
	if !p.accept(tClose) {
		p.unexpected(")")
	}
	return plan, isQuery
}

// fileFormats are the qualifiers that make parquet.`path` a file.
var fileFormats = map[string]bool{"parquet": true, "csv": true, "arrow": true, "json": true, "text": true, "ipc": true, "orc": true, "avro": true}

// tableRef reads a name, format.`path` or 'path', with options.
func (p *parser) tableRef() logical.Plan {
	r, ok := p.tableName().(*logical.Relation)
	if !ok {
		return nothing(p.place())
	}
	if p.isWord(kWith) && p.ahead(1).kind == tOpen {
		p.advance()
		r.Ref.Options = p.options()
	} else if p.isWord(kOptions) && p.ahead(1).kind == tOpen {
		p.advance()
		r.Ref.Options = p.options()
	}
	if n := p.tok(); n.kw == kFor && (p.ahead(1).kind == tWord) {
		p.unsupported(n.place(), "reading a table as of a time or version")
	}
	return r
}

// tableName reads a name, format.`path` or 'path'.
func (p *parser) tableName() logical.Plan {
	t := p.tok()
	ref := catalog.TableRef{Place: t.place()}
	if t.kind == tString {
		p.advance()
		ref.Path = p.unquote(t)
	} else {
		second := p.ahead(2)
		ref.Parts = p.multipart("a table")
		if len(ref.Parts) == 2 && second.kind == tQuoted && fileFormats[strings.ToLower(ref.Parts[0])] {
			ref.Format, ref.Path, ref.Parts = strings.ToLower(ref.Parts[0]), ref.Parts[1], nil
		}
		if p.is(tOpen) && p.err == nil {
			return p.tableFunction(&logical.Relation{Ref: ref, Place: t.place(), Call: true})
		}
	}
	return &logical.Relation{Ref: ref, Place: t.place()}
}

// tableFunction reads the arguments of one.
func (p *parser) tableFunction(r *logical.Relation) logical.Plan {
	p.advance()
	if !p.is(tClose) {
		r.Args = p.exprs()
	}
	p.expect(tClose, ")")
	return r
}

// maxOptions bounds the options of one reader or writer.
const maxOptions = 500

// options reads (key value, key = value, …). Keys are names, dotted names or
// strings; values are strings, numbers or booleans.
func (p *parser) options() map[string]string {
	m := map[string]string{}
	p.expect(tOpen, "(")
	for p.err == nil {
		t := p.tok()
		var key string
		if t.kind == tString {
			p.advance()
			key = p.unquote(t)
		} else {
			key = p.ident("an option")
			for p.accept(tDot) {
				key += "." + p.ident("an option")
			}
		}
		p.accept(tEq)
		if len(m) == maxOptions {
			p.failAt(t.place(), diag.InvalidArgument, "there are more than %d options", maxOptions)
		}
		for other := range m {
			if strings.EqualFold(other, key) {
				p.failAt(t.place(), diag.InvalidArgument, "the option %s is given twice", key).remedy("Options are compared without case")
			}
		}
		m[key] = p.optionValue()
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tClose, ")")
	return m
}

func (p *parser) optionValue() string {
	neg := ""
	if p.is(tMinus) {
		p.advance()
		neg = "-"
	}
	t := p.tok()
	switch {
	case t.kind == tString && neg == "":
		p.advance()
		return p.unquote(t)
	case t.kind == tInt || t.kind == tDecimal || t.kind == tExponent:
		p.advance()
		return neg + p.source(t)
	case (t.kw == kTrue || t.kw == kFalse) && neg == "":
		p.advance()
		return strings.ToLower(p.source(t))
	}
	p.unexpected("a string, a number, TRUE or FALSE")
	return ""
}

// tableAlias reads [AS] name [(columns)] and refuses what else Spark allows
// after a relation.
func (p *parser) tableAlias(plan logical.Plan) logical.Plan {
	p.noSample()
	t := p.tok()
	switch {
	case t.kw == kAs:
		p.advance()
		a := &logical.SubqueryAlias{Name: p.strictIdent("a name"), Child: plan}
		if p.is(tOpen) {
			a.Columns = p.identList("a column name")
		}
		plan = a
	case t.kind == tQuoted, t.kind == tWord && !noAlias[t.kw]:
		p.alias = p.i
		p.advance()
		a := &logical.SubqueryAlias{Name: p.name(t), Child: plan}
		if p.is(tOpen) {
			a.Columns = p.identList("a column name")
		}
		plan = a
	}
	p.noSample()
	return plan
}

// noSample refuses the clauses that change a relation in place.
func (p *parser) noSample() {
	switch t := p.tok(); t.kw {
	case kTablesample, kPivot, kUnpivot:
		p.unsupported(t.place(), words[t.kw])
	}
}
