package report

import (
	"fmt"

	"github.com/millrace-engine/millrace/bench/cluster"
)

// clusterTable writes what it costs to run queries in several processes.
func clusterTable(w *writer, r *cluster.Result) {
	w.line("## In several processes")
	w.line("")
	w.linef("TPC-H over %s in one process and in executors that are processes of their own, by turns, with the same cores and memory: the best of %d runs", r.Data, r.Runs)
	w.linef("of each query. On disk: all that is put into exchanges is written to files. %s, %d cores; `%s`, %s.", r.Machine.CPU, r.Machine.Cores, r.Command, r.Started)
	w.line("")
	if r.Others > quiet {
		w.linef("**The machine was not quiet**: other programs took %.0f %% of its processor time.", 100*r.Others)
		w.line("")
	}
	head := []string{"query, ms"}
	for i, p := range r.Places {
		head = append(head, p.Name+" ("+p.Master+")")
		if i > 0 {
			head = append(head, "÷")
		}
	}
	w.head(append(head, "exchanged, MiB", "written to disk, MiB", "answers")...)
	all := r.All()
	for _, q := range append(r.Queries[:len(r.Queries):len(r.Queries)], all) {
		cells := []string{q.Query}
		for i, f := range q.Figs {
			cells = append(cells, ms(f.Best))
			if i > 0 {
				cells = append(cells, fmt.Sprintf("%.2f", q.Ratio(i)))
			}
		}
		last := q.Figs[len(q.Figs)-1]
		same := "same"
		if !q.Same {
			same = "**differ**"
		}
		w.row(append(cells, fmt.Sprint(last.Written>>20), fmt.Sprint(last.Spilled>>20), same)...)
	}
	w.line("")
	for i, p := range r.Places {
		f := all.Figs[i]
		line := fmt.Sprintf("- %s: %.1f s of processors", p.Name, f.CPU/1000)
		if p.Need > 0 {
			verdict := "passed"
			if all.Ratio(i) > p.Need {
				verdict = "**missed**"
			}
			line += fmt.Sprintf("; %.2f times the time of %s, at most %g is allowed: %s", all.Ratio(i), r.Places[0].Name, p.Need, verdict)
		}
		w.line(line + ".")
	}
	w.line("")
}
