package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
)

// cache reads CACHE [LAZY] TABLE name [OPTIONS (…)] [[AS] query].
func (p *parser) cache() logical.Plan {
	c := &logical.CacheTable{Place: p.advance().place()}
	if p.isName("LAZY") {
		p.advance()
		c.Lazy = true
	}
	p.expectWord(kTable)
	c.Name, c.Table = p.cached()
	if p.acceptWord(kOptions) {
		c.Options = p.options()
	}
	if p.acceptWord(kAs) || p.startsQuery(0) {
		if strings.ContainsAny(c.Name, ".`'") {
			p.failAt(c.Place, diag.InvalidQuery, "CACHE TABLE … AS makes a temporary view, whose name has one part").remedy("Leave the database out")
		}
		c.Query = p.query()
	}
	return c
}

// uncache reads UNCACHE TABLE [IF EXISTS] name.
func (p *parser) uncache() logical.Plan {
	u := &logical.UncacheTable{Place: p.advance().place()}
	p.expectWord(kTable)
	u.IfExists = p.acceptWords(kIf, kExists)
	u.Name, u.Table = p.cached()
	return u
}

// cached reads the table that is to be cached: its name as it is written, too.
func (p *parser) cached() (string, logical.Plan) {
	from := p.tok().pos
	t := p.tableName()
	if p.err != nil {
		return "", t
	}
	return p.text[from:p.toks[p.i-1].end], t
}
