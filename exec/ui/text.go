package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/exec/status"
)

// amount renders bytes; none is a dash.
func amount(n int64) string {
	if n == 0 {
		return "–"
	}
	x, unit := float64(n), 0
	for units := []string{"B", "KiB", "MiB", "GiB", "TiB"}; ; unit++ {
		if x < 1024 || unit == len(units)-1 {
			if unit == 0 {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", x, units[unit])
		}
		x /= 1024
	}
}

// millis renders a duration given in milliseconds.
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%.1f s", ms/1e3)
	}
	return time.Duration(math.Round(ms/1e3) * 1e9).String()
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// ago is the time since then.
func ago(t time.Time) string { return millis(max(time.Since(t).Seconds()*1e3, 1)) }

// ended counts the stages that have.
func ended(all []status.Stage) (n int) {
	for i := range all {
		if all[i].State != status.Running {
			n++
		}
	}
	return n
}

// count renders a number in groups of three.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// share is a part of a whole in percent of it, for the widths of bars.
func share(part, whole int) float64 {
	if whole <= 0 {
		return 0
	}
	return min(100*float64(part)/float64(whole), 100)
}

// brief is the beginning of a text on one line.
func brief(s string) string {
	const most = 160
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
