package report

import (
	"fmt"

	"github.com/millrace-engine/millrace/bench/filters"
)

// filterTable writes what runtime filters save of what is shuffled.
func filterTable(w *writer, r *filters.Result) {
	w.line("## Runtime filters")
	w.line("")
	w.linef("Bytes that queries put into exchanges without and with runtime filters, by the engine's counters; the answers are compared. `%s`, %s.", r.Command, r.Started)
	w.line("")
	w.head("query", "off, KiB", "on, KiB", "saved", "answers")
	for _, x := range append(r.Rows[:len(r.Rows):len(r.Rows)], r.All()) {
		same := "same"
		if !x.Same {
			same = "**differ**"
		}
		w.row(x.Query, fmt.Sprint(x.Off>>10), fmt.Sprint(x.On>>10), fmt.Sprintf("%.0f %%", 100*x.Saved()), same)
	}
	w.line("")
}
