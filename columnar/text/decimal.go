package text

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// uint128 is an unsigned accumulator of decimal digits.
type uint128 struct{ hi, lo uint64 }

// pow10 holds the powers of ten up to 10^38.
var pow10 = func() (p [columnar.MaxPrecision + 1]uint128) {
	p[0].lo = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1].mulAdd(10, 0)
	}
	return p
}()

// mulAdd returns u*m + a, modulo 2^128.
func (u uint128) mulAdd(m, a uint64) uint128 {
	hi, lo := bits.Mul64(u.lo, m)
	lo, carry := bits.Add64(lo, a, 0)
	return uint128{u.hi*m + hi + carry, lo}
}

func (u uint128) less(o uint128) bool { return u.hi < o.hi || u.hi == o.hi && u.lo < o.lo }

// digits returns the number of decimal digits, at least one.
func (u uint128) digits() int {
	n := 1
	for n <= columnar.MaxPrecision && !u.less(pow10[n]) {
		n++
	}
	return n
}

// signed gives the accumulator a sign.
func (u uint128) signed(neg bool) columnar.Int128 {
	if neg {
		lo, borrow := bits.Sub64(0, u.lo, 0)
		hi, _ := bits.Sub64(0, u.hi, borrow)
		return columnar.Int128{Lo: lo, Hi: int64(hi)}
	}
	return columnar.Int128{Lo: u.lo, Hi: int64(u.hi)}
}

// scanned is a decimal taken apart: sign, the text of its digits (with at most
// one point among them) and the power of ten to multiply with.
type scanned struct {
	neg      bool
	from, to int // digits and point
	ints     int // digits before the point
	fracs    int // digits after it
	exp      int
}

// scan checks the form [+-]digits[.digits][e[+-]digits].
func scan[T Chars](s T) (d scanned, err error) {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		d.neg = s[i] == '-'
		i++
	}
	d.from = i
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	d.ints = i - d.from
	if i < len(s) && s[i] == '.' {
		i++
		start := i
		for i < len(s) && s[i]-'0' <= 9 {
			i++
		}
		d.fracs = i - start
	}
	d.to = i
	if d.ints+d.fracs == 0 {
		return d, ErrSyntax
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		neg := false
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			neg = s[i] == '-'
			i++
		}
		if i == len(s) {
			return d, ErrSyntax
		}
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			// The bound keeps absurd exponents from overflowing; any value
			// near it is out of range or zero anyway.
			if d.exp < 1<<24 {
				d.exp = d.exp*10 + int(s[i]-'0')
			}
		}
		if neg {
			d.exp = -d.exp
		}
	}
	if i != len(s) {
		return d, ErrSyntax
	}
	return d, nil
}

// append is u with one more decimal digit, if that is less than limit, which is at
// most 10^38: from 10^37 on there is no room for one, and from 3.5e37 on the product
// would wrap around.
func (u uint128) append(digit uint64, limit uint128) (uint128, bool) {
	if !u.less(pow10[columnar.MaxPrecision-1]) {
		return u, false
	}
	u = u.mulAdd(10, digit)
	return u, u.less(limit)
}

// ParseDecimal reads a decimal number with the precision and scale that its
// spelling has: 1.50 is 150 with precision 3 and scale 2, 1e3 is 1000 with
// precision 4 and scale 0. Precision is at least scale and at least 1. More
// than 38 digits are ErrRange.
func ParseDecimal[T Chars](s T) (value columnar.Int128, precision, scale int, err error) {
	s = Trim(s)
	d, err := scan(s)
	if err != nil {
		return value, 0, 0, err
	}
	scale = d.fracs - d.exp
	if scale > columnar.MaxPrecision {
		return value, 0, 0, ErrRange
	}
	var u uint128
	ok := false
	for i := d.from; i < d.to; i++ {
		if s[i] == '.' {
			continue
		}
		if u, ok = u.append(uint64(s[i]-'0'), pow10[columnar.MaxPrecision]); !ok {
			return value, 0, 0, ErrRange
		}
	}
	if scale < 0 {
		if u == (uint128{}) {
			return value, 1, 0, nil
		}
		for ; scale < 0; scale++ {
			if u, ok = u.append(0, pow10[columnar.MaxPrecision]); !ok {
				return value, 0, 0, ErrRange
			}
		}
	}
	return u.signed(d.neg), max(u.digits(), scale), scale, nil
}

// ParseDecimalTo reads a decimal number as decimal(precision, scale): the
// unscaled value, rounded half up (away from zero) where the text has more
// fraction digits. ErrRange when the rounded value has too many digits.
func ParseDecimalTo[T Chars](s T, precision, scale int) (columnar.Int128, error) {
	s = Trim(s)
	d, err := scan(s)
	if err != nil {
		return columnar.Int128{}, err
	}
	// Digits are used as long as they stand left of the target's last place.
	keep := d.ints + d.exp + scale
	var u uint128
	limit, ok := pow10[precision], false
	n := 0
	round := false
	for i := d.from; i < d.to; i++ {
		if s[i] == '.' {
			continue
		}
		if n >= keep {
			round = n == keep && s[i] >= '5'
			break
		}
		if u, ok = u.append(uint64(s[i]-'0'), limit); !ok {
			return columnar.Int128{}, ErrRange
		}
		n++
	}
	if u != (uint128{}) {
		for ; n < keep; n++ {
			if u, ok = u.append(0, limit); !ok {
				return columnar.Int128{}, ErrRange
			}
		}
	}
	if round {
		u = u.mulAdd(1, 1)
		if !u.less(limit) {
			return columnar.Int128{}, ErrRange
		}
	}
	return u.signed(d.neg), nil
}
