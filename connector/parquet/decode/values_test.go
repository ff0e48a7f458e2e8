package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// plainStrings encodes strings.
func plainStrings(ss []string) (b []byte) {
	for _, s := range ss {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

// TestTogether moves strings of all lengths together, in batches and with skips.
func TestTogether(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for range 300 {
		ss := make([]string, 1+rnd.Intn(60))
		most := 1 + rnd.Intn(100)
		for i := range ss {
			ss[i] = string(bytes.Repeat([]byte{byte('a' + i%26)}, rnd.Intn(most)))
		}
		v, err := newValues(format.ByteArray, 0, encPlain, plainStrings(ss))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(ss); {
			n := 1 + rnd.Intn(len(ss)-at)
			if rnd.Intn(3) == 0 {
				if err := v.skip(n); err != nil {
					t.Fatal(err)
				}
				at += n
				continue
			}
			off, b, err := v.strings(n, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if got := string(b[off[i]:off[i+1]]); got != ss[at+i] {
					t.Fatalf("string %d of %d: %q, want %q", at+i, len(ss), got, ss[at+i])
				}
			}
			at += n
		}
		if _, _, err := v.strings(1, nil); err == nil {
			t.Fatal("a string behind the last was read")
		}
	}
}

// pack is a naive packer.
func pack(xs []uint32, width int) []byte {
	b := make([]byte, (len(xs)*width+7)/8)
	for i, x := range xs {
		for k := range width {
			if x>>k&1 != 0 {
				b[(i*width+k)/8] |= 1 << ((i*width + k) % 8)
			}
		}
	}
	return b
}

// TestHybrid reads runs and packed groups of every width in random steps.
func TestHybrid(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for width := range 33 {
		for range 20 {
			var b []byte
			var want []uint32
			random := func() uint32 { return uint32(rnd.Uint64() & (1<<width - 1)) }
			for len(want) < 200 {
				if rnd.Intn(2) == 0 {
					n, x := rnd.Intn(40), random()
					b = binary.AppendUvarint(b, uint64(n)<<1)
					for k := 0; k < width; k += 8 {
						b = append(b, byte(x>>k))
					}
					for range n {
						want = append(want, x)
					}
					continue
				}
				xs := make([]uint32, 8*(1+rnd.Intn(5)))
				for i := range xs {
					xs[i] = random()
				}
				b = append(binary.AppendUvarint(b, uint64(len(xs)/8)<<1|1), pack(xs, width)...)
				want = append(want, xs...)
			}
			h := newHybrid(b, width)
			for at := 0; at < len(want); {
				n := 1 + rnd.Intn(len(want)-at)
				if rnd.Intn(4) == 0 {
					if err := h.Skip(n); err != nil {
						t.Fatal(err)
					}
				} else {
					got := make([]uint32, n)
					if err := h.Codes(got); err != nil {
						t.Fatal(err)
					}
					if fmt.Sprint(got) != fmt.Sprint(want[at:at+n]) {
						t.Fatalf("width %d at %d: %v, want %v", width, at, got, want[at:at+n])
					}
				}
				at += n
			}
		}
	}
}

// TestUnpack compares the two ways to take groups apart, for every width and for
// input that ends anywhere near.
func TestUnpack(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for width := 1; width <= 32; width++ {
		for groups := range 40 {
			b := make([]byte, groups*width+rnd.Intn(3)*rnd.Intn(20))
			rnd.Read(b)
			got, want := make([]uint32, 8*groups+1), make([]uint32, 8*groups+1)
			got[8*groups], want[8*groups] = 7, 7
			unpack(got[:8*groups], b, width)
			unpackRest(want[:8*groups], b, width)
			if !slices.Equal(got, want) {
				t.Fatalf("width %d, %d groups in %d bytes: %v, want %v", width, groups, len(b), got, want)
			}
		}
	}
}

// FuzzUnpack compares the assembly with Go.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("packed numbers of some bits each"), byte(3))
	f.Add(bytes.Repeat([]byte{0xa5}, 300), byte(17))
	f.Fuzz(func(t *testing.T, b []byte, w byte) {
		width := 1 + int(w)%32
		n := len(b) / width
		got, want := make([]uint32, 8*n), make([]uint32, 8*n)
		unpack(got, b, width)
		unpackRest(want, b, width)
		if !slices.Equal(got, want) {
			t.Fatalf("width %d: %v, want %v", width, got, want)
		}
	})
}

// BenchmarkStrings moves strings like lineitem's comments together.
func BenchmarkStrings(b *testing.B) {
	rnd := rand.New(rand.NewSource(1))
	ss := make([]string, 16384)
	for i := range ss {
		ss[i] = string(bytes.Repeat([]byte{'x'}, 10+rnd.Intn(34)))
	}
	page := plainStrings(ss)
	buf := make([]byte, len(page))
	off := make([]int32, 8193)
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		copy(buf, page)
		v, _ := newValues(format.ByteArray, 0, encPlain, buf)
		for range 2 {
			if _, err := v.together(off); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCodes unpacks groups.
func BenchmarkCodes(b *testing.B) {
	for _, width := range []int{1, 3, 6, 8, 12, 14, 17} {
		b.Run(fmt.Sprint(width), func(b *testing.B) {
			in, out := make([]byte, 1024*width+8), make([]uint32, 8192)
			b.SetBytes(8192)
			for b.Loop() {
				unpack(out, in, width)
			}
		})
	}
}
