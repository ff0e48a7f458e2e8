package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Parse reads one statement; a semicolon may end it. Errors are *diag.Error
// with a place in text.
func Parse(text string) (logical.Plan, error) {
	if plan, ok, err := setting(text); ok {
		return plan, err
	}
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	plan := p.statement()
	if p.err == nil && p.is(tSemicolon) {
		for p.accept(tSemicolon) {
		}
		if !p.is(tEOF) {
			p.failAt(p.place(), diag.Syntax, "syntax error at or near '%s': there is more than one statement", shorten(p.source(p.tok()))).
				remedy("Run the statements one by one")
		}
	}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return plan, nil
}

// ParseExpr reads one expression; a star is accepted, and an alias behind it.
func ParseExpr(text string) (expr.Expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e := p.selectItem()
	p.undefinedWindow()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// ParseType reads one type, as in CAST or as columnar.Type prints it.
func ParseType(text string) (columnar.Type, error) {
	p, err := newParser(text)
	if err != nil {
		return columnar.NullType, err
	}
	t := p.typ()
	p.end()
	if p.err != nil {
		return columnar.NullType, p.err
	}
	return t, nil
}

// ParseSchema reads a list of columns: name [:] type [NOT NULL] [COMMENT '…'], ….
func ParseSchema(text string) (*columnar.Schema, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	fields := p.fields()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		if seen[name] {
			return nil, diag.New(diag.InvalidArgument, "the schema has two columns named %s", f.Name).
				WithRemedy("Names are compared without case; rename one")
		}
		seen[name] = true
	}
	return columnar.NewSchema(fields...), nil
}

// end fails when something follows.
func (p *parser) end() {
	if p.err == nil && !p.is(tEOF) {
		p.unexpected("the end of the statement")
	}
}

// statement reads a query or a command.
func (p *parser) statement() logical.Plan {
	t := p.tok()
	next := p.ahead(1)
	switch {
	case t.kind == tOpen, t.kw == kSelect, t.kw == kWith, t.kw == kValues, t.kw == kFrom, t.kw == kTable:
		return p.query()
	case t.kw == kExplain:
		return p.explain()
	case t.kw == kDesc, t.kw == kDescribe:
		return p.describe()
	case t.kw == kCreate:
		return p.create()
	case t.kw == kDrop:
		return p.drop()
	case t.kw == kShow:
		return p.show()
	case t.kw == kInsert:
		return p.insert()
	case t.kw == kSet, t.kw == kReset:
		p.unsupported(t.place(), words[t.kw]+" inside another statement")
		return nothing(t.place())
	case p.isName("ADD"), p.isName("LIST"):
		return p.artifact()
	case t.kind == tEOF:
		p.failAt(t.place(), diag.Syntax, "the statement is empty").remedy("Write a query, for example SELECT 1")
		return nothing(t.place())
	}
	switch {
	case p.isName("CACHE"):
		return p.cache()
	case p.isName("UNCACHE"):
		return p.uncache()
	case p.isName("CLEAR") && strings.EqualFold(p.source(next), "CACHE"):
		p.advance()
		p.advance()
		return &logical.ClearCache{}
	}
	if what := foreign(p.source(t), p.source(next)); what != "" {
		p.unsupported(t.place(), what)
		return nothing(t.place())
	}
	p.unexpected("SELECT", "WITH", "VALUES", "FROM", "CREATE", "DROP", "EXPLAIN", "DESCRIBE", "SHOW", "INSERT", "CACHE", "UNCACHE", "SET", "RESET")
	return nothing(t.place())
}

// foreign names the statement of Spark's grammar that a word begins and that
// does not exist here, or returns "".
func foreign(word, next string) string {
	switch word = strings.ToUpper(word); word {
	case "MERGE", "UPDATE", "DELETE", "TRUNCATE", "USE", "REFRESH", "LOAD", "GRANT", "REVOKE",
		"COMMENT", "REPAIR", "MSCK", "DECLARE", "EXECUTE", "CALL", "BEGIN", "ANALYZE", "EXPORT",
		"IMPORT", "LOCK", "UNLOCK", "COMMIT", "ROLLBACK", "CLEAR", "REPLACE", "MAP", "REDUCE":
		return word
	case "ALTER":
		if next = strings.ToUpper(next); next != "" {
			return "ALTER " + next
		}
		return word
	}
	return ""
}

// Statement is one statement of a script.
type Statement struct {
	Text   string // without the semicolon
	Offset int    // of Text in the script, in bytes
	// Terminated tells that a semicolon followed: false at most for the last
	// one, which in a terminal may go on.
	Terminated bool
}

// Split cuts a script at its semicolons, except those in strings, quoted names
// and comments. Statements without a token are left out. What cannot be read to
// its end, such as a string that is not closed, becomes the last statement,
// unterminated; parsing it says what is wrong.
func Split(text string) ([]Statement, error) {
	if len(text) > 1<<30 {
		return nil, diag.New(diag.Syntax, "the script has %d bytes, more than the %d that are allowed", len(text), 1<<30)
	}
	var list []Statement
	l := lexer{text: text}
	first := -1
	for {
		start := l.i
		t, err := l.next()
		if err != nil {
			off, ok := err.Pos.Offset()
			if n := strings.HasPrefix(err.Message, "syntax error"); n && ok && off < len(text) && text[off] != '`' {
				// A character without meaning: SET values have such. Go on behind it.
				if first < 0 {
					first = off
				}
				l.i = off + 1
				continue
			}
			if first < 0 {
				first = max(start, off)
			}
			return append(list, Statement{Text: text[first:], Offset: first}), nil
		}
		switch {
		case t.kind == tSemicolon:
			if first >= 0 {
				list = append(list, Statement{Text: text[first:t.pos], Offset: first, Terminated: true})
			}
			first = -1
		case t.kind == tEOF:
			if first >= 0 {
				list = append(list, Statement{Text: text[first:], Offset: first})
			}
			return list, nil
		case first < 0:
			first = int(t.pos)
		}
	}
}
