package text

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

func padded(s string) []byte { return append([]byte(s), strings.Repeat("9", Pad)...) }

// TestDigits compares the word-wise readers with the plain ones over random and
// damaged numbers.
func TestDigits(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	for range 20_000 {
		n := 1 + rnd.Intn(18)
		b := make([]byte, n)
		for i := range b {
			b[i] = '0' + byte(rnd.Intn(10))
		}
		if rnd.Intn(3) == 0 {
			b[rnd.Intn(n)] = byte(rnd.Intn(256))
		}
		want, err := ParseInt(string(b), 64)
		plain := err == nil && b[0] != '-' && b[0] != '+' && len(Trim(b)) == n
		got, ok := LongDigits(padded(string(b)), n)
		if ok != plain || ok && int64(got) != want {
			t.Fatalf("%q: %d %v, want %d %v", b, got, ok, want, plain)
		}
		if n <= 8 {
			if got, ok := Digits(padded(string(b)), n); ok != plain || ok && int64(got) != want {
				t.Fatalf("%q: %d %v, want %d %v", b, got, ok, want, plain)
			}
		}
	}
}

func TestFastDate(t *testing.T) {
	for year := firstYear - 1; year <= lastYear; year++ {
		for month := 0; month <= 13; month++ {
			for day := 0; day <= 32; day++ {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				want, err := ParseDate(s)
				got, ok := FastDate(padded(s))
				if ok != (err == nil && year >= firstYear && year < lastYear) || ok && got != want {
					t.Fatalf("%s: %d %v, want %d %v", s, got, ok, want, err)
				}
			}
		}
	}
	for i := range "2024-02-29" {
		for c := range 256 {
			b := padded("2024-02-29")
			b[i] = byte(c)
			want, err := ParseDate(b[:10])
			if got, ok := FastDate(b); ok && (err != nil || got != want) || !ok && err == nil && got >= '0' && got <= '9' {
				t.Fatalf("%q: %d %v, want %d %v", b[:10], got, ok, want, err)
			}
		}
	}
}

// TestFastDecimal: what the fast readers of decimals and doubles take, they read
// as the exact ones do, and they take the common spellings.
func TestFastDecimal(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	const chars = "0123456789.-+e "
	taken := 0
	for range 200_000 {
		b := make([]byte, 1+rnd.Intn(20))
		for i := range b {
			b[i] = chars[rnd.Intn(10)]
		}
		for range rnd.Intn(3) {
			b[rnd.Intn(len(b))] = chars[10+rnd.Intn(5)]
		}
		scale := rnd.Intn(12)
		got, ok := FastDecimal(padded(string(b)), len(b), scale)
		if !ok {
			continue
		}
		taken++
		want, err := ParseDecimalTo(string(b), 38, scale)
		if err != nil || !want.FitsInt64() || int64(want.Lo) != got {
			t.Fatalf("%q with scale %d: %d, want %v %v", b, scale, got, want, err)
		}
	}
	for _, s := range []string{"0.04", "21168.23", "-9999999999.99", "1234567890123456.78"[3:]} {
		if _, ok := FastDecimal(padded(s), len(s), 2); !ok {
			t.Errorf("%s is not taken", s)
		}
	}
	floats := 0
	for range 200_000 {
		b := make([]byte, 1+rnd.Intn(19))
		for i := range b {
			b[i] = chars[rnd.Intn(10)]
		}
		for range rnd.Intn(3) {
			b[rnd.Intn(len(b))] = chars[10+rnd.Intn(5)]
		}
		if got, ok := FastFloat(padded(string(b)), len(b)); ok {
			floats++
			if want, err := ParseFloat(b, 64); err != nil || want != got {
				t.Fatalf("%q: %v, want %v %v", b, got, want, err)
			}
		}
	}
	if floats < 10_000 {
		t.Errorf("only %d doubles were taken", floats)
	}
	if taken < 10_000 {
		t.Errorf("only %d were taken", taken)
	}
}
