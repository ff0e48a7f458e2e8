package text

import (
	"time"
)

// Microseconds per unit.
const (
	perSecond = int64(1_000_000)
	perMinute = 60 * perSecond
	perHour   = 60 * perMinute
	perDay    = 24 * perHour
)

// DaysOf returns the days from 1970-01-01 to a date of the proleptic Gregorian
// calendar; the date must be valid. (Howard Hinnant, chrono-Compatible
// Low-Level Date Algorithms, days_from_civil.)
func DaysOf(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// daysIn returns the number of days of a month.
func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// number reads up to limit digits at i and returns the position after them.
func number[T Chars](s T, i, limit int) (value, end int) {
	for end = i; end < len(s) && end-i < limit && s[end]-'0' <= 9; end++ {
		value = value*10 + int(s[end]-'0')
	}
	return value, end
}

// date reads [+-]yyyy[-[m]m[-[d]d]] at the start of s; end is the position
// after it, full tells whether it had a day.
func date[T Chars](s T) (days int64, end int, full bool, err error) {
	neg := false
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	year, j := number(s, i, 7)
	if j-i < 4 {
		return 0, 0, false, ErrSyntax
	}
	if neg {
		year = -year
	}
	month, day := 1, 1
	if j < len(s) && s[j] == '-' {
		i = j + 1
		if month, j = number(s, i, 2); j == i {
			return 0, 0, false, ErrSyntax
		}
		if j < len(s) && s[j] == '-' {
			i = j + 1
			if day, j = number(s, i, 2); j == i {
				return 0, 0, false, ErrSyntax
			}
			full = true
		}
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, 0, false, ErrSyntax
	}
	return DaysOf(year, month, day), j, full, nil
}

// ParseDate reads a date as days since 1970-01-01: [+-]yyyy, yyyy-[m]m or
// yyyy-[m]m-[d]d with four to seven digits of year; after a full date, a space
// or T and anything may follow, as Spark has it. A day that the calendar does
// not have is ErrSyntax.
func ParseDate[T Chars](s T) (int32, error) {
	s = Trim(s)
	// The form that nearly every file has: yyyy-mm-dd.
	if len(s) == 10 && s[4] == '-' && s[7] == '-' {
		year, a := number(s, 0, 4)
		month, b := number(s, 5, 2)
		day, c := number(s, 8, 2)
		if a == 4 && b == 7 && c == 10 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) {
			return int32(DaysOf(year, month, day)), nil
		}
	}
	days, end, full, err := date(s)
	switch {
	case err != nil:
		return 0, err
	case end < len(s) && (!full || s[end] != ' ' && s[end] != 'T'):
		return 0, ErrSyntax
	case days != int64(int32(days)):
		return 0, ErrRange
	}
	return int32(days), nil
}

// ParseTimestamp reads a timestamp as µs since the epoch in UTC: a date as for
// ParseDate, optionally a space or T and [h]h[:[m]m[:[s]s[.fraction]]] and a
// zone (Z, UTC, GMT, +h, +hh:mm, a region). Without a zone in the text the wall
// clock is read in the given one; nil is UTC. Digits beyond µs are cut off.
func ParseTimestamp[T Chars](s T, zone *time.Location) (int64, error) {
	us, own, ok, err := stamp(s)
	if err != nil {
		return 0, err
	}
	if ok {
		zone = own
	}
	return fromLocal(us, zone)
}

// ParseTimestampNTZ reads a timestamp as µs of a wall clock; a zone in the text
// is checked and ignored. hasZone tells that there was one.
func ParseTimestampNTZ[T Chars](s T) (us int64, hasZone bool, err error) {
	us, _, hasZone, err = stamp(s)
	return us, hasZone, err
}

// stamp reads a wall clock and the zone after it, if there is one.
func stamp[T Chars](s T) (us int64, zone *time.Location, hasZone bool, err error) {
	s = Trim(s)
	days, i, full, err := date(s)
	if err != nil {
		return 0, nil, false, err
	}
	// ±106,751,990 days is what µs in 64 bits reach.
	if days > 106_751_990 || days < -106_751_990 {
		return 0, nil, false, ErrRange
	}
	us = days * perDay
	if i == len(s) {
		return us, nil, false, nil
	}
	if !full || s[i] != ' ' && s[i] != 'T' {
		return 0, nil, false, ErrSyntax
	}
	clock, i, err := clockTime(s, i+1)
	if err != nil {
		return 0, nil, false, err
	}
	us += clock
	if i == len(s) {
		return us, nil, false, nil
	}
	zone, err = ParseZone(view(s[i:]))
	return us, zone, true, err
}

// clockTime reads [h]h[:[m]m[:[s]s[.fraction]]] at i.
func clockTime[T Chars](s T, i int) (us int64, end int, err error) {
	hour, j := number(s, i, 2)
	if j == i || hour > 23 {
		return 0, 0, ErrSyntax
	}
	us = int64(hour) * perHour
	if j == len(s) || s[j] != ':' {
		return us, j, nil
	}
	minute, k := number(s, j+1, 2)
	if k == j+1 || minute > 59 {
		return 0, 0, ErrSyntax
	}
	us += int64(minute) * perMinute
	if k == len(s) || s[k] != ':' {
		return us, k, nil
	}
	second, j := number(s, k+1, 2)
	if j == k+1 || second > 59 {
		return 0, 0, ErrSyntax
	}
	us += int64(second) * perSecond
	if j < len(s) && s[j] == '.' {
		frac, end := number(s, j+1, 6)
		for n := end - j - 1; n < 6; n++ {
			frac *= 10
		}
		for end < len(s) && s[end]-'0' <= 9 {
			end++
		}
		return us + int64(frac), end, nil
	}
	return us, j, nil
}

// ParseTime reads a time of day, [h]h:[m]m[:[s]s[.fraction]], as µs since midnight.
func ParseTime[T Chars](s T) (int64, error) {
	s = Trim(s)
	us, end, err := clockTime(s, 0)
	if err != nil || end != len(s) || end <= 2 {
		return 0, ErrSyntax
	}
	return us, nil
}

// ParseZone reads a zone: Z, UTC, GMT, UT, an offset such as +1, +01:30 or
// UTC+2, or a region such as Europe/Berlin.
func ParseZone(name string) (*time.Location, error) {
	name = Trim(name)
	rest := name
	switch {
	case name == "":
		return nil, ErrSyntax
	case name == "Z" || name == "z":
		return time.UTC, nil
	case len(name) >= 3 && (name[:3] == "UTC" || name[:3] == "GMT"):
		rest = name[3:]
	case len(name) >= 2 && name[:2] == "UT":
		rest = name[2:]
	}
	if rest == "" {
		return time.UTC, nil
	}
	if rest[0] != '+' && rest[0] != '-' {
		// LoadLocation("Local") and "" would be the machine's, not a name.
		if name == "Local" {
			return nil, ErrSyntax
		}
		loc, err := time.LoadLocation(name)
		if err != nil {
			return nil, ErrSyntax
		}
		return loc, nil
	}
	hour, i := number(rest, 1, 2)
	if i == 1 {
		return nil, ErrSyntax
	}
	minute, second := 0, 0
	if i < len(rest) {
		colon := rest[i] == ':'
		if colon {
			i++
		}
		j := i
		if minute, i = number(rest, i, 2); i == j || !colon && i-j != 2 {
			return nil, ErrSyntax
		}
		if i < len(rest) && rest[i] == ':' {
			j = i + 1
			if second, i = number(rest, j, 2); i == j {
				return nil, ErrSyntax
			}
		}
	}
	offset := hour*3600 + minute*60 + second
	if i != len(rest) || minute > 59 || second > 59 || offset > 18*3600 {
		return nil, ErrSyntax
	}
	if rest[0] == '-' {
		offset = -offset
	}
	if offset == 0 {
		return time.UTC, nil
	}
	return time.FixedZone(name, offset), nil
}

// fromLocal turns µs of a wall clock in a zone into µs since the epoch. A time
// that a zone's clock shows twice is the earlier one; a time that it skips
// moves forward by what was skipped: the rules of java.time.
func fromLocal(us int64, zone *time.Location) (int64, error) {
	if zone == nil || zone == time.UTC {
		return us, nil
	}
	sec := us / perSecond
	if us%perSecond < 0 {
		sec--
	}
	before, after := offsetAt(sec-86400, zone), offsetAt(sec+86400, zone)
	offset := before
	if before != after && offsetAt(sec-before, zone) != before && offsetAt(sec-after, zone) == after {
		offset = after
	}
	out := us - offset*perSecond
	if (out < us) != (offset > 0) && offset != 0 {
		return 0, ErrRange
	}
	return out, nil
}

// offsetAt returns the seconds east of UTC that a zone has at an instant.
func offsetAt(unix int64, zone *time.Location) int64 {
	_, off := time.Unix(unix, 0).In(zone).Zone()
	return int64(off)
}
