package snappy

// fast decodes elements of up to 64 bytes while 96 bytes more may be written and
// 72 read, from d and s on, and returns how far it came. It stops at any other
// element. The output may be longer than dst, but not than its capacity.
//
//go:noescape
func fast(dst, src []byte, d, s int) (int, int)

// table says of each tag the length in its low byte, 0 for what it does not hold:
// long literals and distances of four bytes; from bit 32 on the mask of the distance that follows the tag, and from
// bit 48 on the high bits of the distance.
var table = elements()

func elements() (t [256]uint64) {
	for tag := range uint64(256) {
		switch n := tag >> 2; tag & 3 {
		case 0:
			if n < 60 {
				t[tag] = n + 1
			}
		case 1:
			t[tag] = (n&7 + 4) | 0xff<<32 | tag>>5<<8<<48
		case 2:
			t[tag] = (n + 1) | 0xffff<<32
		}
	}
	return t
}

// patterns holds for each distance below 8 the mask of the bytes that repeat, the
// factor that repeats them in a word, and how many bytes of it whole repetitions
// fill.
var patterns = repetitions()

func repetitions() (t [8][3]uint64) {
	for n := uint64(1); n < 8; n++ {
		t[n][0] = 1<<(8*n) - 1
		for at := uint64(0); at < 8; at += n {
			t[n][1] |= 1 << (8 * at)
		}
		t[n][2] = 8 - 8%n
	}
	return t
}
