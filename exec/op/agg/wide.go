package agg

import (
	"math/big"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// pow10 returns 10^n for 0 ≤ n ≤ 38.
func pow10(n int) columnar.Int128 {
	lo, hi := uint64(1), uint64(0)
	for range n {
		h, l := bits.Mul64(lo, 10)
		lo, hi = l, hi*10+h
	}
	return columnar.Int128{Lo: lo, Hi: int64(hi)}
}

// within reports |x| < limit.
func within(x, limit columnar.Int128) bool {
	if x.Hi < 0 {
		lo, b := bits.Sub64(0, x.Lo, 0)
		hi, _ := bits.Sub64(0, uint64(x.Hi), b)
		x = columnar.Int128{Lo: lo, Hi: int64(hi)}
		if x.Hi < 0 {
			return false
		}
	}
	return x.Hi < limit.Hi || x.Hi == limit.Hi && x.Lo < limit.Lo
}

// mulDivHalfUp returns x·m ÷ d, rounded half away from zero.
func mulDivHalfUp(x, m columnar.Int128, d uint64) (columnar.Int128, bool) {
	if x.Hi == int64(x.Lo)>>63 && m.Hi == 0 && m.Lo>>63 == 0 {
		neg := x.Hi < 0
		a := x.Lo
		if neg {
			a = -a
		}
		hi, lo := bits.Mul64(a, m.Lo)
		if hi < d {
			q, r := bits.Div64(hi, lo, d)
			if r >= d-r {
				q++
			}
			if q>>63 == 0 {
				v := int64(q)
				if neg {
					v = -v
				}
				return columnar.Int128{Lo: uint64(v), Hi: v >> 63}, true
			}
		}
	}
	n := new(big.Int).Mul(x.Big(), m.Big())
	neg := n.Sign() < 0
	n.Abs(n)
	den := new(big.Int).SetUint64(d)
	q, r := new(big.Int).QuoRem(n, den, new(big.Int))
	if r.Lsh(r, 1).Cmp(den) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return columnar.Int128FromBig(q)
}

// decimals stores values as narrow as they allow (columnar's I6).
func decimals(xs []columnar.Int128) (uint8, []byte) {
	for _, x := range xs {
		if !x.FitsInt64() {
			return 16, columnar.BytesOf(xs)
		}
	}
	ys := make([]int64, len(xs))
	for i, x := range xs {
		ys[i] = int64(x.Lo)
	}
	return 8, columnar.BytesOf(ys)
}

// Mean returns sum ÷ n of decimals as the type of an average, and whether it fits:
// what avg computes, for windows.
func Mean(sum columnar.Int128, n int64, from, to columnar.Type) (columnar.Int128, bool) {
	x, ok := mulDivHalfUp(sum, pow10(int(to.Scale)-int(from.Scale)), uint64(n))
	return x, ok && Fits(x, to)
}

// Fits reports whether a decimal has no more digits than its type.
func Fits(x columnar.Int128, t columnar.Type) bool { return within(x, pow10(int(t.Precision))) }

// Decimals returns the width and data of a vector of decimals.
func Decimals(xs []columnar.Int128) (uint8, []byte) { return decimals(xs) }
