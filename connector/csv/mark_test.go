package csv

import (
	"math/rand"
	"testing"
	"time"
)

// TestMark compares the markers with a loop over bytes.
func TestMark(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	for range 200 {
		text := make([]byte, 64*(1+rnd.Intn(groupBytes/64)))
		for i := range text {
			if text[i] = "a,\n\r-\x00\xac\x0b"[rnd.Intn(8)]; rnd.Intn(3) == 0 {
				text[i] = byte(rnd.Intn(256))
			}
		}
		sep, a, b := byte(','), byte('\n'), byte('\r')
		if rnd.Intn(2) == 0 {
			sep, a, b = byte(rnd.Intn(256)), byte(rnd.Intn(256)), byte(rnd.Intn(256))
		}
		var want, fast, words [2 * groupBytes / 64]uint64
		for i, c := range text {
			if c == sep {
				want[i/64*2] |= 1 << (i % 64)
			}
			if c == a || c == b {
				want[i/64*2+1] |= 1 << (i % 64)
			}
		}
		mark(&fast, text, sep, a, b)
		markWords(&words, text, sep, a, b)
		if fast != want || words != want {
			t.Fatalf("%q with %q %q %q", text, sep, a, b)
		}
	}
}

// FuzzMark compares the assembly with Go.
func FuzzMark(f *testing.F) {
	f.Add([]byte("a,b\r\n\"c,\",d\n"), byte(','), byte('\n'), byte('\r'))
	f.Add([]byte{0, 0xff, 0x80, 0x7f, 1}, byte(0), byte(0x80), byte(0xff))
	f.Fuzz(func(t *testing.T, text []byte, sep, a, b byte) {
		text = text[:min(len(text), groupBytes)]
		text = append(text, make([]byte, -len(text)&63)...)
		var fast, words [2 * groupBytes / 64]uint64
		mark(&fast, text, sep, a, b)
		markWords(&words, text, sep, a, b)
		if fast != words {
			t.Fatalf("%q with %q %q %q", text, sep, a, b)
		}
	})
}
