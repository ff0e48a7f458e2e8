package sql

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// maxSets bounds the grouping sets of one query: a cube of n keys has 2^n.
const maxSets = 4096

// grouping collects the keys of a GROUP BY, each once, and its sets.
type grouping struct {
	keys []expr.Expr
	seen map[string]int // by rendered text
}

// key returns the position of an expression among the keys.
func (g *grouping) key(e expr.Expr) int {
	text := e.String()
	if i, ok := g.seen[text]; ok {
		return i
	}
	if g.seen == nil {
		g.seen = map[string]int{}
	}
	g.seen[text] = len(g.keys)
	g.keys = append(g.keys, e)
	return len(g.keys) - 1
}

// element is one item of a GROUP BY: an expression, or the sets of a ROLLUP,
// CUBE or GROUPING SETS.
type element struct {
	place diag.Pos
	key   expr.Expr
	sets  [][]expr.Expr
}

// groupBy reads GROUP BY: expressions, ROLLUP, CUBE and GROUPING SETS, and the
// older a, b WITH ROLLUP. Sets are nil without any of those; several of them,
// and plain expressions next to them, combine as a cross product.
func (p *parser) groupBy() (keys []expr.Expr, sets [][]int) {
	p.expectWord(kGroup)
	p.expectWord(kBy)
	var list []element
	analytic := false
	for {
		e := p.groupElement()
		analytic = analytic || e.key == nil
		list = append(list, e)
		if !p.accept(tComma) {
			break
		}
	}
	for _, e := range list {
		keys = append(keys, e.key)
	}
	t, next := p.tok(), p.ahead(1)
	switch {
	case analytic:
	case t.kw == kWith && (next.kw == kRollup || next.kw == kCube):
		p.i += 2
		groups := make([][]expr.Expr, len(keys))
		for i, k := range keys {
			groups[i] = []expr.Expr{k}
		}
		list = []element{{place: t.place(), sets: p.subtotals(next, groups)}}
	case t.kw == kGrouping && next.kw == kSets:
		list = []element{p.groupElement()}
	default:
		return keys, nil
	}
	var g grouping
	sets = [][]int{{}}
	for _, e := range list {
		if e.key != nil {
			e.sets = [][]expr.Expr{{e.key}}
		}
		ids := make([][]int, len(e.sets))
		for i, set := range e.sets {
			for _, k := range set {
				ids[i] = append(ids[i], g.key(k))
			}
		}
		sets = p.cross(e.place, sets, ids)
	}
	return g.keys, sets
}

// groupElement reads one item of a GROUP BY or of GROUPING SETS.
func (p *parser) groupElement() element {
	t, next := p.tok(), p.ahead(1)
	switch {
	case t.kw == kGrouping && next.kw == kSets && p.ahead(2).kind == tOpen:
		if !p.enter() {
			return element{place: t.place(), key: broken()}
		}
		defer p.leave()
		p.i += 3
		e := element{place: t.place()}
		for {
			if n := p.tok(); n.kw == kGrouping || n.kw == kRollup && p.ahead(1).kind == tOpen || n.kw == kCube && p.ahead(1).kind == tOpen {
				inner := p.groupElement()
				e.sets = append(e.sets, inner.sets...)
			} else {
				e.sets = append(e.sets, p.keyGroup())
			}
			if len(e.sets) > maxSets {
				p.tooManySets(t.place())
			}
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tClose, ")")
		return e
	case (t.kw == kRollup || t.kw == kCube) && next.kind == tOpen:
		p.i += 2
		var groups [][]expr.Expr
		for {
			groups = append(groups, p.keyGroup())
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tClose, ")")
		return element{place: t.place(), sets: p.subtotals(t, groups)}
	}
	return element{place: t.place(), key: p.expr()}
}

// keyGroup reads one expression, or several in parentheses that count as one.
func (p *parser) keyGroup() []expr.Expr {
	if p.is(tOpen) && p.ahead(1).kind == tClose {
		p.i += 2
		return nil
	}
	return p.columns(p.expr())
}

// subtotals returns the sets of ROLLUP, the prefixes, or of CUBE, the subsets.
func (p *parser) subtotals(t token, groups [][]expr.Expr) [][]expr.Expr {
	var sets [][]expr.Expr
	n := len(groups)
	if t.kw == kRollup {
		for i := n; i >= 0 && n <= maxSets; i-- {
			var set []expr.Expr
			for _, g := range groups[:i] {
				set = append(set, g...)
			}
			sets = append(sets, set)
		}
	} else if n <= 12 {
		for mask := 1<<n - 1; mask >= 0; mask-- {
			var set []expr.Expr
			for i, g := range groups {
				if mask>>(n-1-i)&1 == 1 {
					set = append(set, g...)
				}
			}
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		p.tooManySets(t.place())
	}
	return sets
}

func (p *parser) tooManySets(place diag.Pos) {
	p.failAt(place, diag.InvalidQuery, "GROUP BY has more than %d grouping sets", maxSets)
}

// cross combines each of a with each of b.
func (p *parser) cross(place diag.Pos, a, b [][]int) [][]int {
	if len(a)*len(b) > maxSets {
		p.tooManySets(place)
		return a
	}
	out := make([][]int, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, union(x, y))
		}
	}
	return out
}

// union joins two lists of keys without repeating any.
func union(x, y []int) []int {
	out := append([]int{}, x...)
next:
	for _, k := range y {
		for _, o := range out {
			if o == k {
				continue next
			}
		}
		out = append(out, k)
	}
	return out
}
