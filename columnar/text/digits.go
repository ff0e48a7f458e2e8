package text

import "encoding/binary"

// Pad is how many bytes behind its text a caller of the fast functions of this
// file lets be read; their content does not matter.
const Pad = 16

// eightZeros are the eight characters 0.
const eightZeros = 0x3030303030303030

// Digits reads the n (1 … 8) digits at the start of s; ok is false if one of
// them is no digit. Eight bytes of s must be readable.
//
// The digits are moved to the high end of a word, zeros come in below, and three
// multiplications add them up pairwise (Daniel Lemire, Quickly parsing eight
// digits, 2018).
func Digits(s []byte, n int) (value uint64, ok bool) {
	shift := uint(64 - 8*n)
	d := binary.LittleEndian.Uint64(s)<<shift ^ eightZeros<<shift
	if (d|(d+0x0606060606060606))&0xf0f0f0f0f0f0f0f0 != 0 {
		return 0, false
	}
	return eight(d), true
}

// eight adds up a word of eight digits (0 … 9), the first one lowest.
func eight(d uint64) uint64 {
	d = d*10 + d>>8
	return (d&0x000000ff000000ff*0x000f424000000064 + d>>16&0x000000ff000000ff*0x0000271000000001) >> 32
}

// LongDigits is Digits for up to 18 digits. Pad bytes behind the first n must be
// readable.
func LongDigits(s []byte, n int) (value uint64, ok bool) {
	if n <= 8 {
		return Digits(s, n)
	}
	if n > 18 {
		return 0, false
	}
	value, ok = Digits(s, 8)
	for s, n = s[8:], n-8; ok && n > 0; {
		k := min(n, 8)
		low, good := Digits(s, k)
		value, ok = value*Pow10[k]+low, good
		s, n = s[k:], n-k
	}
	return value, ok
}

// Pow10 holds the powers of ten that fit into 64 bits signed.
var Pow10 = [19]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// Days of the years and months that FastDate knows.
const firstYear, lastYear = 1600, 2400

var yearStart = func() (t [lastYear - firstYear]int32) {
	for i := range t {
		t[i] = int32(DaysOf(firstYear+i, 1, 1))
	}
	return t
}()

// monthStart holds, for common and leap years, the days before each month and in
// it.
var monthStart = func() (t [2][16]struct{ before, days uint16 }) {
	for leap, year := range []int{2001, 2000} {
		for m := 1; m <= 12; m++ {
			t[leap][m].before = uint16(DaysOf(year, m, 1) - DaysOf(year, 1, 1))
			t[leap][m].days = uint16(daysIn(year, m))
		}
	}
	return t
}()

// FastDate reads the ten characters yyyy-mm-dd at the start of s as days since
// 1970-01-01; ok is false for other spellings, years before 1600 or from 2400
// on, and days that the calendar lacks: ParseDate tells these apart. Pad bytes
// behind them must be readable.
func FastDate(s []byte) (days int32, ok bool) {
	const form, ones = 0x2d30302d30303030, 0x0f06060f06060606 // "0000-00-"
	a := binary.LittleEndian.Uint64(s) ^ form
	b := uint64(binary.LittleEndian.Uint16(s[8:])) ^ 0x3030
	if (a|(a+ones))&0xf0f0f0f0f0f0f0f0|(b|(b+0x0606))&0xf0f0 != 0 {
		return 0, false
	}
	year := uint(a&15*1000 + a>>8&15*100 + a>>16&15*10 + a>>24&15)
	month := uint(a>>40&15*10+a>>48&15) & 127
	day := uint(b&15*10 + b>>8)
	if year-firstYear >= lastYear-firstYear || month > 12 {
		return 0, false
	}
	leap := 0
	if year&3 == 0 && (year%100 != 0 || year%400 == 0) {
		leap = 1
	}
	m := &monthStart[leap][month&15]
	if day-1 >= uint(m.days) {
		return 0, false
	}
	return yearStart[year-firstYear] + int32(m.before) + int32(day) - 1, true
}

// FastDecimal reads an optional -, up to 16 digits and, with a point, exactly
// scale (up to 8) more as an unscaled decimal; ok is false for every other
// spelling. Pad bytes behind the first n must be readable.
func FastDecimal(s []byte, n, scale int) (value int64, ok bool) {
	neg := n > 1 && s[0] == '-'
	if neg {
		s, n = s[1:], n-1
	}
	low := uint64(0)
	if ints := n - scale - 1; scale > 0 && scale <= 8 && ints > 0 && s[ints] == '.' {
		if low, ok = Digits(s[ints+1:], scale); !ok {
			return 0, false
		}
		n = ints
	}
	if n < 1 || n > 16 || n+scale > 18 {
		return 0, false
	}
	v, ok := LongDigits(s, n)
	if !ok {
		return 0, false
	}
	value = int64(v*Pow10[scale] + low)
	if neg {
		value = -value
	}
	return value, true
}

// FastFloat reads an optional -, up to 16 digits and at most one point among them
// as a double; ok is false for every other spelling. The digits are an integer
// below 2^53 and the power of ten is exact, so that one division rounds rightly
// (William Clinger, How to read floating point numbers accurately, 1990). Pad
// bytes behind the first n must be readable.
func FastFloat(s []byte, n int) (value float64, ok bool) {
	neg := n > 1 && s[0] == '-'
	if neg {
		s, n = s[1:], n-1
	}
	if n < 1 || n > 17 {
		return 0, false
	}
	point := n
	for i, c := range s[:n] {
		if c == '.' {
			point = i
			break
		}
	}
	var v uint64
	if point > 0 {
		if v, ok = LongDigits(s, point); !ok {
			return 0, false
		}
	}
	if fraction := n - point - 1; fraction > 0 {
		if fraction+point > 16 {
			return 0, false
		}
		low, ok := LongDigits(s[point+1:], fraction)
		if !ok {
			return 0, false
		}
		v = v*Pow10[fraction] + low
		value = float64(v) / exact10[fraction]
	} else {
		if point == 0 { // a point alone
			return 0, false
		}
		value = float64(v)
	}
	if neg {
		value = -value
	}
	return value, v < 1<<53
}

var exact10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}
