package report

import (
	"fmt"

	"github.com/millrace-engine/millrace/bench/shuffle"
)

// shuffleTables writes the gates of what goes between executors, and the ways
// side by side.
func shuffleTables(w *writer, r *shuffle.Result) {
	w.line("## Between executors")
	w.line("")
	w.linef("%s, %d cores; %s. Each figure is compared with a limit of the same run; `millrace bench shuffle` measures them.", r.Machine.CPU, r.Machine.Cores, r.Started)
	w.line("")
	w.head("gate", "figure", "limit", "ratio", "needs", "aim", "")
	for _, g := range r.Gates {
		bound, verdict := "≥", "passed"
		if g.Most {
			bound = "≤"
		}
		if !g.OK() {
			verdict = "**missed**"
		}
		value, limit, ratio, aim := fmt.Sprintf("%.4g %s", g.Value, g.Unit), "–", "–", "–"
		if g.Error != "" {
			value, verdict = "–", "**not measured**"
		} else if g.Limit != "" {
			limit, ratio = fmt.Sprintf("%s: %.4g", g.Limit, g.Of), fmt.Sprintf("%.2f", g.Ratio())
		}
		if g.Aim > 0 {
			aim = fmt.Sprintf("%g", g.Aim)
		}
		w.row(g.Name, value, limit, ratio, fmt.Sprintf("%s %g", bound, g.Need), aim, verdict)
	}
	w.line("")
	for _, g := range r.Gates {
		if g.Note != "" {
			w.linef("- %s: %s.", g.Name, g.Note)
		}
		if g.Error != "" {
			w.linef("- %s: %s.", g.Name, g.Error)
		}
	}
	w.line("")
	w.line("The ways between executors, both ends in one process: a stream of bytes that nobody looks at, lineitem fetched by eight")
	w.line("readers (flat bytes; LZ4 between hosts), processor time of both ends, and a fetch of one row.")
	w.line("")
	w.head("way", "stream, MB/s", "fetch, MB/s", "processor, ns/byte", "one row, µs")
	for _, x := range r.Ways {
		w.row(x.Name, fmt.Sprintf("%.0f", x.Stream), fmt.Sprintf("%.0f", x.Fetch), fmt.Sprintf("%.2f", x.Processor), fmt.Sprintf("%.0f", x.Small))
	}
	w.line("")
}
