package text

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
)

// unitNames are the units as written in SQL, by columnar.IntervalUnit.
var unitNames = [...]string{"year", "month", "day", "hour", "minute", "second"}

// ParseInterval reads the body of an ANSI interval of a type: '1-2' for YEAR TO
// MONTH, '1 02:03:04.5' for DAY TO SECOND, one number for a single unit. The
// result is months or µs by the type's kind. A sign may stand in front. The
// whole literal, INTERVAL '…' YEAR TO MONTH, is accepted as well when its units
// are the type's.
func ParseInterval[T Chars](s T, typ columnar.Type) (int64, error) {
	s = Trim(s)
	neg := false
	if len(s) > 8 && EqualFold(s[:8], "interval") {
		s = Trim(s[8:])
		if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
			neg, s = s[0] == '-', Trim(s[1:])
		}
		if len(s) == 0 || s[0] != '\'' {
			return 0, ErrSyntax
		}
		end := 1
		for end < len(s) && s[end] != '\'' {
			end++
		}
		if end == len(s) || !units(s[end+1:], typ) {
			return 0, ErrSyntax
		}
		s = Trim(s[1:end])
	}
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = neg != (s[0] == '-')
		s = s[1:]
	}
	var v int64
	var err error
	if typ.Kind == columnar.YearMonthInterval {
		v, err = yearMonth(s, typ)
	} else {
		v, err = dayTime(s, typ)
	}
	if neg {
		v = -v
	}
	return v, err
}

// units reports whether s spells the type's units.
func units[T Chars](s T, typ columnar.Type) bool {
	want := unitNames[typ.From]
	if typ.From != typ.To {
		want += " to " + unitNames[typ.To]
	}
	return EqualFold(Trim(s), want)
}

// count reads digits at i as a number; more than int64 holds is ErrRange.
func count[T Chars](s T, i int) (v int64, end int, err error) {
	for end = i; end < len(s) && s[end]-'0' <= 9; end++ {
		if v > math.MaxInt64/10-10 {
			return 0, 0, ErrRange
		}
		v = v*10 + int64(s[end]-'0')
	}
	if end == i {
		return 0, 0, ErrSyntax
	}
	return v, end, nil
}

// yearMonth reads y-m, y or m, without a sign.
func yearMonth[T Chars](s T, typ columnar.Type) (int64, error) {
	v, i, err := count(s, 0)
	if err != nil {
		return 0, err
	}
	if typ.From == columnar.Year {
		if v > math.MaxInt32 {
			return 0, ErrRange
		}
		v *= 12
	}
	if typ.From != typ.To {
		if i == len(s) || s[i] != '-' {
			return 0, ErrSyntax
		}
		m, end, err := count(s, i+1)
		if err != nil {
			return 0, err
		}
		if m > 11 {
			return 0, ErrSyntax
		}
		v, i = v+m, end
	}
	if i != len(s) {
		return 0, ErrSyntax
	}
	if v > math.MaxInt32 {
		return 0, ErrRange
	}
	return v, nil
}

// sizes are the µs of a unit.
var sizes = [...]int64{columnar.Day: perDay, columnar.Hour: perHour, columnar.Minute: perMinute, columnar.Second: perSecond}

// dayTime reads the fields from … to, without a sign: a space after days, a
// colon between the others. Only the first field may exceed its natural range.
func dayTime[T Chars](s T, typ columnar.Type) (int64, error) {
	var total int64
	i := 0
	for f := typ.From; f <= typ.To; f++ {
		if f != typ.From {
			sep := byte(':')
			if f == columnar.Hour {
				sep = ' '
			}
			if i == len(s) || s[i] != sep {
				return 0, ErrSyntax
			}
			i++
			for sep == ' ' && i < len(s) && s[i] == ' ' {
				i++
			}
		}
		v, end, err := count(s, i)
		if err != nil {
			return 0, err
		}
		if f != typ.From && (f == columnar.Hour && v > 23 || f != columnar.Hour && v > 59) {
			return 0, ErrSyntax
		}
		if v > math.MaxInt64/sizes[f] {
			return 0, ErrRange
		}
		i = end
		v *= sizes[f]
		if f == columnar.Second && i < len(s) && s[i] == '.' {
			frac, end := number(s, i+1, 6)
			for n := end - i - 1; n < 6; n++ {
				frac *= 10
			}
			for end < len(s) && s[end]-'0' <= 9 {
				end++
			}
			v, i = v+int64(frac), end
		}
		if v < 0 || total > math.MaxInt64-v {
			return 0, ErrRange
		}
		total += v
	}
	if i != len(s) {
		return 0, ErrSyntax
	}
	return total, nil
}
