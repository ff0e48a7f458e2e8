package text

import (
	"math"
	"math/rand"
	"strconv"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// TestAppend compares the renderers with the plain ones of columnar and strconv.
func TestAppend(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	ints := []int64{0, 1, -1, 9, 10, 99, 100, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	for p := int64(1); p < 1e18; p *= 10 {
		ints = append(ints, p, p-1, -p, 1-p)
	}
	for range 20_000 {
		ints = append(ints, rnd.Int63()>>rnd.Intn(63)*int64(1-2*rnd.Intn(2)))
	}
	for _, v := range ints {
		if got, want := string(AppendInt(nil, v)), strconv.FormatInt(v, 10); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		for _, scale := range []int{0, 1, 2, 9, 18, 38} {
			x := columnar.Int128Of(v)
			if got, want := string(AppendDecimal(nil, x, scale)), columnar.FormatDecimal(x, scale); got != want {
				t.Fatalf("scale %d: %s, want %s", scale, got, want)
			}
		}
		us := v % (100_000_000 * perDay)
		if got, want := string(appendStamp(nil, us)), columnar.FormatTimestamp(us); got != want {
			t.Fatalf("%d µs: %s, want %s", us, got, want)
		}
	}
	for d := int32(-720_000); d < 3_000_000; d += 17 {
		if got, want := string(AppendDate(nil, d)), columnar.FormatDate(d); got != want {
			t.Fatalf("%d days: %s, want %s", d, got, want)
		}
	}
	for us, want := range map[int64]string{0: "1970-01-01T00:00:00.000Z", -1: "1969-12-31T23:59:59.999999Z", 1_500_000: "1970-01-01T00:00:01.500Z"} {
		if got := string(AppendISO(nil, us, true)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
