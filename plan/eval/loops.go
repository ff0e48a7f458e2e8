package eval

import "math/bits"

// The loops of arithmetic. Each computes all rows, whatever their nulls (I2 of
// columnar), and reports whether a result may have overflowed anywhere; the
// caller then looks at the rows that count.

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64
}

func addVV[T integer](out, a, b []T) bool {
	a, b = a[:len(out)], b[:len(out)]
	var over T
	for i, x := range a {
		y := b[i]
		z := x + y
		over |= (x ^ z) & (y ^ z)
		out[i] = z
	}
	return over < 0
}

func addVC[T integer](out, a []T, c T) bool {
	a = a[:len(out)]
	var over T
	for i, x := range a {
		z := x + c
		over |= (x ^ z) & (c ^ z)
		out[i] = z
	}
	return over < 0
}

func subVV[T integer](out, a, b []T) bool {
	a, b = a[:len(out)], b[:len(out)]
	var over T
	for i, x := range a {
		y := b[i]
		z := x - y
		over |= (x ^ y) & (x ^ z)
		out[i] = z
	}
	return over < 0
}

func subVC[T integer](out, a []T, c T) bool {
	a = a[:len(out)]
	var over T
	for i, x := range a {
		z := x - c
		over |= (x ^ c) & (x ^ z)
		out[i] = z
	}
	return over < 0
}

func subCV[T integer](out []T, c T, b []T) bool {
	b = b[:len(out)]
	var over T
	for i, y := range b {
		z := c - y
		over |= (c ^ y) & (c ^ z)
		out[i] = z
	}
	return over < 0
}

func mulVV[T integer](out, a, b []T) bool {
	a, b = a[:len(out)], b[:len(out)]
	if o, ok := any(out).([]int64); ok {
		return mulWideVV(o, any(a).([]int64), any(b).([]int64))
	}
	var over int64
	for i, x := range a {
		z := int64(x) * int64(b[i])
		out[i] = T(z)
		over |= z ^ int64(T(z))
	}
	return over != 0
}

func mulVC[T integer](out, a []T, c T) bool {
	a = a[:len(out)]
	if o, ok := any(out).([]int64); ok {
		return mulWideVC(o, any(a).([]int64), int64(c))
	}
	var over int64
	for i, x := range a {
		z := int64(x) * int64(c)
		out[i] = T(z)
		over |= z ^ int64(T(z))
	}
	return over != 0
}

// mulWideVV multiplies 64-bit values. The bits that the greatest factors need
// tell whether products fit: that is cheaper than looking at each product, and
// never wrong, only sometimes too careful.
func mulWideVV(out, a, b []int64) bool {
	a, b = a[:len(out)], b[:len(out)]
	var ma, mb int64
	for i, x := range a {
		y := b[i]
		ma |= x ^ x>>63
		mb |= y ^ y>>63
		out[i] = x * y
	}
	return bits.Len64(uint64(ma))+bits.Len64(uint64(mb)) > 62
}

func mulWideVC(out, a []int64, c int64) bool {
	a = a[:len(out)]
	var ma int64
	for i, x := range a {
		ma |= x ^ x>>63
		out[i] = x * c
	}
	return bits.Len64(uint64(ma))+bits.Len64(uint64(c^c>>63)) > 62
}

// scaleUp multiplies by a positive constant; it reports whether that may have
// overflowed.
func scaleUp(out, a []int64, by int64) bool { return mulWideVC(out, a, by) }
