package report

import (
	"fmt"

	"github.com/millrace-engine/millrace/bench/functions"
)

// functionTable writes what functions of programs cost, and what it costs not to have
// any.
func functionTable(w *writer, r *functions.Result) {
	w.line("## Functions in Go and in WebAssembly")
	w.line("")
	w.linef("%s, %d cores; %s; `%s`. The same functions over %d different strings, a task at a time, by turns; medians of %d runs. Shares are of the speed of", r.Machine.CPU, r.Machine.Cores, r.Started, r.Command, r.Rows, r.Runs)
	w.line("the engine's own by processor time: of whole queries, which must reach what the table says, and of the function alone, which is the query")
	w.line("less the same one without a function. A plain loop is the Go function called by a program that does nothing else.")
	w.line("")
	if r.Others > quiet {
		w.linef("**The machine was not quiet**: other programs took %.0f %% of its processor time.", 100*r.Others)
		w.line("")
	}
	w.head("function", "form", "query, s", "processor, s", "alone, ns a row", "plain loop", "share of the query", "needs", "share alone", "")
	for _, f := range r.Figures {
		loop, need, verdict := "–", "–", ""
		if f.Loop > 0 {
			loop = fmt.Sprintf("%.1f", f.Loop)
		}
		if f.Need > 0 {
			need, verdict = fmt.Sprintf("≥ %.0f %%", 100*f.Need), "passed"
			if !f.OK() {
				verdict = "**missed**"
			}
		}
		w.row(f.Function, f.Form, fmt.Sprintf("%.3f", f.Seconds), fmt.Sprintf("%.2f ± %.2f", f.Processor, f.MAD), fmt.Sprintf("%.1f", f.Alone), loop,
			fmt.Sprintf("%.0f %%", 100*f.Query), need, fmt.Sprintf("%.0f %%", 100*f.Share), verdict)
	}
	w.line("")
	if len(r.Starts) == 0 {
		return
	}
	w.line("A process that answers `SELECT count(*) FROM range(1000)`, from its start to its end:")
	w.line("")
	w.head("process", "ms", "processor, ms", "peak memory, MiB", "store on disk")
	for _, x := range r.Starts {
		store := "none"
		if x.Store {
			store = "made"
		}
		w.row(x.What, fmt.Sprintf("%.1f", 1000*x.Seconds), fmt.Sprintf("%.1f", 1000*x.Processor), fmt.Sprintf("%.1f", float64(x.RSS)/(1<<20)), store)
	}
	w.line("")
	if !r.Cheap() {
		w.line("**Missed**: without artifacts it takes more than with one.")
		w.line("")
	}
}
