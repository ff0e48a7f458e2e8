package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// windowRef is an OVER w that waits for its WINDOW clause, which stands later
// in the text.
type windowRef struct {
	spec  *expr.WindowSpec
	place diag.Pos
}

// namedWindow is one definition of a WINDOW clause.
type namedWindow struct {
	name string
	spec *expr.WindowSpec
}

// over reads w, (w) or a window in parentheses.
func (p *parser) over() *expr.WindowSpec {
	t := p.tok()
	if t.kind != tOpen {
		spec := &expr.WindowSpec{Name: p.strictIdent("a window")}
		p.pending = append(p.pending, windowRef{spec, t.place()})
		return spec
	}
	p.advance()
	if n := p.tok(); (n.kind == tWord || n.kind == tQuoted) && p.ahead(1).kind == tClose {
		spec := &expr.WindowSpec{Name: p.ident("a window")}
		p.pending = append(p.pending, windowRef{spec, n.place()})
		p.advance()
		return spec
	}
	spec := &expr.WindowSpec{}
	switch t := p.tok(); t.kw {
	case kPartition, kDistribute:
		p.advance()
		p.expectWord(kBy)
		spec.PartitionBy = p.exprs()
	case kCluster:
		p.unsupported(t.place(), "CLUSTER BY in a window").remedy("Use PARTITION BY and ORDER BY")
	}
	if p.acceptWord(kOrder) || p.acceptWord(kSort) {
		p.expectWord(kBy)
		spec.OrderBy = p.sortOrders()
	}
	if p.isWord(kRows) || p.isWord(kRange) {
		spec.Frame = p.frame()
	}
	if !p.accept(tClose) {
		p.unexpected("PARTITION BY", "ORDER BY", "ROWS", "RANGE", ")")
	}
	return spec
}

// frame reads {ROWS | RANGE} {bound | BETWEEN bound AND bound}.
func (p *parser) frame() *expr.Frame {
	f := &expr.Frame{Rows: p.advance().kw == kRows}
	if !p.acceptWord(kBetween) {
		f.Start, f.StartFollow = p.bound(true)
		f.End = currentRow(p.place())
		return f
	}
	f.Start, f.StartFollow = p.bound(true)
	p.expectWord(kAnd)
	f.End, f.EndFollow = p.bound(false)
	return f
}

// bound reads one end of a frame; nil is unbounded, which a start is backwards
// and an end forwards.
func (p *parser) bound(start bool) (e expr.Expr, following bool) {
	t := p.tok()
	switch {
	case p.acceptWords(kCurrent, kRow):
		return currentRow(t.place()), false
	case p.isWord(kUnbounded):
		p.advance()
		want := kFollowing
		if start {
			want = kPreceding
		}
		p.expectWord(want)
		return nil, !start
	}
	e = p.value(precComparison)
	switch {
	case p.acceptWord(kPreceding):
	case p.acceptWord(kFollowing):
		following = true
	default:
		p.unexpected("PRECEDING", "FOLLOWING")
	}
	return e, following
}

// currentRow is the bound CURRENT ROW: zero rows away.
func currentRow(place diag.Pos) expr.Expr {
	return &expr.Literal{Value: int64(0), Typ: columnar.Int32Type, Place: place}
}

// maxWindows bounds the named windows of one query.
const maxWindows = 500

// windowClause reads WINDOW name AS (…), … and gives the calls that wait for
// those names their windows.
func (p *parser) windowClause() {
	p.expectWord(kWindow)
	for {
		name := p.strictIdent("a window's name")
		p.expectWord(kAs)
		waiting := p.pending
		p.pending = nil
		spec := p.over()
		for _, r := range p.pending {
			// w2 AS (w1): the definition itself is a reference.
			p.resolveWindow(r)
		}
		p.pending = waiting
		p.windows = append(p.windows, namedWindow{name, spec})
		if len(p.windows) > maxWindows {
			p.failAt(p.place(), diag.InvalidQuery, "the query names more than %d windows", maxWindows)
		}
		if !p.accept(tComma) {
			break
		}
	}
	p.resolvePending()
}

// resolveWindow fills a reference in; it reports whether the name is defined.
func (p *parser) resolveWindow(r windowRef) bool {
	for _, w := range p.windows {
		if strings.EqualFold(w.name, r.spec.Name) {
			*r.spec = *w.spec
			return true
		}
	}
	return false
}

func (p *parser) resolvePending() {
	left := p.pending[:0]
	for _, r := range p.pending {
		if !p.resolveWindow(r) {
			left = append(left, r)
		}
	}
	p.pending = left
}

// undefinedWindow fails for the references that no WINDOW clause of the query
// explains.
func (p *parser) undefinedWindow() {
	p.resolvePending()
	if len(p.pending) > 0 {
		r := p.pending[0]
		p.failAt(r.place, diag.InvalidQuery, "the window %s is not defined", r.spec.Name).
			remedy("Add WINDOW %s AS (…) after HAVING", r.spec.Name)
	}
}
