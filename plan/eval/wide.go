package eval

import (
	"math/big"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

var tens = func() (t [19]int64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

// wideTens are the powers of ten up to 10^38.
var wideTens = func() (t [39]columnar.Int128) {
	for i := range t {
		t[i], _ = columnar.Int128FromBig(bigTen(i))
	}
	return t
}()

func bigTen(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func add128(a, b columnar.Int128) columnar.Int128 {
	lo, c := bits.Add64(a.Lo, b.Lo, 0)
	return columnar.Int128{Lo: lo, Hi: a.Hi + b.Hi + int64(c)}
}

func sub128(a, b columnar.Int128) columnar.Int128 {
	lo, c := bits.Sub64(a.Lo, b.Lo, 0)
	return columnar.Int128{Lo: lo, Hi: a.Hi - b.Hi - int64(c)}
}

func neg128(a columnar.Int128) columnar.Int128 { return sub128(columnar.Int128{}, a) }

func mul64(a, b int64) columnar.Int128 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	h := int64(hi)
	if a < 0 {
		h -= b
	}
	if b < 0 {
		h -= a
	}
	return columnar.Int128{Lo: lo, Hi: h}
}

// abs128 returns the magnitude of a as two words.
func abs128(a columnar.Int128) (hi, lo uint64) {
	if a.Hi < 0 {
		a = neg128(a)
	}
	return uint64(a.Hi), a.Lo
}

func signed128(hi, lo uint64, neg bool) columnar.Int128 {
	x := columnar.Int128{Lo: lo, Hi: int64(hi)}
	if neg {
		return neg128(x)
	}
	return x
}

// mul128 multiplies; ok is false when the product does not fit 127 bits.
func mul128(a, b columnar.Int128) (z columnar.Int128, ok bool) {
	if a.FitsInt64() && b.FitsInt64() {
		return mul64(int64(a.Lo), int64(b.Lo)), true
	}
	ah, al := abs128(a)
	bh, bl := abs128(b)
	if ah != 0 && bh != 0 {
		return z, false
	}
	if ah == 0 {
		ah, al, bh, bl = bh, bl, ah, al
	}
	// (ah·2^64 + al) · bl
	over, mid := bits.Mul64(ah, bl)
	hi, lo := bits.Mul64(al, bl)
	hi, carry := bits.Add64(hi, mid, 0)
	if over != 0 || carry != 0 || hi>>63 != 0 {
		return z, false
	}
	return signed128(hi, lo, (a.Hi < 0) != (b.Hi < 0)), true
}

// divRound divides, rounding half away from zero, if the divisor has 64 bits.
func divRound(x columnar.Int128, y int64) columnar.Int128 {
	xh, xl := abs128(x)
	d := uint64(y)
	if y < 0 {
		d = -d
	}
	qh, rem := xh/d, xh%d
	ql, rem := bits.Div64(rem, xl, d)
	if rem >= d-rem {
		var c uint64
		ql, c = bits.Add64(ql, 1, 0)
		qh += c
	}
	return signed128(qh, ql, (x.Hi < 0) != (y < 0))
}

// rescale128 changes the scale of a decimal by a power of ten, rounding half
// away from zero; ok is false when it does not fit 127 bits.
func rescale128(x columnar.Int128, by int) (columnar.Int128, bool) {
	switch {
	case by == 0:
		return x, true
	case by > 0:
		if by > 38 {
			return x, x == columnar.Int128{}
		}
		return mul128(x, wideTens[by])
	case by >= -18:
		return divRound(x, tens[-by]), true
	}
	z, _ := columnar.Int128FromBig(roundDiv(x.Big(), bigTen(-by)))
	return z, true
}

// within reports whether a decimal has at most p digits.
func within(x columnar.Int128, p int) bool {
	if x.Hi < 0 {
		x = neg128(x)
		if x.Hi < 0 {
			return false
		}
	}
	m := wideTens[p]
	return x.Hi < m.Hi || x.Hi == m.Hi && x.Lo < m.Lo
}

// roundDiv returns n ÷ d, rounded half away from zero.
func roundDiv(n, d *big.Int) *big.Int {
	neg := n.Sign()*d.Sign() < 0
	a, b := new(big.Int).Abs(n), new(big.Int).Abs(d)
	q, m := new(big.Int).QuoRem(a, b, new(big.Int))
	if m.Lsh(m, 1).Cmp(b) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return q
}
