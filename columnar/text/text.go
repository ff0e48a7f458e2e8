package text

import (
	"errors"
	"math"
	"strconv"
	"unsafe"
)

// Chars is what the functions of this package read: text that they do not keep.
type Chars interface{ ~string | ~[]byte }

// The two ways in which text is not a value: it is malformed, or it is well
// formed and the value does not fit.
var (
	ErrSyntax = errors.New("malformed text")
	ErrRange  = errors.New("value out of range")
)

// Trim cuts white space and control characters (up to U+0020, and U+007F) from
// both ends.
func Trim[T Chars](s T) T {
	i, j := 0, len(s)
	for i < j && (s[i] <= ' ' || s[i] == 0x7f) {
		i++
	}
	for i < j && (s[j-1] <= ' ' || s[j-1] == 0x7f) {
		j--
	}
	return s[i:j]
}

// ParseInt reads a decimal integer that fits into the given number of bits (8,
// 16, 32 or 64). A sign is allowed; a fraction is not (ErrSyntax).
func ParseInt[T Chars](s T, bits int) (int64, error) {
	s = Trim(s)
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg, i = s[0] == '-', 1
	}
	if i == len(s) {
		return 0, ErrSyntax
	}
	var u uint64
	over := false
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, ErrSyntax
		}
		if u > (math.MaxUint64-9)/10 {
			over = true
			continue
		}
		u = u*10 + uint64(c)
	}
	limit := uint64(1)<<(bits-1) - 1
	if neg {
		limit++
	}
	if over || u > limit {
		return 0, ErrRange
	}
	if neg {
		return int64(-u), nil
	}
	return int64(u), nil
}

// ParseFloat reads a floating-point number of 32 or 64 bits: digits, fraction,
// exponent, NaN, [+-]Inf or [+-]Infinity without regard to case, and a trailing
// d or f as Java has it. A finite spelling beyond the range is an infinity.
func ParseFloat[T Chars](s T, bits int) (float64, error) {
	s = Trim(s)
	if len(s) == 0 {
		return 0, ErrSyntax
	}
	body := s
	switch {
	case EqualFold(s, "nan"):
		return math.NaN(), nil
	case s[0] == '+' || s[0] == '-':
		body = s[1:]
	}
	if EqualFold(body, "inf") || EqualFold(body, "infinity") {
		if s[0] == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}
	digits := false
	end := len(s)
	for i := len(s) - len(body); i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-':
		case i == len(s)-1 && digits && (c|0x20 == 'd' || c|0x20 == 'f'):
			end = i
		default:
			return 0, ErrSyntax
		}
	}
	if !digits {
		return 0, ErrSyntax
	}
	v, err := strconv.ParseFloat(view(s[:end]), bits)
	if err != nil && !math.IsInf(v, 0) {
		return 0, ErrSyntax
	}
	return v, nil
}

// ParseBool reads t, true, y, yes, 1 and f, false, n, no, 0 without regard to case.
func ParseBool[T Chars](s T) (bool, error) {
	s = Trim(s)
	switch {
	case EqualFold(s, "true"), EqualFold(s, "t"), EqualFold(s, "yes"), EqualFold(s, "y"), EqualFold(s, "1"):
		return true, nil
	case EqualFold(s, "false"), EqualFold(s, "f"), EqualFold(s, "no"), EqualFold(s, "n"), EqualFold(s, "0"):
		return false, nil
	}
	return false, ErrSyntax
}

// EqualFold compares with a lower-case ASCII word without regard to ASCII case.
func EqualFold[T Chars](s T, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// view reads s as a string without copying; the string must not outlive the
// call. Strings and byte slices both start with a pointer and a length, which
// is exactly a string's header.
func view[T Chars](s T) string { return *(*string)(unsafe.Pointer(&s)) }
