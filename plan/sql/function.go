package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
)

// function reads what follows CREATE [OR REPLACE] [TEMPORARY] at FUNCTION:
//
//	FUNCTION name(parameter type, …) RETURNS type
//	  [CALLED ON NULL INPUT] USING LIBRARY 'name' [SYMBOL 'export']
func (p *parser) function(at diag.Pos, replace bool) logical.Plan {
	p.advance()
	f := &logical.CreateFunction{Replace: replace, Place: at}
	word := func(w string) bool {
		ok := p.isName(w)
		if ok {
			p.advance()
		}
		return ok
	}
	need := func(w string) {
		if p.err == nil && !word(w) {
			p.unexpected(w)
		}
	}
	f.Name = strings.ToLower(p.ident("the name of a function"))
	p.expect(tOpen, "(")
	if !p.is(tClose) {
		for _, x := range p.fields() {
			f.Params = append(f.Params, x.Type)
		}
	}
	p.expect(tClose, ")")
	need("RETURNS")
	f.Result = p.typ()
	if word("CALLED") {
		for _, w := range []string{"ON", "NULL", "INPUT"} {
			need(w)
		}
		f.Nulls = true
	}
	need("USING")
	need("LIBRARY")
	f.LibraryAt = p.place()
	if t := p.expect(tString, "the name of a library in quotes"); p.err == nil {
		f.Library = p.unquote(t)
	}
	f.Symbol = f.Name
	if word("SYMBOL") {
		if t := p.expect(tString, "the name of an export in quotes"); p.err == nil {
			f.Symbol = p.unquote(t)
		}
	}
	return f
}
