package text

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

func TestParseDate(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string
		err  error
	}{
		{"1970-01-01", "1970-01-01", nil},
		{"1998-12-01", "1998-12-01", nil},
		{"2024-02-29", "2024-02-29", nil},
		{"2023-02-29", "", ErrSyntax},
		{" 2023-2-9 ", "2023-02-09", nil},
		{"2023", "2023-01-01", nil},
		{"2023-07", "2023-07-01", nil},
		{"2023-07-01 12:00:00", "2023-07-01", nil},
		{"2023-07-01Tx", "2023-07-01", nil},
		{"2023-07T1", "", ErrSyntax},
		{"0001-01-01", "0001-01-01", nil},
		{"1582-10-15", "1582-10-15", nil},
		{"23-07-01", "", ErrSyntax},
		{"2023-13-01", "", ErrSyntax},
		{"2023-00-01", "", ErrSyntax},
		{"2023-1-", "", ErrSyntax},
		{"", "", ErrSyntax},
		{"x", "", ErrSyntax},
		{"9999999-01-01", "", ErrRange},
	} {
		d, err := ParseDate(c.in)
		if !errors.Is(err, c.err) {
			// The widest years fit into 32 bits of days as well.
			if c.err == ErrRange && err == nil {
				continue
			}
			t.Errorf("%q: %v, want %v", c.in, err, c.err)
		}
		if err == nil && columnar.FormatDate(d) != c.want {
			t.Errorf("%q: %s, want %s", c.in, columnar.FormatDate(d), c.want)
		}
	}
}

func TestDaysOfEveryDay(t *testing.T) {
	day := time.Date(-401, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 366 * 1200 {
		if got := DaysOf(day.Year(), int(day.Month()), day.Day()); got*86400 != day.Unix() {
			t.Fatalf("%v: %d", day, got)
		}
		day = day.AddDate(0, 0, 1)
	}
}

func TestParseTimestamp(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no zone database")
	}
	for _, c := range []struct {
		in   string
		zone *time.Location
		want string // in UTC; empty: an error
	}{
		{"2020-01-02", nil, "2020-01-02 00:00:00"},
		{"2020-01-02 03:04:05", nil, "2020-01-02 03:04:05"},
		{"2020-01-02T3:4:5.1234567", nil, "2020-01-02 03:04:05.123456"},
		{"2020-01-02 03:04", nil, "2020-01-02 03:04:00"},
		{"2020-01-02 03:04:05Z", berlin, "2020-01-02 03:04:05"},
		{"2020-01-02 03:04:05+01:30", nil, "2020-01-02 01:34:05"},
		{"2020-01-02 03:04:05 -8", nil, "2020-01-02 11:04:05"},
		{"2020-01-02 03:04:05 UTC+1", nil, "2020-01-02 02:04:05"},
		{"2020-07-02 03:04:05 Europe/Berlin", nil, "2020-07-02 01:04:05"},
		{"2020-07-02 03:04:05", berlin, "2020-07-02 01:04:05"},
		{"2020-03-29 02:30:00", berlin, "2020-03-29 01:30:00"}, // skipped: moves to 03:30 summer time
		{"2020-10-25 02:30:00", berlin, "2020-10-25 00:30:00"}, // twice: the earlier
		{"1969-12-31 23:59:59.5", nil, "1969-12-31 23:59:59.5"},
		{"2020-01-02 24:00:00", nil, ""},
		{"2020-01-02 03:60:00", nil, ""},
		{"2020-01-02 03:04:05 Nowhere/City", nil, ""},
		{"2020-01-02 03:04:05 +19:00", nil, ""},
		{"2020-01 03:04:05", nil, ""},
		{"9999999-01-01 00:00:00", nil, ""},
	} {
		us, err := ParseTimestamp([]byte(c.in), c.zone)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q: %s, want an error", c.in, columnar.FormatTimestamp(us))
			}
			continue
		}
		if err != nil || columnar.FormatTimestamp(us) != c.want {
			t.Errorf("%q: %s %v, want %s", c.in, columnar.FormatTimestamp(us), err, c.want)
		}
	}
	if us, zoned, err := ParseTimestampNTZ("2020-01-02 03:04:05+05"); err != nil || !zoned || columnar.FormatTimestamp(us) != "2020-01-02 03:04:05" {
		t.Errorf("NTZ: %d %v %v", us, zoned, err)
	}
}

func TestParseDecimal(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, c := range []struct {
		in    string
		want  string
		p, s  int
		fails error
	}{
		{"1.50", "1.50", 3, 2, nil},
		{"-0.05", "-0.05", 2, 2, nil},
		{"0", "0", 1, 0, nil},
		{"000.10", "0.10", 2, 2, nil},
		{".5", "0.5", 1, 1, nil},
		{"5.", "5", 1, 0, nil},
		{" +12 ", "12", 2, 0, nil},
		{"1e3", "1000", 4, 0, nil},
		{"1.5e-3", "0.0015", 4, 4, nil},
		{"0e99", "0", 1, 0, nil},
		{nines, nines, 38, 0, nil},
		{"-" + nines, "-" + nines, 38, 0, nil},
		{nines + "0", "", 0, 0, ErrRange},
		{"1e38", "", 0, 0, ErrRange},
		{"1e99999999999", "", 0, 0, ErrRange},
		{"1e-99999999999", "", 0, 0, ErrRange},
		{"1e", "", 0, 0, ErrSyntax},
		{".", "", 0, 0, ErrSyntax},
		{"", "", 0, 0, ErrSyntax},
		{"1.2.3", "", 0, 0, ErrSyntax},
		{"12a", "", 0, 0, ErrSyntax},
	} {
		v, p, s, err := ParseDecimal(c.in)
		if !errors.Is(err, c.fails) || err == nil && (columnar.FormatDecimal(v, s) != c.want || p != c.p || s != c.s) {
			t.Errorf("%q: %s (%d,%d) %v, want %s (%d,%d) %v", c.in, columnar.FormatDecimal(v, s), p, s, err, c.want, c.p, c.s, c.fails)
		}
	}
}

func TestParseDecimalTo(t *testing.T) {
	for _, c := range []struct {
		in   string
		p, s int
		want string // empty: ErrRange
	}{
		{"1.005", 10, 2, "1.01"},
		{"-1.005", 10, 2, "-1.01"},
		{"1.0049", 10, 2, "1.00"},
		{"0.5", 10, 0, "1"},
		{"0.05", 10, 0, "0"},
		{"0.005", 10, 1, "0.0"},
		{"0.05", 10, 1, "0.1"},
		{"9.99", 2, 1, ""},
		{"12345.6", 7, 2, "12345.60"},
		{"12345.6", 6, 2, ""},
		{"1e2", 5, 2, "100.00"},
		{"15e-1", 5, 0, "2"},
		{"5e-1", 5, 0, "1"},
		{"5e-2", 5, 0, "0"},
		{"1e-400", 5, 2, "0.00"},
		{"0e400", 5, 2, "0.00"},
		{"0." + strings.Repeat("3", 60), 38, 38, "0." + strings.Repeat("3", 38)},
	} {
		v, err := ParseDecimalTo(c.in, c.p, c.s)
		if c.want == "" {
			if err != ErrRange {
				t.Errorf("%q: %v, want ErrRange", c.in, err)
			}
			continue
		}
		if err != nil || columnar.FormatDecimal(v, c.s) != c.want {
			t.Errorf("%q as (%d,%d): %s %v, want %s", c.in, c.p, c.s, columnar.FormatDecimal(v, c.s), err, c.want)
		}
	}
}

func TestParseInterval(t *testing.T) {
	span := func(k columnar.Kind, from, to columnar.IntervalUnit) columnar.Type {
		return columnar.Type{Kind: k, From: from, To: to}
	}
	ym, dt := columnar.YearMonthInterval, columnar.DayTimeInterval
	for _, c := range []struct {
		in   string
		typ  columnar.Type
		want int64
		ok   bool
	}{
		{"1-2", columnar.YearMonthType, 14, true},
		{"-1-2", columnar.YearMonthType, -14, true},
		{"1-12", columnar.YearMonthType, 0, false},
		{"3", span(ym, columnar.Year, columnar.Year), 36, true},
		{"3", span(ym, columnar.Month, columnar.Month), 3, true},
		{"90", span(dt, columnar.Day, columnar.Day), 90 * perDay, true},
		{"1 02:03:04.5", columnar.DayTimeType, perDay + 2*perHour + 3*perMinute + 4*perSecond + 500000, true},
		{"-1 02:03:04", columnar.DayTimeType, -(perDay + 2*perHour + 3*perMinute + 4*perSecond), true},
		{"1 24:00:00", columnar.DayTimeType, 0, false},
		{"100:30", span(dt, columnar.Hour, columnar.Minute), 100*perHour + 30*perMinute, true},
		{"59.000001", span(dt, columnar.Second, columnar.Second), 59*perSecond + 1, true},
		{"INTERVAL -'1-2' YEAR TO MONTH", columnar.YearMonthType, -14, true},
		{"INTERVAL '1-2' YEAR", columnar.YearMonthType, 0, false},
		{"", columnar.DayTimeType, 0, false},
		{"9999999999999", span(dt, columnar.Day, columnar.Day), 0, false},
	} {
		got, err := ParseInterval(c.in, c.typ)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q as %s: %d %v, want %d %v", c.in, c.typ, got, err, c.want, c.ok)
		}
	}
}

func TestParseNumbers(t *testing.T) {
	if v, err := ParseInt(" -128 ", 8); v != -128 || err != nil {
		t.Error(v, err)
	}
	if _, err := ParseInt("128", 8); err != ErrRange {
		t.Error(err)
	}
	if v, err := ParseInt("-9223372036854775808", 64); v != math.MinInt64 || err != nil {
		t.Error(v, err)
	}
	if _, err := ParseInt("99999999999999999999999", 64); err != ErrRange {
		t.Error(err)
	}
	if _, err := ParseInt("1.0", 64); err != ErrSyntax {
		t.Error(err)
	}
	for in, want := range map[string]float64{"1.5": 1.5, "1e400": math.Inf(1), "-Infinity": math.Inf(-1), " 2d": 2, "-.5": -.5} {
		if v, err := ParseFloat(in, 64); v != want || err != nil {
			t.Error(in, v, err)
		}
	}
	for _, in := range []string{"", "1_0", "0x10", "e", "1e", "d", "--1"} {
		if v, err := ParseFloat(in, 64); err != ErrSyntax {
			t.Error(in, v, err)
		}
	}
	for in, want := range map[string]bool{"T": true, "yes": true, " 0 ": false, "No": false} {
		if v, err := ParseBool(in); v != want || err != nil {
			t.Error(in, v, err)
		}
	}
}

// Dates and decimals are read once per field of a file: they must not allocate.
func TestNoAllocation(t *testing.T) {
	date, dec, bad := []byte("1996-03-13"), []byte("21168.23"), []byte("21168.2x")
	if n := testing.AllocsPerRun(100, func() {
		ParseDate(date)
		ParseDecimal(dec)
		ParseDecimalTo(dec, 15, 2)
		ParseDecimalTo(bad, 15, 2)
		ParseInt(dec[:5], 64)
		ParseFloat(dec, 64)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The reference for decimals is math/big: what both accept must be equal.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"1.50", "-0.05", "1e3", "1.5e-3", ".5", "99999999999999999999999999999999999999", "700000000000000000000000000000000000000", "7e38"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, p, scale, err := ParseDecimal(s)
		if err != nil {
			return
		}
		if p > columnar.MaxPrecision || scale > p || scale < 0 {
			t.Fatalf("%q: precision %d, scale %d", s, p, scale)
		}
		want, ok := new(big.Rat).SetString(Trim(s))
		got := new(big.Rat).SetFrac(v.Big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if ok && want.Cmp(got) != 0 {
			t.Fatalf("%q: %s, want %s", s, got, want)
		}
		to, err := ParseDecimalTo(s, p, scale)
		if err != nil || to != v {
			t.Fatalf("%q as (%d,%d): %v %v, want %v", s, p, scale, to, err, v)
		}
	})
}

func FuzzParseDatetime(f *testing.F) {
	for _, s := range []string{"2020-01-02", "2020-01-02T03:04:05.678+01:30", "-0001-1-1 1:1:1 UTC", "1 02:03:04.5", "INTERVAL '1-2' YEAR TO MONTH"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err == nil && d >= -719528 && d < 2932897 {
			if again, err := ParseDate(columnar.FormatDate(d)); err != nil || again != d {
				t.Fatalf("%q: %d, again %d %v", s, d, again, err)
			}
		}
		ParseTimestamp(s, time.UTC)
		ParseTimestampNTZ(s)
		ParseInterval(s, columnar.DayTimeType)
		ParseInterval(s, columnar.YearMonthType)
	})
}

func BenchmarkParseDate(b *testing.B) {
	s := []byte("1996-03-13")
	b.ReportAllocs()
	for b.Loop() {
		ParseDate(s)
	}
}

func BenchmarkParseDecimalTo(b *testing.B) {
	s := []byte("21168.23")
	b.ReportAllocs()
	for b.Loop() {
		ParseDecimalTo(s, 15, 2)
	}
}
