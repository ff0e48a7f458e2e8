package eval

import (
	"testing"
	"time"
)

func TestCalendar(t *testing.T) {
	day := time.Date(-10, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := day.Unix() / 86400; n < 2932896+400; n++ {
		y, m, d := ymd(int32(n))
		if int(y) != day.Year() || int(m) != int(day.Month()) || int(d) != day.Day() {
			t.Fatalf("day %d is %d-%d-%d, want %s", n, y, m, d, day.Format(time.DateOnly))
		}
		if a, b, c := civil(n); a != int(y) || b != int(m) || c != int(d) {
			t.Fatalf("civil(%d) is %d-%d-%d, want %d-%d-%d", n, a, b, c, y, m, d)
		}
		day = day.AddDate(0, 0, 1)
	}
}
