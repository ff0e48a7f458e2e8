package sql

import (
	"math"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// unit is a unit of an interval as written: how many months or µs it has, and
// the field of the type that it counts in.
type unit struct {
	names  [2]string
	months bool
	size   int64
	field  columnar.IntervalUnit
}

const day = 86_400_000_000

var unitTable = [...]unit{
	{[2]string{"year", "years"}, true, 12, columnar.Year},
	{[2]string{"month", "months"}, true, 1, columnar.Month},
	{[2]string{"quarter", "quarters"}, true, 3, columnar.Month},
	{[2]string{"week", "weeks"}, false, 7 * day, columnar.Day},
	{[2]string{"day", "days"}, false, day, columnar.Day},
	{[2]string{"hour", "hours"}, false, day / 24, columnar.Hour},
	{[2]string{"minute", "minutes"}, false, 60_000_000, columnar.Minute},
	{[2]string{"second", "seconds"}, false, 1_000_000, columnar.Second},
	{[2]string{"millisecond", "milliseconds"}, false, 1_000, columnar.Second},
	{[2]string{"microsecond", "microseconds"}, false, 1, columnar.Second},
}

// unitOf finds a unit by its name, singular or plural.
func unitOf(word string) *unit {
	for i := range unitTable {
		for _, n := range unitTable[i].names {
			if equalFold(word, n) {
				return &unitTable[i]
			}
		}
	}
	return nil
}

// startsInterval reports whether INTERVAL begins a literal rather than being a name.
func (p *parser) startsInterval() bool {
	n := 1
	if k := p.ahead(1).kind; k == tPlus || k == tMinus {
		n = 2
	}
	switch p.ahead(n).kind {
	case tString:
		return true
	case tInt, tDecimal:
		return n == 1 || p.ahead(n+1).kind == tWord && unitOf(p.source(p.ahead(n+1))) != nil
	}
	return false
}

// interval reads INTERVAL value unit {value unit}, INTERVAL 'value' unit TO unit
// and INTERVAL 'value unit …'. The type spans from the largest unit to the
// smallest; months and days do not mix.
func (p *parser) interval() expr.Expr {
	sum := intervalSum{place: p.advance().place()}
	neg := p.sign()
	for first := true; ; first = false {
		t := p.tok()
		if t.kind != tString && t.kind != tInt && t.kind != tDecimal {
			p.unexpected("a value and a unit")
			return broken()
		}
		p.advance()
		value := p.source(t)
		if t.kind == tString {
			value = p.unquote(t)
		}
		if first && t.kind == tString && (!p.is(tWord) || unitOf(p.source(p.tok())) == nil) {
			p.wholeInterval(&sum, value, neg, t)
			break
		}
		word := p.tok()
		u := unitOf(p.source(word))
		if word.kind != tWord || u == nil {
			p.unexpected("a unit such as DAY or MONTH")
			return broken()
		}
		p.advance()
		p.leadingPrecision()
		if first && p.isWord(kTo) {
			return p.spanInterval(t, value, u, neg, sum.place)
		}
		p.addUnit(&sum, value, u, neg, t)
		if k := p.tok().kind; k != tString && k != tInt && k != tDecimal && k != tMinus && k != tPlus {
			break
		}
		if p.is(tMinus) || p.is(tPlus) {
			// 1 DAY - 2 HOURS continues only when a unit follows the number;
			// otherwise the sign is an operator: INTERVAL 1 DAY + 2.
			n := p.ahead(1)
			if w := p.ahead(2); n.kind != tInt && n.kind != tDecimal || w.kind != tWord || unitOf(p.source(w)) == nil {
				break
			}
		} else if w := p.ahead(1); w.kind != tWord || unitOf(p.source(w)) == nil {
			break
		}
		neg = p.sign()
	}
	if p.err != nil {
		return broken()
	}
	return sum.literal()
}

// leadingPrecision reads the (3) of INTERVAL '90' DAY (3), which standard SQL
// has and which says nothing about the value.
func (p *parser) leadingPrecision() {
	if p.is(tOpen) && p.ahead(1).kind == tInt && p.ahead(2).kind == tClose {
		p.i += 3
	}
}

// sign reads an optional sign and reports whether it is a minus.
func (p *parser) sign() bool {
	if p.accept(tMinus) {
		return true
	}
	p.accept(tPlus)
	return false
}

// intervalSum adds up the units of one literal.
type intervalSum struct {
	place    diag.Pos
	any      bool
	months   bool
	total    int64
	from, to columnar.IntervalUnit
}

// addUnit adds value × unit; t is where the value stands.
func (p *parser) addUnit(sum *intervalSum, value string, u *unit, neg bool, t token) {
	if sum.any && sum.months != u.months {
		p.unsupported(t.place(), "an interval of months and days together").
			remedy("Add two intervals: one of years and months, one of days and time")
		return
	}
	v, scale, err := columnar.Int128{}, 0, error(nil)
	v, _, scale, err = text.ParseDecimal(value)
	n := int64(v.Lo)
	switch {
	case err == nil && scale > 0 && u.size != 1_000_000:
		err = text.ErrSyntax
	case err == nil && !v.FitsInt64():
		err = text.ErrRange
	}
	if err == nil {
		size := u.size
		for ; scale > 0; scale-- {
			if size%10 == 0 {
				size /= 10
			} else {
				n /= 10 // beyond µs
			}
		}
		if neg {
			n = -n
		}
		if n != 0 && (n > math.MaxInt64/size || n < -(math.MaxInt64/size)) {
			err = text.ErrRange
		}
		n *= size
	}
	total := sum.total + n
	if (total > sum.total) != (n > 0) && n != 0 || u.months && total != int64(int32(total)) {
		err = text.ErrRange
	}
	if err != nil {
		p.badInterval(t, err)
		return
	}
	sum.total = total
	if !sum.any {
		sum.any, sum.months, sum.from, sum.to = true, u.months, u.field, u.field
	}
	sum.from, sum.to = min(sum.from, u.field), max(sum.to, u.field)
}

func (p *parser) badInterval(t token, err error) {
	if err == text.ErrRange {
		p.failAt(t.place(), diag.InvalidLiteral, "the interval %s is too long", shorten(p.source(t)))
		return
	}
	p.failAt(t.place(), diag.InvalidLiteral, "%s is not a value of an interval", shorten(p.source(t))).
		remedy("Write INTERVAL 3 MONTHS, INTERVAL '1-2' YEAR TO MONTH or INTERVAL '1 02:03:04' DAY TO SECOND")
}

func (s *intervalSum) literal() expr.Expr {
	typ := columnar.Type{Kind: columnar.DayTimeInterval, From: s.from, To: s.to}
	if s.months {
		typ.Kind = columnar.YearMonthInterval
	}
	return &expr.Literal{Value: s.total, Typ: typ, Place: s.place}
}

// wholeInterval reads the units inside a string: '1 year 2 months', with or
// without the word interval in front.
func (p *parser) wholeInterval(sum *intervalSum, value string, neg bool, t token) {
	fields := strings.Fields(value)
	if len(fields) > 0 && equalFold(fields[0], "interval") {
		fields = fields[1:]
	}
	if len(fields) == 0 || len(fields)%2 != 0 {
		p.badInterval(t, text.ErrSyntax)
		return
	}
	for i := 0; i < len(fields) && p.err == nil; i += 2 {
		u := unitOf(fields[i+1])
		if u == nil {
			p.badInterval(t, text.ErrSyntax)
			return
		}
		p.addUnit(sum, fields[i], u, neg, t)
	}
}

// spanInterval reads TO unit after 'value' unit.
func (p *parser) spanInterval(t token, value string, from *unit, neg bool, place diag.Pos) expr.Expr {
	p.advance()
	word := p.tok()
	to := unitOf(p.source(word))
	if word.kind != tWord || to == nil {
		p.unexpected("a unit such as SECOND")
		return broken()
	}
	p.advance()
	if t.kind != tString || from.months != to.months || from.field >= to.field || !plain(from) || !plain(to) {
		p.badInterval(t, text.ErrSyntax)
		return broken()
	}
	typ := columnar.Type{Kind: columnar.DayTimeInterval, From: from.field, To: to.field}
	if from.months {
		typ.Kind = columnar.YearMonthInterval
	}
	v, err := text.ParseInterval(value, typ)
	if err != nil {
		p.badInterval(t, err)
		return broken()
	}
	if neg {
		v = -v
	}
	return &expr.Literal{Value: v, Typ: typ, Place: place}
}

// plain reports whether a unit is a field of an interval type itself.
func plain(u *unit) bool {
	switch u.names[0] {
	case "week", "quarter", "millisecond", "microsecond":
		return false
	}
	return true
}
