package text

import (
	"strconv"
	"strings"
	"time"
)

// usZones are the short names that are no regions, as Java takes them.
var usZones = map[string]string{
	"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "MST": "America/Denver", "MDT": "America/Denver",
	"CST": "America/Chicago", "CDT": "America/Chicago", "EST": "America/New_York", "EDT": "America/New_York",
}

// readZone takes a zone or an offset from the front of s.
func (f *fields) readZone(it item, s []byte) (rest []byte, ok bool) {
	switch it.letter {
	case 'V', 'z', 'O':
		end := 0
		for end < len(s) && s[end] > ' ' {
			end++
		}
		name := string(s[:end])
		if region, ok := usZones[strings.ToUpper(name)]; ok {
			name = region
		}
		zone, err := ParseZone(name)
		f.zone = zone
		return s[end:], err == nil
	}
	colon, minutes := offsetForm(it)
	if it.letter == 'Z' && it.n == 4 {
		if len(s) < 3 || !EqualFold(s[:3], "gmt") {
			return s, false
		}
		if s = s[3:]; len(s) == 0 || s[0] != '+' && s[0] != '-' {
			f.zone = time.UTC
			return s, true
		}
	}
	if len(s) > 0 && s[0]|0x20 == 'z' && (it.letter == 'X' || it.letter == 'Z' && it.n == 5) {
		f.zone = time.UTC
		return s[1:], true
	}
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return s, false
	}
	hour, end := number(s, 1, 2)
	if end != 3 || hour > 18 {
		return s, false
	}
	minute := 0
	at := end
	if colon && at < len(s) && s[at] == ':' {
		at++
	}
	if v, e := number(s, at, 2); e == at+2 && (!colon || at == end+1) {
		minute, end = v, e
	} else if minutes {
		return s, false
	}
	if minute > 59 {
		return s, false
	}
	offset := hour*3600 + minute*60
	if s[0] == '-' {
		offset = -offset
	}
	f.zone = time.FixedZone("", offset)
	return s[end:], true
}

// offsetForm tells whether an offset has a colon, and whether it must have
// minutes.
func offsetForm(it item) (colon, minutes bool) {
	switch {
	case it.letter == 'Z':
		return it.n > 3, true
	case it.n == 1:
		return false, false
	}
	return it.n&1 == 1, true
}

// Append renders µs since the epoch as a zone's clocks show them; nil is UTC.
func (p *Pattern) Append(dst []byte, us int64, zone *time.Location) []byte {
	if zone == nil {
		zone = time.UTC
	}
	return appendItems(dst, p.items, time.UnixMicro(us).In(zone))
}

func appendItems(dst []byte, items []item, t time.Time) []byte {
	for _, it := range items {
		switch it.letter {
		case 0:
			dst = append(dst, it.text...)
		case '[':
			dst = appendItems(dst, it.part, t)
		case 'y', 'u':
			if it.n == 2 {
				dst = padNumber(dst, t.Year()%100, 2)
			} else {
				dst = padNumber(dst, t.Year(), it.n)
			}
		case 'M', 'L':
			switch it.n {
			case 3:
				dst = append(dst, monthNames[t.Month()-1][:3]...)
			case 4:
				dst = append(dst, monthNames[t.Month()-1]...)
			default:
				dst = padNumber(dst, int(t.Month()), it.n)
			}
		case 'E':
			name := dayNames[t.Weekday()]
			if it.n < 4 {
				name = name[:3]
			}
			dst = append(dst, name...)
		case 'a':
			dst = append(dst, "AMPM"[t.Hour()/12*2:][:2]...)
		case 'S':
			var b [9]byte
			padNumber(b[:0], t.Nanosecond(), 9)
			dst = append(dst, b[:it.n]...)
		case 'V', 'z', 'O', 'X', 'x', 'Z':
			dst = appendZone(dst, it, t)
		default:
			dst = padNumber(dst, clockField(it.letter, t), it.n)
		}
	}
	return dst
}

func clockField(letter byte, t time.Time) int {
	switch h := t.Hour(); letter {
	case 'd':
		return t.Day()
	case 'D':
		return t.YearDay()
	case 'H':
		return h
	case 'k':
		return (h+23)%24 + 1
	case 'K':
		return h % 12
	case 'h':
		return (h+11)%12 + 1
	case 'm':
		return t.Minute()
	}
	return t.Second()
}

// padNumber appends a number with at least n digits.
func padNumber(dst []byte, v, n int) []byte {
	if v < 0 {
		dst, v = append(dst, '-'), -v
	}
	for k, p := n-1, 10; k > 0; k, p = k-1, p*10 {
		if v < p {
			dst = append(dst, "00000000"[:k]...)
			break
		}
	}
	return strconv.AppendInt(dst, int64(v), 10)
}

func appendZone(dst []byte, it item, t time.Time) []byte {
	name, offset := t.Zone()
	switch it.letter {
	case 'V':
		return append(dst, t.Location().String()...)
	case 'z':
		return append(dst, name...)
	case 'O':
		it = item{letter: 'Z', n: 4}
	}
	if offset == 0 && (it.letter == 'X' || it.letter == 'Z' && it.n == 5) {
		return append(dst, 'Z')
	}
	if it.letter == 'Z' && it.n == 4 {
		if dst = append(dst, "GMT"...); offset == 0 {
			return dst
		}
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = padNumber(append(dst, sign), offset/3600, 2)
	colon, minutes := offsetForm(it)
	if minute := offset / 60 % 60; minutes || minute != 0 {
		if colon {
			dst = append(dst, ':')
		}
		dst = padNumber(dst, minute, 2)
	}
	return dst
}
