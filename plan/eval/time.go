package eval

import (
	"math"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

const (
	usPerSecond = int64(1_000_000)
	usPerDay    = 86400 * usPerSecond
)

// civil returns the date of a day number (Howard Hinnant's algorithm).
func civil(days int64) (y, m, d int) {
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	if m > 12 {
		m -= 12
	}
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// local returns the wall clock's µs of a timestamp in the session's zone.
func (p *Program) local(t columnar.Type, us int64) int64 {
	if t.Kind != columnar.Timestamp || p.opts.zone() == time.UTC {
		return us
	}
	_, off := time.UnixMicro(us).In(p.opts.zone()).Zone()
	return us + int64(off)*usPerSecond
}

func (p *Program) utc(t columnar.Type, local int64) int64 {
	if t.Kind != columnar.Timestamp || p.opts.zone() == time.UTC {
		return local
	}
	l := time.UnixMicro(local).UTC()
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), p.opts.zone()).UnixMicro()
}

// daysAt returns the day number of a date or timestamp row.
func (p *Program) daysAt(v *columnar.Vector, i int) int64 {
	x := v.Int64At(i)
	if v.Type.Kind == columnar.Date {
		return x
	}
	return floorDiv(p.local(v.Type, x), usPerDay)
}

func addMonths(days, months int64) int64 {
	y, m, d := civil(days)
	k := int64(y)*12 + int64(m-1) + months
	y, m = int(floorDiv(k, 12)), int(k-floorDiv(k, 12)*12)+1
	last := lastDay(y, m)
	return text.DaysOf(y, m, min(d, last))
}

func lastDay(y, m int) int {
	if m == 12 {
		return 31
	}
	return int(text.DaysOf(y, m+1, 1) - text.DaysOf(y, m, 1))
}

func isoWeek(days int64) int64 {
	y, m, d := civil(days)
	_, w := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).ISOWeek()
	return int64(w)
}

// field returns a calendar field of a day number.
func field(name string, days int64) int64 {
	y, m, d := civil(days)
	switch name {
	case "year":
		return int64(y)
	case "month":
		return int64(m)
	case "day":
		return int64(d)
	case "quarter":
		return int64(m-1)/3 + 1
	case "dayofweek":
		return floorMod(days+4, 7) + 1
	case "weekday":
		return floorMod(days+3, 7)
	case "dayofyear":
		return days - text.DaysOf(y, 1, 1) + 1
	}
	return isoWeek(days)
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

const (
	minDays = -719162 // 0001-01-01
	maxDays = 2932896 // 9999-12-31
)

func dateOverflow(c *expr.Call) error {
	return diag.NewAt(c.Place, diag.DatetimeOverflow, "the value of %s lies outside the years 0001 to 9999", c)
}

func (p *Program) timeFunction(c *expr.Call) function {
	name := c.Fn.Name
	date := func(f func(args []*columnar.Vector, i int) int64) function {
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			d := f(args, i)
			if d < minDays || d > maxDays {
				return dateOverflow(c)
			}
			b.int(i, d)
			return nil
		})
	}
	switch name {
	case "year", "month", "day", "quarter", "dayofweek", "weekday", "dayofyear", "weekofyear":
		if f := calendarLoop(c); f != nil && c.Args[0].Type().Kind == columnar.Date {
			return f
		}
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			switch args[0].Type.Kind {
			case columnar.DayTimeInterval:
				b.int(i, args[0].Int64At(i)/usPerDay)
			case columnar.YearMonthInterval:
				x := args[0].Int64At(i) % 12
				if name == "year" {
					x = args[0].Int64At(i) / 12
				}
				b.int(i, x)
			default:
				b.int(i, field(name, p.daysAt(args[0], i)))
			}
			return nil
		})
	case "extract_second":
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			us := args[0].Int64At(i) % (60 * usPerSecond) // an interval's fields have its sign
			if args[0].Type.Kind != columnar.DayTimeInterval {
				us = floorMod(p.local(args[0].Type, args[0].Int64At(i)), 60*usPerSecond)
			}
			b.decimal(i, columnar.Int128Of(us))
			return nil
		})
	case "hour", "minute", "second":
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			s := args[0].Int64At(i) % usPerDay / usPerSecond // an interval's fields have its sign
			if args[0].Type.Kind != columnar.DayTimeInterval {
				s = floorMod(p.local(args[0].Type, args[0].Int64At(i)), usPerDay) / usPerSecond
			}
			switch name {
			case "hour":
				s /= 3600
			case "minute":
				s = s / 60 % 60
			default:
				s %= 60
			}
			b.int(i, s)
			return nil
		})
	case "date_add":
		return date(func(a []*columnar.Vector, i int) int64 { return a[0].Int64At(i) + a[1].Int64At(i) })
	case "date_sub":
		return date(func(a []*columnar.Vector, i int) int64 { return a[0].Int64At(i) - a[1].Int64At(i) })
	case "add_months":
		return date(func(a []*columnar.Vector, i int) int64 { return addMonths(a[0].Int64At(i), a[1].Int64At(i)) })
	case "datediff":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			b.int(i, a[0].Int64At(i)-a[1].Int64At(i))
			return nil
		})
	case "last_day":
		return date(func(a []*columnar.Vector, i int) int64 {
			y, m, _ := civil(a[0].Int64At(i))
			return text.DaysOf(y, m, lastDay(y, m))
		})
	case "timestamp_seconds", "timestamp_millis", "timestamp_micros":
		by := map[string]int64{"timestamp_seconds": usPerSecond, "timestamp_millis": 1000, "timestamp_micros": 1}[name]
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			x := mul64(a[0].Int64At(i), by)
			if !x.FitsInt64() {
				return overflow(c)
			}
			b.int(i, int64(x.Lo))
			return nil
		})
	case "unix_seconds", "unix_millis", "unix_micros":
		by := map[string]int64{"unix_seconds": usPerSecond, "unix_millis": 1000, "unix_micros": 1}[name]
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			b.int(i, floorDiv(a[0].Int64At(i), by))
			return nil
		})
	case "next_day":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			day := strings.ToLower(text.Trim(string(a[1].BytesAt(i))))
			at := int64(-1)
			for k, n := range []string{"thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"} {
				if day == n || day == n[:3] || day == n[:2] {
					at = int64(k)
				}
			}
			if at < 0 {
				return diag.NewAt(c.Place, diag.InvalidArgument, "there is no day of the week '%s'", day)
			}
			x := a[0].Int64At(i)
			x += 7 - floorMod(x-at, 7) // day 0 was a Thursday
			if x > maxDays {
				return dateOverflow(c)
			}
			b.int(i, x)
			return nil
		})
	case "date_from_unix_date":
		return date(func(a []*columnar.Vector, i int) int64 { return a[0].Int64At(i) })
	case "unix_date", "to_date":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			b.int(i, a[0].Int64At(i))
			return nil
		})
	case "make_date":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			y, m, d := int(a[0].Int64At(i)), int(a[1].Int64At(i)), int(a[2].Int64At(i))
			if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > lastDay(y, m) {
				return diag.NewAt(c.Place, diag.InvalidArgument, "there is no date %04d-%02d-%02d", y, m, d)
			}
			b.int(i, text.DaysOf(y, m, d))
			return nil
		})
	case "trunc":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			d, ok := truncate(a[0].Int64At(i), strings.ToLower(string(a[1].BytesAt(i))))
			if !ok {
				b.null(i)
				return nil
			}
			b.int(i, d)
			return nil
		})
	case "date_trunc":
		return perRow(c.Typ, func(b *builder, a []*columnar.Vector, i int) error {
			us := p.local(a[1].Type, a[1].Int64At(i))
			unit := strings.ToLower(string(a[0].BytesAt(i)))
			step := map[string]int64{"microsecond": 1, "millisecond": 1000, "second": usPerSecond, "minute": 60 * usPerSecond, "hour": 3600 * usPerSecond, "day": usPerDay, "dd": usPerDay}[unit]
			if step > 0 {
				us -= floorMod(us, step)
			} else if d, ok := truncate(floorDiv(us, usPerDay), unit); ok {
				us = d * usPerDay
			} else {
				b.null(i)
				return nil
			}
			b.int(i, p.utc(a[1].Type, us))
			return nil
		})
	}
	return nil
}

func truncate(days int64, unit string) (int64, bool) {
	y, m, _ := civil(days)
	switch unit {
	case "year", "yyyy", "yy":
		return text.DaysOf(y, 1, 1), true
	case "quarter":
		return text.DaysOf(y, (m-1)/3*3+1, 1), true
	case "month", "mon", "mm":
		return text.DaysOf(y, m, 1), true
	case "week":
		return days - floorMod(days+3, 7), true
	}
	return 0, false
}

// temporalOp is + - * on dates, timestamps and intervals.
func (p *Program) temporalOp(c *expr.Call) function {
	a, b := c.Args[0].Type(), c.Args[1].Type()
	sign := int64(1)
	if c.Fn.Name == "-" {
		sign = -1
	}
	first := 0
	if !isPoint(a) && isPoint(b) { // interval + date
		first = 1
		a, b = b, a
	}
	return perRow(c.Typ, func(out *builder, args []*columnar.Vector, i int) error {
		x, y := args[first].Int64At(i), args[1-first].Int64At(i)
		var z int64
		switch {
		case c.Fn.Name == "*":
			m := mul64(x, y)
			if !m.FitsInt64() {
				return overflow(c)
			}
			z = int64(m.Lo)
		case a.Kind == columnar.Date && b.Kind == columnar.YearMonthInterval:
			z = addMonths(x, sign*y)
		case a.Kind == columnar.Date && b.Kind == columnar.DayTimeInterval:
			z = x + sign*(y/usPerDay)
		case a.Kind == columnar.Date && b.Kind == columnar.Date:
			z = (x - y) * usPerDay
		case isPoint(a) && b.Kind == columnar.YearMonthInterval:
			l := p.local(a, x)
			days := floorDiv(l, usPerDay)
			z = p.utc(a, addMonths(days, sign*y)*usPerDay+l-days*usPerDay)
		default:
			if y == math.MinInt64 {
				return overflow(c)
			}
			if a.Kind == columnar.Timestamp && p.opts.zone() != time.UTC { // days are of the calendar, the rest is time
				l := p.local(a, x) + sign*(y/usPerDay)*usPerDay
				x, y = p.utc(a, l), y%usPerDay
			}
			s := add128(columnar.Int128Of(x), columnar.Int128Of(sign*y))
			if !s.FitsInt64() {
				return overflow(c)
			}
			z = int64(s.Lo)
		}
		if c.Typ.Kind == columnar.Date && (z < minDays || z > maxDays) {
			return dateOverflow(c)
		}
		if c.Typ.Kind == columnar.YearMonthInterval && int64(int32(z)) != z {
			return overflow(c)
		}
		out.int(i, z)
		return nil
	})
}

func isPoint(t columnar.Type) bool {
	return t.Kind == columnar.Date || t.Kind == columnar.Timestamp || t.Kind == columnar.TimestampNTZ
}
