package snappy_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	lib "github.com/klauspost/compress/snappy"

	"github.com/millrace-engine/millrace/connector/parquet/snappy"
)

// guarded decodes into a buffer whose bytes behind its capacity must stay.
func guarded(t testing.TB, src []byte, n, slack int) ([]byte, error) {
	t.Helper()
	const guard = 256
	buf := bytes.Repeat([]byte{0xa5}, n+slack+guard)
	out, err := snappy.Decode(buf[:n:n+slack], src)
	for i, b := range buf[n+slack:] {
		if b != 0xa5 {
			t.Fatalf("wrote %d bytes behind the buffer of %d + %d", i+1, n, slack)
		}
	}
	return out, err
}

// naive decodes as the format's description says, byte by byte.
func naive(src []byte) ([]byte, bool) {
	v, s := binary.Uvarint(src)
	if s <= 0 || v > 1<<32-1 {
		return nil, false
	}
	var out []byte
	for s < len(src) {
		tag := int(src[s])
		more := []int{max(0, tag>>2-59), 1, 2, 4}[tag&3]
		if s++; s+more > len(src) {
			return nil, false
		}
		x := 0
		for i := range more {
			x |= int(src[s+i]) << (8 * i)
		}
		s += more
		n := tag>>2 + 1
		switch {
		case tag&3 == 0:
			if more > 0 {
				n = x + 1
			}
			if n > len(src)-s {
				return nil, false
			}
			out = append(out, src[s:s+n]...)
			s += n
			continue
		case tag&3 == 1:
			n, x = tag>>2&7+4, x|tag>>5<<8
		}
		if x == 0 || x > len(out) {
			return nil, false
		}
		for range n {
			out = append(out, out[len(out)-x])
		}
	}
	return out, uint64(len(out)) == v
}

// check compares both decoders on any input.
func check(t testing.TB, src []byte) {
	t.Helper()
	n, err := snappy.DecodedLen(src)
	if err != nil || n > 1<<22 {
		return
	}
	want, fine := naive(src)
	for _, slack := range []int{0, 7, snappy.Slack} {
		got, err := guarded(t, src, n, slack)
		if (err == nil) != fine {
			t.Fatalf("slack %d: %v; want success: %v", slack, err, fine)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("slack %d: wrong bytes", slack)
		}
	}
}

// element appends an element of any form, right or wrong in what it refers to.
func element(r *rand.Rand, b []byte, far int) []byte {
	switch r.IntN(6) {
	case 0:
		n := 1 + r.IntN(60)
		b = append(b, byte(n-1)<<2)
		for range n {
			b = append(b, byte(r.Uint32()))
		}
	case 1:
		n := 1 + r.IntN(300)
		b = binary.LittleEndian.AppendUint16(append(b, 61<<2), uint16(n-1))
		for range n {
			b = append(b, byte(r.Uint32()))
		}
	case 2:
		d := 1 + r.IntN(min(far, 2047))
		b = append(b, byte(r.IntN(8))<<2|byte(d>>8)<<5|1, byte(d))
	case 3, 4:
		b = binary.LittleEndian.AppendUint16(append(b, byte(r.IntN(64))<<2|2), uint16(1+r.IntN(min(far, 1<<16-1))))
	default:
		b = binary.LittleEndian.AppendUint32(append(b, byte(r.IntN(64))<<2|3), uint32(1+r.IntN(far)))
	}
	return b
}

func TestRandom(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	for range 3000 {
		// Elements that refer back as far as there is output, or a little further.
		var body []byte
		n := 0
		for range 1 + r.IntN(100) {
			e := element(r, nil, max(1, min(n, 1+r.IntN(40))+r.IntN(60)/59))
			body = append(body, e...)
			switch tag := int(e[0]); tag & 3 {
			case 0:
				if tag>>2 == 61 {
					n += 1 + int(binary.LittleEndian.Uint16(e[1:]))
				} else {
					n += tag>>2 + 1
				}
			case 1:
				n += tag>>2&7 + 4
			default:
				n += tag>>2 + 1
			}
		}
		src := append(binary.AppendUvarint(nil, uint64(n)), body...)
		check(t, src)
		check(t, src[:r.IntN(len(src)+1)])
		src[r.IntN(len(src))] ^= 1 << r.IntN(8)
		check(t, src)
	}
	for range 300 {
		raw := make([]byte, r.IntN(1<<16))
		for i := range raw {
			raw[i] = byte(r.ExpFloat64() * 10)
			if i > 8 && r.IntN(2) == 0 {
				raw[i] = raw[i-8]
			}
		}
		check(t, lib.Encode(nil, raw))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(lib.Encode(nil, []byte("a block of text, a block of text, a block of text")))
	f.Add([]byte{200, 1, 0, 'a', 0xfe, 1, 0, 0xfe, 1, 0, 0xfe, 1, 0, 0xfe, 1, 0})
	f.Fuzz(func(t *testing.T, src []byte) { check(t, src) })
}

// BenchmarkDecode decodes prices, as Parquet stores them, with this package and
// with klauspost/compress.
func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var raw []byte
	for range 1 << 15 {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(90_000+r.IntN(10_000_000)))
	}
	src := lib.Encode(nil, raw)
	dst := make([]byte, len(raw), len(raw)+snappy.Slack)
	for _, d := range []struct {
		name   string
		decode func(dst, src []byte) ([]byte, error)
	}{{"millrace", snappy.Decode}, {"klauspost", lib.Decode}} {
		b.Run(d.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := d.decode(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
