package sql

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/logical"
)

// setting reads SET and RESET. Their values are raw text up to the end, which
// need not be SQL, so that they are read before there are tokens. ok tells
// whether the statement is one of them.
func setting(text string) (plan logical.Plan, ok bool, err error) {
	l := lexer{text: text}
	if l.skip() != nil {
		return nil, false, nil
	}
	start := l.i
	l.word()
	word := lookup(text[start:l.i])
	if word != kSet && word != kReset {
		return nil, false, nil
	}
	place := diag.At(start)
	at := l.i
	body := strings.TrimRight(text[at:], " \t\r\n;")
	at += len(body) - len(strings.TrimLeft(body, " \t\r\n"))
	body = strings.TrimSpace(body)
	if word == kReset {
		key, err := settingKey(body, at)
		return &logical.Set{Key: key, Reset: true, Place: place}, true, err
	}
	if body == "" || strings.EqualFold(body, "-v") {
		return &logical.Set{Place: place}, true, nil
	}
	key, value, hasValue := strings.Cut(body, "=")
	if first, _, _ := strings.Cut(strings.ToUpper(body), " "); !hasValue || first == "VAR" || first == "VARIABLE" {
		switch first {
		case "TIME", "ROLE", "CATALOG", "VAR", "VARIABLE":
			return nil, true, diag.NewAt(place, diag.Unsupported, "SET %s is not supported", first).
				WithRemedy("Set a value with SET key = value; SHOW SETTINGS lists the keys")
		}
	}
	key, err = settingKey(strings.TrimSpace(key), at)
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '\'' || value[0] == '"') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return &logical.Set{Key: key, Value: value, HasValue: hasValue, Place: place}, true, err
}

// settingKey checks the form of a setting's name: letters, digits and . _ - :
// or anything between back quotes.
func settingKey(key string, at int) (string, error) {
	if n := len(key); n > 2 && key[0] == '`' && key[n-1] == '`' {
		return key[1 : n-1], nil
	}
	for i := 0; i < len(key); i++ {
		if c := key[i]; !isWordPart(c) && c != '.' && c != '-' && c != ':' {
			return "", diag.NewAt(diag.At(at+i), diag.Syntax, "syntax error at or near '%s': expected the name of a setting", shorten(key[i:])).
				WithRemedy("Write SET key = value")
		}
	}
	return key, nil
}

// explain reads EXPLAIN [EXTENDED | FORMATTED | ANALYZE] statement.
func (p *parser) explain() logical.Plan {
	p.advance()
	e := &logical.Explain{}
	switch t := p.tok(); t.kw {
	case kExtended:
		e.Mode = logical.ExplainExtended
		p.advance()
	case kFormatted:
		e.Mode = logical.ExplainFormatted
		p.advance()
	case kAnalyze:
		e.Mode = logical.ExplainAnalyze
		p.advance()
	case kCodegen, kCost, kLogical:
		p.unsupported(t.place(), "EXPLAIN "+words[t.kw]).remedy("Use EXPLAIN EXTENDED, EXPLAIN FORMATTED or EXPLAIN ANALYZE")
		return e
	}
	if t := p.tok(); t.kw == kExplain {
		p.unsupported(t.place(), "EXPLAIN of EXPLAIN")
		return e
	}
	e.Query = p.statement()
	return e
}

// describe reads {DESCRIBE | DESC} {[TABLE] relation | [QUERY] query}.
func (p *parser) describe() logical.Plan {
	p.advance()
	t, next := p.tok(), p.ahead(1)
	named := next.kind == tWord || next.kind == tQuoted || next.kind == tString
	switch {
	case t.kw == kQuery && (p.startsQuery(1) || next.kind == tOpen):
		p.advance()
		return &logical.Describe{Query: p.query()}
	case t.kw == kFunction, p.isName("DATABASE"), p.isName("SCHEMA"), p.isName("NAMESPACE"), p.isName("CATALOG"):
		if named {
			p.unsupported(t.place(), "DESCRIBE "+strings.ToUpper(p.source(t)))
			return nothing(t.place())
		}
	case t.kw == kTable && named:
		p.advance()
	case t.kind == tOpen, p.startsQuery(0):
		return &logical.Describe{Query: p.query()}
	}
	if t := p.tok(); (t.kw == kExtended || t.kw == kFormatted) && p.ahead(1).kind != tEOF && p.ahead(1).kind != tSemicolon && p.ahead(1).kind != tDot {
		p.unsupported(t.place(), "DESCRIBE "+words[t.kw]).remedy("Use DESCRIBE without it")
		return nothing(t.place())
	}
	if t := p.tok(); t.kind != tString && !p.isIdent() {
		p.unexpected("a table", "a query")
		return nothing(t.place())
	}
	return &logical.Describe{Query: p.tableRef()}
}

// create reads CREATE [OR REPLACE] TEMPORARY VIEW and names everything else
// that Spark can create.
func (p *parser) create() logical.Plan {
	first := p.advance().place()
	v := &logical.CreateView{Place: first}
	if p.isWord(kOr) {
		p.advance()
		p.expectWord(kReplace)
		v.Replace = true
	}
	if t := p.tok(); t.kw == kGlobal {
		p.unsupported(t.place(), "a global temporary view").remedy("Create a TEMPORARY VIEW")
		return v
	}
	temp := p.acceptWord(kTemp) || p.acceptWord(kTemporary)
	t := p.tok()
	if t.kw == kFunction {
		return p.function(first, v.Replace)
	}
	if t.kw != kView {
		if t.kind == tWord && (t.kw == none || t.kw == kTable || t.kw == kFunction) && foreignObject(p.source(t)) {
			p.unsupported(t.place(), "CREATE "+strings.ToUpper(p.source(t))).
				remedy("Create a TEMPORARY VIEW, or write files with INSERT OVERWRITE DIRECTORY")
			return v
		}
		p.unexpected("TEMPORARY", "VIEW")
		return v
	}
	if !temp {
		p.unsupported(t.place(), "a persistent view").remedy("Write CREATE TEMPORARY VIEW")
		return v
	}
	p.advance()
	if n := p.tok(); n.kw == kIf {
		p.unsupported(n.place(), "IF NOT EXISTS of a temporary view").remedy("Write CREATE OR REPLACE TEMPORARY VIEW")
		return v
	}
	v.Name = p.viewName()
	var schema *columnar.Schema
	if p.is(tOpen) {
		v.Columns, schema = p.viewColumns()
	}
	if p.acceptWord(kUsing) {
		v.Ref = p.viewSource(schema)
		v.Columns = nil
		return v
	}
	if schema != nil {
		p.unexpected("USING")
		return v
	}
	if p.acceptWord(kComment) {
		p.expect(tString, "a string")
	}
	if n := p.tok(); p.isName("TBLPROPERTIES") {
		p.unsupported(n.place(), "TBLPROPERTIES")
		return v
	}
	if !p.acceptWord(kAs) {
		p.unexpected("AS", "USING")
		return v
	}
	from := p.tok().pos
	v.Query = p.query()
	if p.err == nil {
		v.Text = p.text[from:p.toks[p.i-1].end]
	}
	return v
}

// foreignObject reports what else Spark can create or drop.
func foreignObject(word string) bool {
	switch strings.ToUpper(word) {
	case "TABLE", "DATABASE", "SCHEMA", "NAMESPACE", "FUNCTION", "EXTERNAL", "CATALOG", "INDEX", "ROLE", "MATERIALIZED", "VARIABLE", "STREAMING":
		return true
	}
	return false
}

// viewName reads a view's name, which has one part.
func (p *parser) viewName() string {
	name := p.strictIdent("a view's name")
	if t := p.tok(); t.kind == tDot {
		p.failAt(t.place(), diag.InvalidQuery, "the name of a temporary view has one part").remedy("Leave the database out")
	}
	return name
}

// viewColumns reads (name [COMMENT '…'], …) or, for USING, (name type …, …).
func (p *parser) viewColumns() (names []string, schema *columnar.Schema) {
	p.expect(tOpen, "(")
	if n := p.ahead(1); p.isIdent() && (n.kind == tColon || n.kind == tWord && n.kw != kComment) {
		schema = columnar.NewSchema(p.fields()...)
	} else {
		for {
			names = append(names, p.ident("a column name"))
			if p.acceptWord(kComment) {
				p.expect(tString, "a string")
			}
			if !p.accept(tComma) {
				break
			}
		}
	}
	p.expect(tClose, ")")
	return names, schema
}

// viewSource reads the format and OPTIONS after USING; the option path is the
// place of the files.
func (p *parser) viewSource(schema *columnar.Schema) *catalog.TableRef {
	t := p.tok()
	ref := &catalog.TableRef{Format: strings.ToLower(p.strictIdent("a format")), Schema: schema, Place: t.place()}
	if p.acceptWord(kOptions) {
		ref.Options = p.options()
	}
	ref.Path, ref.Options = takePath(ref.Options)
	if ref.Path == "" {
		p.failAt(t.place(), diag.InvalidArgument, "the view has no path").remedy("Add OPTIONS (path '…')")
	}
	return ref
}

// takePath takes the option path out of a reader's or writer's options.
func takePath(options map[string]string) (string, map[string]string) {
	for k, v := range options {
		if strings.EqualFold(k, "path") {
			delete(options, k)
			if len(options) == 0 {
				options = nil
			}
			return v, options
		}
	}
	return "", options
}

// drop reads DROP VIEW [IF EXISTS] name.
func (p *parser) drop() logical.Plan {
	d := &logical.DropView{Place: p.advance().place()}
	p.acceptWord(kTemp)
	p.acceptWord(kTemporary)
	t := p.tok()
	if t.kw == kFunction {
		p.advance()
		f := &logical.DropFunction{Place: d.Place, IfExists: p.acceptWords(kIf, kExists)}
		f.Name = strings.ToLower(p.ident("the name of a function"))
		return f
	}
	if t.kind == tWord && foreignObject(p.source(t)) {
		p.unsupported(t.place(), "DROP "+strings.ToUpper(p.source(t)))
		return d
	}
	p.expectWord(kView)
	d.IfExists = p.acceptWords(kIf, kExists)
	d.Name = p.viewName()
	return d
}

// show reads SHOW {TABLES | VIEWS | COLUMNS | FUNCTIONS | SETTINGS | CACHE}.
func (p *parser) show() logical.Plan {
	s := &logical.Show{Place: p.advance().place()}
	t := p.tok()
	switch t.kw {
	case kTables, kViews:
		p.advance()
		if t.kw == kViews {
			s.Kind = logical.ShowViews
		}
		if n := p.tok(); n.kw == kFrom || n.kw == kIn {
			p.unsupported(n.place(), "SHOW "+words[t.kw]+" of a database")
			return s
		}
	case kColumns:
		p.advance()
		s.Kind = logical.ShowColumns
		if !p.acceptWord(kIn) && !p.acceptWord(kFrom) {
			p.unexpected("IN", "FROM")
			return s
		}
		s.Table = p.tableRef()
		return s
	case kFunctions:
		p.advance()
		s.Kind = logical.ShowFunctions
	case kSettings:
		p.advance()
		s.Kind = logical.ShowSettings
	default:
		switch strings.ToUpper(p.source(t)) {
		case "CACHE":
			p.advance()
			s.Kind = logical.ShowCache
			return s
		case "DATABASES", "SCHEMAS", "NAMESPACES", "CATALOGS", "CREATE", "PARTITIONS", "TBLPROPERTIES", "TABLE",
			"CURRENT", "LOCKS", "ROLES", "GRANT", "ALL", "SYSTEM", "USER", "PROCEDURES", "VARIABLES":
			p.unsupported(t.place(), "SHOW "+strings.ToUpper(p.source(t)))
			return s
		}
		p.unexpected("TABLES", "VIEWS", "COLUMNS", "FUNCTIONS", "SETTINGS")
		return s
	}
	like := p.acceptWord(kLike)
	if t := p.tok(); t.kind == tString {
		p.advance()
		s.Pattern = p.unquote(t)
	} else if like {
		p.unexpected("a string")
	}
	return s
}

// insert reads INSERT OVERWRITE [LOCAL] DIRECTORY ['path'] USING format
// [OPTIONS (…)] [PARTITIONED BY (…)] query.
func (p *parser) insert() logical.Plan {
	first := p.advance()
	w := &logical.Write{Mode: logical.Overwrite, Place: first.place(), Child: nothing(first.place())}
	if t := p.tok(); t.kw == kInto {
		p.unsupported(t.place(), "INSERT INTO").remedy("Write files with INSERT OVERWRITE DIRECTORY 'path' USING parquet")
		return w
	}
	p.expectWord(kOverwrite)
	t := p.tok()
	if t.kw == kLocal {
		p.advance()
	}
	if !p.isWord(kDirectory) {
		if p.isWord(kTable) || p.isWord(kInto) || p.isIdent() && !noName[p.tok().kw] {
			p.unsupported(t.place(), "INSERT OVERWRITE of a table").remedy("Write files with INSERT OVERWRITE DIRECTORY 'path' USING parquet")
			return w
		}
	}
	p.expectWord(kDirectory)
	place := p.place()
	if t := p.tok(); t.kind == tString {
		p.advance()
		w.Path = p.unquote(t)
	}
	if t := p.tok(); p.isName("STORED") || t.kw == kRow {
		p.unsupported(t.place(), "a Hive format").remedy("Write USING and a format")
		return w
	}
	p.expectWord(kUsing)
	w.Format = strings.ToLower(p.strictIdent("a format"))
	if p.acceptWord(kOptions) {
		w.Options = p.options()
	}
	path, options := takePath(w.Options)
	if w.Path == "" {
		w.Path = path
	}
	w.Options = options
	if p.err == nil && w.Path == "" {
		p.failAt(place, diag.InvalidArgument, "the directory to write to is missing").remedy("Write INSERT OVERWRITE DIRECTORY 'path'")
	}
	if p.acceptWord(kPartitioned) {
		p.expectWord(kBy)
		w.PartitionBy = p.identList("a column name")
	}
	w.Child = p.query()
	return w
}

// artifact reads ADD {FILE | LIBRARY} 'path' and LIST {FILES | LIBRARIES}.
func (p *parser) artifact() logical.Plan {
	t := p.tok()
	list := p.isName("LIST")
	p.advance()
	a := &logical.Artifact{Place: t.place()}
	file, library := "FILE", "LIBRARY"
	if list {
		file, library = "FILES", "LIBRARIES"
	}
	switch {
	case p.isName(file):
	case p.isName(library):
		a.Library = true
	default:
		p.unexpected(file, library)
		return nothing(t.place())
	}
	p.advance()
	if list {
		return a
	}
	a.Place = p.place()
	if !p.is(tString) {
		p.unexpected("the path of a file in quotes")
		return nothing(t.place())
	}
	a.Path = p.unquote(p.advance())
	return a
}
