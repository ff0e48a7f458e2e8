package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/kernels"
)

// section writes what one run measured.
func section(w *writer, r Run, notes Notes, image string) {
	w.linef("## %s", title(r))
	w.line("")
	machine(w, r)
	w.linef("![%s: time of each engine, and ratios by query](%s)", label(r), image)
	w.line("")
	times(w, r)
	answers(w, r)
	slower(w, r, notes)
	runtimeCounters(w, r)
	details(w, r)
}

// quiet is the share of the machine's processor time that other programs may
// take before figures are not to be trusted.
const quiet = 0.03

// machine says where, when, with which versions and by which command.
func machine(w *writer, r Run) {
	w.linef("- %s, %d cores, %d GiB, %s", r.Machine.CPU, r.Machine.Cores, (r.Machine.Memory+1<<29)>>30, r.Machine.Kernel)
	memory := "as much memory as each engine takes by itself"
	if r.Memory > 0 {
		memory = size(r.Memory) + " for each engine"
	}
	w.linef("- %d threads, %s; %d runs of each query; started %s, took %.0f s", r.Threads, memory, r.Runs, r.Started, r.Seconds)
	w.linef("- %s: %d MiB", r.Data, r.Bytes>>20)
	w.linef("- `%s`", r.Command)
	for _, e := range r.Engines {
		var settings []string
		for _, k := range slices.Sorted(mapKeys(e.Settings)) {
			settings = append(settings, k+"="+e.Settings[k])
		}
		line := fmt.Sprintf("- %s %s", e.Name, e.Version)
		if settings != nil {
			line += ": " + strings.Join(settings, ", ")
		}
		w.line(line)
	}
	if r.Others > quiet {
		w.linef("- **the machine was not quiet**: other programs took %.0f %% of its processor time", 100*r.Others)
	}
	for _, n := range r.Notes {
		w.linef("- note: %s", n)
	}
	w.line("")
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// times is the table of medians, with the ratio to each rival.
func times(w *writer, r Run) {
	names := []string{"query, ms", us}
	for _, rival := range r.rivals() {
		names = append(names, rival, "÷")
	}
	w.head(names...)
	for _, q := range r.Queries {
		label := q.Name
		if q.Title != "" {
			label += ": " + q.Title
		}
		mine := q.Engines[us]
		cells := []string{label, cell(mine)}
		for _, rival := range r.rivals() {
			theirs := q.Engines[rival]
			x := "–"
			if mine.OK() && theirs.OK() {
				x = ratio(mine.Median / theirs.Median)
			}
			cells = append(cells, cell(theirs), x)
		}
		w.row(cells...)
	}
	total, mean, memory := []string{"total", ""}, []string{"geometric mean", ""}, []string{"peak memory", "–"}
	sum := 0.0
	for _, q := range r.Queries {
		if m := q.Engines[us]; m.OK() {
			sum += m.Median
		}
	}
	total[1] = ms(sum)
	mine, _ := r.engine(us)
	if mine.RSS > 0 {
		memory[1] = mib(mine.RSS)
	}
	for _, rival := range r.rivals() {
		d := r.duel(rival)
		theirs, _ := r.engine(rival)
		if d.queries == 0 {
			total, mean = append(total, "–", "–"), append(mean, "", "–")
		} else {
			t := ms(d.theirs)
			if d.queries < d.of {
				t += fmt.Sprintf(" (of %d)", d.queries)
			}
			total = append(total, t, ratio(d.ours/d.theirs))
			mean = append(mean, "", ratio(d.geomean))
		}
		if mine.RSS > 0 && theirs.RSS > 0 {
			memory = append(memory, mib(theirs.RSS), ratio(float64(mine.RSS)/float64(theirs.RSS)))
		} else {
			memory = append(memory, "–", "–")
		}
	}
	w.row(total...)
	w.row(mean...)
	w.row(memory...)
	w.line("")
}

func cell(m harness.Measure) string {
	if !m.OK() {
		return "–"
	}
	return ms(m.Median) + " ± " + ms(m.MAD)
}

// answers says which answers were compared, which were not given, which differ.
func answers(w *writer, r Run) {
	same, near := 0, 0
	var odd []string
	for _, q := range r.Queries {
		for _, e := range r.Engines {
			m, ok := q.Engines[e.Name]
			switch {
			case !ok:
			case m.Error != "":
				odd = append(odd, fmt.Sprintf("- %s: %s gave no answer: %s", q.Name, e.Name, strings.ReplaceAll(m.Error, "\n", " ")))
			case m.Answer == harness.Same:
				same++
			case m.Answer == harness.Near:
				near++
			case m.Answer != harness.Alone:
				odd = append(odd, fmt.Sprintf("- **%s: %s answers otherwise**: %s", q.Name, e.Name, m.Answer))
			}
		}
	}
	switch {
	case same+near == 0:
		w.line("Answers were not compared: there was one engine.")
	case near == 0:
		w.linef("%d answers are the same.", same)
	default:
		w.linef("%d answers are the same, %d of them within the tolerance for doubles and scales.", same+near, near)
	}
	w.line("")
	for _, o := range odd {
		w.line(o)
	}
	if odd != nil {
		w.line("")
	}
}

// slower lists the queries on which DuckDB is faster, with what is known why.
func slower(w *writer, r Run, notes Notes) {
	var lines []string
	for _, q := range r.Queries {
		a, b := q.Engines[us], q.Engines["duckdb"]
		if !a.OK() || !b.OK() || a.Median <= b.Median {
			continue
		}
		why := notes.of(r, q.Name)
		if why == "" {
			why = "not looked into yet."
		}
		lines = append(lines, fmt.Sprintf("- %s (%.2f): %s", q.Name, a.Median/b.Median, why))
	}
	if lines == nil {
		return
	}
	w.line("Slower than DuckDB, and why:")
	w.line("")
	for _, l := range lines {
		w.line(l)
	}
	w.line("")
}

// runtimeCounters sums up what Go's runtime counted.
func runtimeCounters(w *writer, r Run) {
	var gc, busy float64
	var allocs, bytes, batches int64
	worst, worstQuery := 0.0, ""
	for _, q := range r.Queries {
		m := q.Engines[us]
		if m.Runtime == nil || !m.OK() {
			continue
		}
		gc += m.Runtime.GC
		busy += m.Runtime.Busy
		allocs += m.Runtime.Allocs
		bytes += m.Runtime.Bytes
		batches += m.Runtime.Batches
		if m.Runtime.Batches > 0 {
			if x := float64(m.Runtime.Allocs) / float64(m.Runtime.Batches); x > worst {
				worst, worstQuery = x, q.Name
			}
		}
	}
	if busy == 0 || batches == 0 {
		return
	}
	w.linef("Garbage collection took %.1f %% of Millrace's processor time; %.1f objects (%.0f KiB) were allocated per batch and operator, planning included (most in %s: %.0f).",
		100*gc/busy, float64(allocs)/float64(batches), float64(bytes)/1024/float64(batches), worstQuery, worst)
	w.line("")
}

// details is the table of spread, processor time and memory.
func details(w *writer, r Run) {
	w.line("<details><summary>Spread, processor time and memory</summary>")
	w.line("")
	names := []string{"query"}
	for _, e := range r.Engines {
		names = append(names, e.Name+" min–max, ms", "processor, ms", "peak")
	}
	w.head(names...)
	for _, q := range r.Queries {
		cells := []string{q.Name}
		for _, e := range r.Engines {
			m := q.Engines[e.Name]
			if !m.OK() {
				cells = append(cells, "–", "–", "–")
				continue
			}
			cells = append(cells, ms(m.Min)+"–"+ms(m.Max), ms(harness.Median(m.CPU)), mib(m.RSS))
		}
		w.row(cells...)
	}
	w.line("")
	w.line("</details>")
	w.line("")
}

// kernelTable writes what the loops take.
func kernelTable(w *writer, k *kernels.Result) {
	w.line("## Kernels")
	w.line("")
	w.linef("One core of %s; %s. Copying memory ran at %.1f GB/s in the same run; the share says how much of that each loop", k.Machine.CPU, k.Started, k.Copy)
	w.line("moves, counting the bytes that it reads and writes. `go test -bench . ./bench/kernels` runs the same loops.")
	w.line("")
	w.head("kernel", "ns/row", "bytes/row", "of memcpy")
	for _, x := range k.Kernels {
		w.row(x.Name, fmt.Sprintf("%.2f", x.NS), fmt.Sprintf("%.1f", x.Bytes), fmt.Sprintf("%.0f %%", 100*x.Share))
	}
	w.line("")
}
