package sql

import (
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// typeNames are the types without parameters, by lower-case name.
var typeNames = map[string]columnar.Type{
	"boolean": columnar.BoolType, "tinyint": columnar.Int8Type, "byte": columnar.Int8Type,
	"smallint": columnar.Int16Type, "short": columnar.Int16Type,
	"int": columnar.Int32Type, "integer": columnar.Int32Type,
	"bigint": columnar.Int64Type, "long": columnar.Int64Type,
	"utinyint": {Kind: columnar.Uint8}, "usmallint": {Kind: columnar.Uint16},
	"uint": {Kind: columnar.Uint32}, "ubigint": {Kind: columnar.Uint64},
	"half": {Kind: columnar.Float16}, "float": columnar.Float32Type, "real": columnar.Float32Type,
	"double": columnar.Float64Type, "string": columnar.StringType, "binary": columnar.BinaryType,
	"date": columnar.DateType, "timestamp": columnar.TimestampType,
	"timestamp_ltz": columnar.TimestampType, "timestamp_ntz": columnar.TimestampNTZType,
	"void": columnar.NullType, "variant": {Kind: columnar.Variant},
}

// typ reads a type.
func (p *parser) typ() columnar.Type {
	t := p.tok()
	if t.kind != tWord {
		p.unexpected("a type")
		return columnar.NullType
	}
	if !p.enter() {
		return columnar.NullType
	}
	defer p.leave()
	p.advance()
	name := strings.ToLower(p.source(t))
	if typ, ok := typeNames[name]; ok {
		return typ
	}
	switch name {
	case "decimal", "dec", "numeric":
		return p.decimalType()
	case "char", "character", "varchar":
		if p.accept(tOpen) {
			p.size(1, 1<<31-1)
			p.expect(tClose, ")")
		}
		return columnar.StringType
	case "time":
		if p.accept(tOpen) {
			p.size(0, 6)
			p.expect(tClose, ")")
		}
		return columnar.TimeType
	case "interval":
		return p.intervalType()
	case "array":
		p.openAngle()
		element := p.typ()
		p.closeAngle()
		return columnar.ListType(element, true)
	case "map":
		p.openAngle()
		key := p.typ()
		p.expect(tComma, ",")
		value := p.typ()
		p.closeAngle()
		return columnar.MapType(key, value, true)
	case "struct":
		if p.accept(tNotEq) {
			return columnar.StructType()
		}
		p.openAngle()
		var fields []columnar.Field
		if !p.is(tGreater) && !p.is(tShiftRight) && !p.is(tShiftRightUnsigned) {
			fields = p.fields()
		}
		p.closeAngle()
		return columnar.StructType(fields...)
	}
	names := []string{"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL", "STRING", "DATE", "TIMESTAMP", "VARCHAR"}
	f := p.failAt(t.place(), diag.Syntax, "syntax error at or near '%s': there is no type of that name", shorten(p.source(t)))
	if meant := nearest(p.source(t), names); meant != "" {
		f.remedy("Did you mean %s?", meant)
	}
	return columnar.NullType
}

// decimalType reads [(precision [, scale])]; the default is (10, 0).
func (p *parser) decimalType() columnar.Type {
	if !p.accept(tOpen) {
		return columnar.DecimalType(10, 0)
	}
	precision := p.size(1, columnar.MaxPrecision)
	scale := 0
	if p.accept(tComma) {
		t := p.tok()
		scale = p.size(0, columnar.MaxPrecision)
		if scale > precision {
			p.failAt(t.place(), diag.InvalidArgument, "the scale %d of a decimal is larger than its precision %d", scale, precision)
			return columnar.NullType
		}
	}
	p.expect(tClose, ")")
	return columnar.DecimalType(precision, scale)
}

// size reads a number between two bounds.
func (p *parser) size(low, high int) int {
	t := p.tok()
	if t.kind != tInt {
		p.unexpected("a number")
		return low
	}
	p.advance()
	n, err := strconv.Atoi(p.source(t))
	if err != nil || n < low || n > high {
		p.failAt(t.place(), diag.InvalidArgument, "%s is not between %d and %d", shorten(p.source(t)), low, high)
		return low
	}
	return n
}

// intervalType reads unit [TO unit].
func (p *parser) intervalType() columnar.Type {
	field := func() *unit {
		t := p.tok()
		u := unitOf(p.source(t))
		if t.kind != tWord || u == nil || !plain(u) {
			p.unexpected("a unit such as DAY or MONTH")
			return &unitTable[0]
		}
		p.advance()
		return u
	}
	if p.err != nil {
		return columnar.NullType
	}
	from := field()
	to := from
	if place := p.place(); p.acceptWord(kTo) {
		if to = field(); p.err == nil && (to.months != from.months || to.field <= from.field) {
			p.failAt(place, diag.Syntax, "there is no type INTERVAL %s TO %s", strings.ToUpper(from.names[0]), strings.ToUpper(to.names[0]))
		}
	}
	typ := columnar.Type{Kind: columnar.DayTimeInterval, From: from.field, To: to.field}
	if from.months {
		typ.Kind = columnar.YearMonthInterval
	}
	return typ
}

func (p *parser) openAngle() { p.expect(tLess, "<") }

// closeAngle reads one >, splitting >> and >>>.
func (p *parser) closeAngle() {
	t := &p.toks[p.i]
	switch t.kind {
	case tGreater:
		p.advance()
	case tShiftRight:
		t.kind = tGreater
		t.pos++
	case tShiftRightUnsigned:
		t.kind = tShiftRight
		t.pos++
	case tGreaterEq:
		t.kind = tEq
		t.pos++
	default:
		p.unexpected(">")
	}
}

// fields reads name [:] type [NOT NULL] [COMMENT '…'], ….
func (p *parser) fields() []columnar.Field {
	var list []columnar.Field
	for {
		f := columnar.Field{Name: p.ident("a column name"), Nullable: true}
		p.accept(tColon)
		f.Type = p.typ()
		if p.acceptWords(kNot, kNull) {
			f.Nullable = false
		}
		if p.acceptWord(kComment) {
			p.expect(tString, "a string")
		}
		list = append(list, f)
		if !p.accept(tComma) {
			return list
		}
	}
}
