package report

import (
	"fmt"

	"github.com/millrace-engine/millrace/bench/cached"
)

// cacheTable writes what cached tables save.
func cacheTable(w *writer, r *cached.Result) {
	w.line("## Cached tables")
	w.line("")
	w.linef("%s, %d cores; %s; `%s`. Queries over lineitem, least of all runs, by turns; a query over many small Parquet files; ten rounds of", r.Machine.CPU, r.Machine.Cores, r.Started, r.Command)
	w.line("PageRank and k-means, from the reading of CSV files on.")
	w.line("")
	w.head("what", "figure", "needs", "")
	for _, g := range r.Gates() {
		verdict := "passed"
		if !g.OK() {
			verdict = "**missed**"
		}
		w.row(g.What, fmt.Sprintf("%.2f", g.Figure), g.Bound(), verdict)
	}
	w.line("")
	w.head("job", "way", "memory", "ms", "processors, ms")
	for _, x := range r.Rows {
		memory := x.Memory
		if memory == "" {
			memory = "enough"
		}
		w.row(x.Job, x.Way, memory, fmt.Sprintf("%.1f", x.Millis), fmt.Sprintf("%.1f", x.CPU))
	}
	w.line("")
}
