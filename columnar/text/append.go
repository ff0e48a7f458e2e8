package text

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// pairs is 00 01 … 99.
const pairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// AppendInt renders an integer.
func AppendInt(dst []byte, v int64) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	if u < 10 {
		return append(dst, '0'+byte(u))
	}
	return appendDigits(dst, u, digitsOf(u))
}

// digitsOf returns the number of decimal digits, at least one.
func digitsOf(u uint64) int {
	n := bits.Len64(u|1) * 1233 >> 12 // log10, or one less
	if n < len(Pow10) && u >= Pow10[n] || n == len(Pow10) && u >= 1e19 {
		n++
	}
	return max(n, 1)
}

// appendDigits renders the last n digits of u.
func appendDigits(dst []byte, u uint64, n int) []byte {
	dst = append(dst, "00000000000000000000"[:n]...)
	b := dst[len(dst)-n:]
	for n >= 2 {
		q := u / 100
		r := (u - q*100) * 2
		b[n-1], b[n-2] = pairs[r+1], pairs[r]
		u, n = q, n-2
	}
	if n == 1 {
		b[0] = '0' + byte(u%10)
	}
	return dst
}

// AppendDecimal renders an unscaled decimal with exactly scale fraction digits.
func AppendDecimal(dst []byte, x columnar.Int128, scale int) []byte {
	if !x.FitsInt64() || scale > 18 {
		return append(dst, columnar.FormatDecimal(x, scale)...)
	}
	u := uint64(x.Hi>>63^int64(x.Lo)) - uint64(x.Hi>>63) // its magnitude
	if x.Hi < 0 {
		dst = append(dst, '-')
	}
	p := Pow10[scale]
	whole := u / p
	dst = appendDigits(dst, whole, digitsOf(whole))
	if scale == 0 {
		return dst
	}
	return appendDigits(append(dst, '.'), u-whole*p, scale)
}

// AppendDate renders days since 1970-01-01 as yyyy-mm-dd. (Howard Hinnant,
// civil_from_days.)
func AppendDate(dst []byte, days int32) []byte {
	const to1 = 719_468                      // days from 0000-03-01 to 1970-01-01
	if days < -to1+306 || days > 2_932_896 { // years before 1 or beyond 9999
		return append(dst, columnar.FormatDate(days)...)
	}
	z := uint32(days + to1)
	era := z / 146_097
	doe := z - era*146_097
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day, month, year := doy-(153*mp+2)/5+1, mp+3, yoe+era*400
	if month > 12 {
		month, year = month-12, year+1
	}
	hi, lo := year/100*2, year%100*2
	m, d := month*2, day*2
	return append(dst, pairs[hi], pairs[hi+1], pairs[lo], pairs[lo+1], '-', pairs[m], pairs[m+1], '-', pairs[d], pairs[d+1])
}

// AppendClock renders µs of a wall clock as yyyy-mm-dd, a byte between, and
// hh:mm:ss with the given number of fraction digits (0 … 6).
func AppendClock(dst []byte, us int64, between byte, fraction int) []byte {
	days := us / perDay
	us -= days * perDay
	if us < 0 {
		us, days = us+perDay, days-1
	}
	dst = append(AppendDate(dst, int32(days)), between)
	sec := uint64(us / perSecond)
	h, m, s := sec/3600*2, sec/60%60*2, sec%60*2
	dst = append(dst, pairs[h], pairs[h+1], ':', pairs[m], pairs[m+1], ':', pairs[s], pairs[s+1])
	if fraction > 0 {
		dst = appendDigits(append(dst, '.'), uint64(us%perSecond)/Pow10[6-fraction], fraction)
	}
	return dst
}

// AppendISO renders µs as Spark writes timestamps to files:
// 2024-02-29T12:34:56.789, with six fraction digits where three would lose some,
// and Z if it is an instant.
func AppendISO(dst []byte, us int64, instant bool) []byte {
	fraction := 3
	if us%1000 != 0 {
		fraction = 6
	}
	dst = AppendClock(dst, us, 'T', fraction)
	if instant {
		dst = append(dst, 'Z')
	}
	return dst
}

// shortFraction returns how many fraction digits are needed.
func shortFraction(us int64) int {
	n := 6
	for us %= perSecond; n > 0 && us%10 == 0; n-- {
		us /= 10
	}
	return n
}
