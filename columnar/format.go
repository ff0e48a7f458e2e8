package columnar

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Big returns the 128-bit integer as a big.Int, for edges and slow paths.
func (x Int128) Big() *big.Int {
	b := new(big.Int).SetInt64(x.Hi)
	b.Lsh(b, 64)
	return b.Add(b, new(big.Int).SetUint64(x.Lo))
}

// Int128FromBig converts back; ok is false when it does not fit.
func Int128FromBig(b *big.Int) (x Int128, ok bool) {
	if b.BitLen() > 127 {
		return x, false
	}
	lo := new(big.Int).And(b, new(big.Int).SetUint64(^uint64(0)))
	hi := new(big.Int).Rsh(b, 64)
	return Int128{Lo: lo.Uint64(), Hi: hi.Int64()}, true
}

// Int128Of widens a 64-bit integer.
func Int128Of(x int64) Int128 { return Int128{Lo: uint64(x), Hi: x >> 63} }

// FitsInt64 reports whether the value is representable in 64 bits.
func (x Int128) FitsInt64() bool { return x.Hi == int64(x.Lo)>>63 }

// FormatDecimal prints an unscaled decimal with exactly scale fraction digits,
// as Spark does (no exponent).
func FormatDecimal(x Int128, scale int) string {
	var digits string
	neg := x.Hi < 0
	if x.FitsInt64() && int64(x.Lo) != -1<<63 {
		v := int64(x.Lo)
		if neg {
			v = -v
		}
		digits = fmt.Sprint(v)
	} else {
		digits = strings.TrimPrefix(x.Big().String(), "-")
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if neg {
		return "-" + digits
	}
	return digits
}

// FormatDate prints days since the epoch as YYYY-MM-DD.
func FormatDate(days int32) string {
	t := time.Unix(int64(days)*86400, 0).UTC()
	return fmt.Sprintf("%04d-%02d-%02d", t.Year(), t.Month(), t.Day())
}

// FormatTimestamp prints µs since the epoch, in UTC, as Spark does: the
// fraction only where it is not zero, without trailing zeros.
func FormatTimestamp(us int64) string {
	t := time.UnixMicro(us).UTC()
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second())
	if f := t.Nanosecond() / 1000; f != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%06d", f), "0")
	}
	return s
}

// FormatInterval prints an interval as Spark's ANSI literal:
// INTERVAL '1-2' YEAR TO MONTH, INTERVAL '1 02:03:04.5' DAY TO SECOND. v is
// months or µs by the type's kind.
func FormatInterval(v int64, t Type) string {
	sign := ""
	u := uint64(v)
	if v < 0 {
		sign, u = "-", -u
	}
	unit := strings.ToUpper(intervalNames[t.From])
	if t.From != t.To {
		unit += " TO " + strings.ToUpper(intervalNames[t.To])
	}
	if t.Kind == YearMonthInterval {
		var body string
		switch {
		case t.From != t.To:
			body = fmt.Sprintf("%d-%d", u/12, u%12)
		case t.From == Year:
			body = fmt.Sprint(u / 12)
		default:
			body = fmt.Sprint(u)
		}
		return "INTERVAL '" + sign + body + "' " + unit
	}
	return "INTERVAL '" + sign + formatDayTime(u, t.From, t.To) + "' " + unit
}

// formatDayTime prints the fields from … to of a day-time interval of u µs.
func formatDayTime(u uint64, from, to IntervalUnit) string {
	size := [...]uint64{Day: 86_400_000_000, Hour: 3_600_000_000, Minute: 60_000_000, Second: 1_000_000}
	var b strings.Builder
	for f := from; f <= to; f++ {
		n := u / size[f]
		u -= n * size[f]
		switch {
		case f == from:
			if f != Day && from != to && f != Hour || f == Second {
				fmt.Fprintf(&b, "%02d", n)
			} else {
				fmt.Fprint(&b, n)
			}
		case f == Hour:
			fmt.Fprintf(&b, " %02d", n)
		default:
			fmt.Fprintf(&b, ":%02d", n)
		}
	}
	if to == Second && u != 0 {
		b.WriteString(strings.TrimRight(fmt.Sprintf(".%06d", u), "0"))
	}
	return b.String()
}
