package dbgen

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The text must not depend on how it was cut for several goroutines.
func TestTextInSegments(t *testing.T) {
	const n = 1 << 20
	s := newStream(poolSeed, 0)
	var want []byte
	for len(want) < n {
		want = sentence(want, &s)
	}
	want = want[:n]
	for _, distance := range []int64{30_000, 77_777, 200_000, 10_000_000} {
		for _, workers := range []int{1, 2, 5} {
			if got := makeText(n, distance, workers); !bytes.Equal(got, want) {
				t.Errorf("the text in segments of %d draws on %d goroutines differs from the sequence", distance, workers)
			}
		}
	}
}

// Segments that never meet are noticed, and the text is made in one piece.
func TestTextWithoutMeeting(t *testing.T) {
	s := newStream(poolSeed, 0)
	var want []byte
	for len(want) < 5000 {
		want = sentence(want, &s)
	}
	// With one draw a segment, a segment's own sentences are too few to meet in.
	if got := makeText(5000, 1, 2); !bytes.Equal(got, want[:5000]) {
		t.Error("the text differs from the sequence")
	}
}

// Whole-number arithmetic must draw what the original's doubles do.
func TestBelowIsTheOriginal(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 1_000_000 {
		s := stream{seed: 1 + r.Int64N(modulus-1)}
		span := 1 + r.Int64N(exactSpan)
		o := s.seed * multiplier % modulus
		want := int64(float64(o) / modulus * float64(span))
		if got := int64(s.below(uint64(span))); got != want || s.seed != o {
			t.Fatalf("span %d: drew %d and went to %d, the original draws %d and goes to %d", span, got, s.seed, want, o)
		}
	}
}

func TestSkip(t *testing.T) {
	for n := range int64(300) {
		a, b := newStream(851767375, 1), newStream(851767375, 1)
		for range n {
			a.advance()
		}
		if b.skip(n); a.seed != b.seed {
			t.Fatalf("skipping %d goes to %d, drawing to %d", n, b.seed, a.seed)
		}
	}
}
