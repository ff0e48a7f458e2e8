package snappy

// element reads the element at src[s:]: its length, the distance of a copy (0
// for a literal) and where what follows begins.
func element(src []byte, s int) (length, distance, at int, ok bool) {
	tag := src[s]
	s++
	more := 0 // bytes of length or distance
	switch tag & 3 {
	case 0:
		length = int(tag>>2) + 1
		if length > 60 {
			more = length - 60
		}
	case 1:
		more = 1
		length, distance = int(tag>>2&7)+4, int(tag>>5)<<8
	case 2:
		more = 2
		length = int(tag>>2) + 1
	default:
		more = 4
		length = int(tag>>2) + 1
	}
	if len(src)-s < more {
		return 0, 0, 0, false
	}
	x := 0
	for i := range more {
		x |= int(src[s+i]) << (8 * i)
	}
	s += more
	if tag&3 == 0 {
		if more > 0 {
			length = x + 1
		}
		return length, 0, s, length > 0
	}
	distance |= x
	return length, distance, s, distance > 0
}

// one decodes one element of any form. It reports false, having changed
// nothing, if that is not possible.
func one(dst, src []byte, d, s int) (int, int, bool) {
	length, distance, at, ok := element(src, s)
	if !ok || length > len(dst)-d || distance > d {
		return d, s, false
	}
	switch {
	case distance == 0:
		if length > len(src)-at {
			return d, s, false
		}
		copy(dst[d:d+length], src[at:])
		at += length
	case distance >= length:
		copy(dst[d:d+length], dst[d-distance:])
	default: // the copy repeats what it writes
		for i := d; i < d+length; {
			i += copy(dst[i:d+length], dst[d-distance:i])
		}
	}
	return d + length, at, true
}
