package text

import (
	"fmt"
	"strings"
	"time"
)

// Pattern is a datetime pattern of Spark (java.time's letters):
//
//	y u  year, yy since 2000     H k  hour 0–23, 1–24     a    AM PM
//	M L  month, MMM Jan, MMMM    h K  hour 1–12, 0–11     V z  zone by name
//	d D  day of month, of year   m s  minute, second      O    GMT+1
//	E    Thu, EEEE (not read)    S    fraction            X x Z  offset
//	'…'  text, '' a quote        […]  optional
//
// A single letter takes as many digits as there are, two letters exactly two.
// Names are English and read without regard to case. It is immutable.
type Pattern struct{ items []item }

// item is a run of one letter, a text (letter 0), or an optional part ('[').
type item struct {
	letter byte
	n      int
	text   string
	part   []item
}

// ParsePattern compiles a pattern; the error says which part of it is not
// understood.
func ParsePattern(s string) (*Pattern, error) {
	items, rest, err := patternItems(s, 0)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, fmt.Errorf("the datetime pattern %q has a ] without a [: %w", s, ErrSyntax)
	}
	return &Pattern{items}, nil
}

// mostLetters is how often a letter may stand in a row.
var mostLetters = map[byte]int{'y': 6, 'u': 6, 'M': 4, 'L': 4, 'd': 2, 'D': 3, 'E': 4, 'a': 1, 'H': 2, 'k': 2, 'K': 2, 'h': 2, 'm': 2, 's': 2,
	'S': 9, 'V': 2, 'z': 4, 'O': 4, 'X': 5, 'x': 5, 'Z': 5}

func patternItems(s string, depth int) (items []item, rest string, err error) {
	for s != "" {
		switch c := s[0]; {
		case c == '\'':
			body, after, ok := strings.Cut(s[1:], "'")
			if !ok {
				return nil, "", fmt.Errorf("the datetime pattern has a ' without an end: %w", ErrSyntax)
			}
			if body == "" {
				body = "'"
			}
			items, s = append(items, item{text: body}), after
		case c == '[':
			if depth > 8 {
				return nil, "", fmt.Errorf("the datetime pattern is nested too deep: %w", ErrSyntax)
			}
			part, after, err := patternItems(s[1:], depth+1)
			if err != nil {
				return nil, "", err
			}
			if after == "" {
				return nil, "", fmt.Errorf("the datetime pattern has a [ without a ]: %w", ErrSyntax)
			}
			items, s = append(items, item{letter: '[', part: part}), after[1:]
		case c == ']':
			return items, s, nil
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			n := 1
			for n < len(s) && s[n] == c {
				n++
			}
			if most, ok := mostLetters[c]; !ok || n > most || c == 'V' && n != 2 {
				return nil, "", fmt.Errorf("the datetime pattern has %s, which has no meaning here: %w", s[:n], ErrSyntax)
			}
			items, s = append(items, item{letter: c, n: n}), s[n:]
		default:
			items, s = append(items, item{text: s[:1]}), s[1:]
		}
	}
	return items, "", nil
}

// fields are what a text says.
type fields struct {
	year, month, day, yearDay int // −1: not said
	hour, minute, second      int
	half, halfHour            int // AM 0, PM 1; hour of the half day
	micros                    int
	zone                      *time.Location
}

// Parse reads a whole text as µs: of a wall clock if it names no zone, else
// (zoned) since the epoch. What it does not say is the beginning of 1970.
func (p *Pattern) Parse(s []byte) (us int64, zoned bool, err error) {
	f := fields{year: -1, month: -1, day: -1, yearDay: -1, half: -1, halfHour: -1}
	rest, ok := f.read(p.items, s)
	if !ok || len(rest) > 0 {
		return 0, false, ErrSyntax
	}
	if f.year < 0 {
		f.year = 1970
	}
	var days int64
	if f.yearDay >= 0 && f.month < 0 && f.day < 0 {
		if f.yearDay < 1 || int64(f.yearDay) > DaysOf(f.year+1, 1, 1)-DaysOf(f.year, 1, 1) {
			return 0, false, ErrSyntax
		}
		days = DaysOf(f.year, 1, 1) + int64(f.yearDay) - 1
	} else {
		if f.month < 0 {
			f.month = 1
		}
		if f.day < 0 {
			f.day = 1
		}
		if f.month < 1 || f.month > 12 || f.day < 1 || f.day > daysIn(f.year, f.month) {
			return 0, false, ErrSyntax
		}
		days = DaysOf(f.year, f.month, f.day)
	}
	if f.halfHour >= 0 {
		f.hour = f.halfHour + 12*max(f.half, 0)
	}
	if f.hour > 23 || f.minute > 59 || f.second > 59 {
		return 0, false, ErrSyntax
	}
	if days > 106_751_990 {
		return 0, false, ErrRange
	}
	us = days*perDay + int64(f.hour)*perHour + int64(f.minute)*perMinute + int64(f.second)*perSecond + int64(f.micros)
	if f.zone == nil {
		return us, false, nil
	}
	us, err = fromLocal(us, f.zone)
	return us, true, err
}

// ParseTimestamp is Parse with a zone for texts that name none; nil is UTC.
func (p *Pattern) ParseTimestamp(s []byte, zone *time.Location) (int64, error) {
	us, zoned, err := p.Parse(s)
	if err != nil || zoned {
		return us, err
	}
	return fromLocal(us, zone)
}

// ParseDate reads a whole text as days since 1970-01-01.
func (p *Pattern) ParseDate(s []byte) (int32, error) {
	us, _, err := p.Parse(s)
	days := us / perDay
	if us%perDay < 0 {
		days--
	}
	return int32(days), err
}

var (
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// word reads one of the names, or of their first three letters, without case.
func word(names []string, short bool, s []byte) (at int, rest []byte, ok bool) {
	for i, n := range names {
		if short {
			n = n[:3]
		}
		if len(s) >= len(n) && EqualFold(s[:len(n)], strings.ToLower(n)) {
			return i, s[len(n):], true
		}
	}
	return 0, s, false
}

// read takes the items from the front of s.
func (f *fields) read(items []item, s []byte) (rest []byte, ok bool) {
	for _, it := range items {
		switch it.letter {
		case 0:
			if len(s) < len(it.text) || !strings.EqualFold(view(s[:len(it.text)]), it.text) {
				return s, false
			}
			s = s[len(it.text):]
			continue
		case '[':
			before := *f
			if rest, ok := f.read(it.part, s); ok {
				s = rest
			} else {
				*f = before
			}
			continue
		case 'a':
			if f.half, s, ok = word([]string{"AM", "PM"}, false, s); !ok {
				return s, false
			}
			continue
		case 'M', 'L':
			if it.n > 2 {
				if f.month, s, ok = word(monthNames[:], it.n == 3, s); !ok {
					return s, false
				}
				f.month++
				continue
			}
		case 'V', 'z', 'O', 'X', 'x', 'Z':
			if s, ok = f.readZone(it, s); !ok {
				return s, false
			}
			continue
		case 'E':
			return s, false
		}
		if s, ok = f.readNumber(it, s); !ok {
			return s, false
		}
	}
	return s, true
}

// readNumber takes the digits of an item.
func (f *fields) readNumber(it item, s []byte) (rest []byte, ok bool) {
	least, most := it.n, it.n
	switch {
	case it.letter == 'S':
		least = 1
	case it.n == 1 && (it.letter == 'y' || it.letter == 'u'):
		most = 6
	case it.n == 1 && it.letter == 'D':
		most = 3
	case it.n == 1:
		most = 2
	}
	v, end := number(s, 0, most)
	if end < least {
		return s, false
	}
	switch it.letter {
	case 'y', 'u':
		if f.year = v; it.n == 2 {
			f.year += 2000
		}
	case 'M', 'L':
		f.month = v
	case 'd':
		f.day = v
	case 'D':
		f.yearDay = v
	case 'H':
		f.hour = v
	case 'k':
		f.hour = v % 24
		ok = v >= 1 && v <= 24
	case 'K':
		f.halfHour = v
		ok = v <= 11
	case 'h':
		f.halfHour = v % 12
		ok = v >= 1 && v <= 12
	case 'm':
		f.minute = v
	case 's':
		f.second = v
	case 'S':
		for n := end; n < 6; n++ {
			v *= 10
		}
		for n := end; n > 6; n-- {
			v /= 10
		}
		f.micros = v
	}
	return s[end:], ok || it.letter != 'k' && it.letter != 'K' && it.letter != 'h'
}
