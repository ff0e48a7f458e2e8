package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/bench/harness"
)

// Report is a text and the charts that it shows.
type Report struct {
	Text   string
	Charts map[string]string // file name → SVG
}

// Make writes the report. charts is the directory of the charts relative to the
// text's, with slashes.
func Make(in *Inputs, charts string) *Report {
	r := &Report{Charts: map[string]string{}}
	w := &writer{}
	w.line("# Benchmarks")
	w.line("")
	w.line("Written by `millrace bench report` from the files in `bench/results`; changes by hand are lost. `docs/benchmarks.md` says how to")
	w.line("measure. Ratios are Millrace's time ÷ the other engine's: below 1 Millrace is faster.")
	w.line("")
	if len(in.Runs) == 0 && in.Kernels == nil && in.Shuffle == nil && in.Filters == nil && in.Cluster == nil && in.Functions == nil {
		w.line("No figures yet: nothing has been measured on a quiet machine.")
	}
	if len(in.Runs) > 0 {
		summary(w, in.Runs)
		scaling(w, in.Runs)
		limited(w, in.Runs)
		for _, run := range in.Runs {
			name := run.Name + ".svg"
			r.Charts[name] = chart(run)
			section(w, run, in.Notes, charts+"/"+name)
		}
	}
	if in.Kernels != nil {
		kernelTable(w, in.Kernels)
	}
	if in.Shuffle != nil {
		shuffleTables(w, in.Shuffle)
	}
	if in.Cluster != nil {
		clusterTable(w, in.Cluster)
	}
	if in.Filters != nil {
		filterTable(w, in.Filters)
	}
	if in.Cached != nil {
		cacheTable(w, in.Cached)
	}
	if in.Functions != nil {
		functionTable(w, in.Functions)
	}
	if len(in.Runs) > 0 {
		w.line("## How it is measured")
		w.line("")
		w.line("Each engine is one process for the whole run, with the settings named above, on the same files. A query runs once on each")
		w.line("engine to warm up (three times on Spark), then in rounds of one run on each; the time is what the engine's own process takes from the")
		w.line("text to the whole result in its memory. ± is the median distance from the median. Peak memory is the resident memory of the")
		w.line("process and its children, for the rivals with the Python that drives them.")
		w.line("")
		w.line("Answers are compared in every run: " + lowerFirst(harness.Rule))
	}
	r.Text = strings.TrimRight(w.b.String(), "\n") + "\n"
	return r
}

// Write puts the charts and then the text into place. Charts in the directory
// that the report does not show are left.
func (r *Report) Write(out, charts string) error {
	for name, svg := range r.Charts {
		if err := harness.WriteFile(filepath.Join(charts, name), []byte(svg)); err != nil {
			return err
		}
	}
	return harness.WriteFile(out, []byte(r.Text))
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

type writer struct{ b strings.Builder }

func (w *writer) line(s string) { w.b.WriteString(s + "\n") }

func (w *writer) linef(format string, args ...any) { w.line(fmt.Sprintf(format, args...)) }

// row writes a row of a table.
func (w *writer) row(cells ...string) { w.line("| " + strings.Join(cells, " | ") + " |") }

// head writes a table's head: the first column to the left, the others to the
// right.
func (w *writer) head(names ...string) {
	w.row(names...)
	w.line("|---|" + strings.Repeat("--:|", len(names)-1))
}

// ms renders milliseconds with three digits or so.
func ms(x float64) string {
	switch {
	case x >= 10_000:
		return fmt.Sprintf("%.1f s", x/1000)
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// ratio renders a ratio, strongly if the other engine is faster.
func ratio(x float64) string {
	s := fmt.Sprintf("%.2f", x)
	if x > 1 {
		return "**" + s + "**"
	}
	return s
}

func mib(b int64) string { return fmt.Sprintf("%d MiB", b>>20) }

// size renders a limit as people write it.
func size(b int64) string {
	if b%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", b>>30)
	}
	return mib(b)
}

// summary has a row for each rival of each run.
func summary(w *writer, runs []Run) {
	w.line("## In short")
	w.line("")
	w.head("suite", "threads", "files", "rival", "queries", "Millrace", "rival's", "total ÷", "geometric mean ÷", "worst ÷", "processor ÷", "peak memory ÷")
	for _, r := range runs {
		files := author(r)
		mine, _ := r.engine(us)
		for _, name := range r.rivals() {
			d := r.duel(name)
			if d.queries == 0 {
				continue
			}
			theirs, _ := r.engine(name)
			memory := "–"
			if mine.RSS > 0 && theirs.RSS > 0 {
				memory = ratio(float64(mine.RSS) / float64(theirs.RSS))
			}
			w.row(link(r), fmt.Sprint(r.Threads), files, name, fmt.Sprintf("%d of %d", d.queries, d.of), ms(d.ours), ms(d.theirs),
				ratio(d.ours/d.theirs), ratio(d.geomean), ratio(d.worst)+" "+d.worstQuery, ratio(d.processor), memory)
		}
	}
	w.line("")
}

// label names the work of a run, title is its section's heading, anchor what
// links to that.
func label(r Run) string {
	if r.Memory > 0 {
		return r.Title + ", in " + size(r.Memory)
	}
	return r.Title
}

func title(r Run) string { return r.Name + ": " + label(r) }

func link(r Run) string { return fmt.Sprintf("[%s](#%s)", label(r), anchor(r)) }

func anchor(r Run) string {
	var b strings.Builder
	for _, c := range strings.ToLower(title(r)) {
		switch {
		case c == ' ':
			b.WriteByte('-')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_':
			b.WriteRune(c)
		}
	}
	return b.String()
}

// ours is the author of files of our generator.
const ours = "ours"

// author names who wrote the files of a run.
func author(r Run) string {
	if strings.Contains(r.Data, "anew by ") {
		return r.Data[strings.LastIndex(r.Data, " ")+1:]
	}
	return ours
}

// again reports whether there was a run of the same work before.
func again(runs []Run, r Run) bool {
	return slices.ContainsFunc(runs, func(o Run) bool {
		return o.Suite == r.Suite && o.SF == r.SF && o.Threads == r.Threads && o.Data == r.Data && o.Memory == r.Memory
	})
}

// scaling compares runs of one suite that differ in threads or in scale alone.
func scaling(w *writer, runs []Run) {
	var lines []string
	total := func(r Run, queries map[string]bool) float64 {
		sum := 0.0
		for _, q := range r.Queries {
			if queries[q.Name] {
				sum += q.Engines[us].Median
			}
		}
		return sum
	}
	for i, a := range runs {
		for j, b := range runs {
			if again(runs[:i], a) || again(runs[:j], b) || a.Suite != b.Suite || a.Data != b.Data || a.Memory != b.Memory || (a.SF == b.SF) == (a.Threads == b.Threads) {
				continue
			}
			both := map[string]bool{}
			for _, q := range a.Queries {
				for _, p := range b.Queries {
					if p.Name == q.Name && q.Engines[us].OK() && p.Engines[us].OK() {
						both[q.Name] = true
					}
				}
			}
			switch x, y := total(a, both), total(b, both); {
			case len(both) == 0:
			case a.SF == b.SF && a.Threads < b.Threads:
				lines = append(lines, fmt.Sprintf("- %s: %d threads are %.2f times as fast as %d (%d queries).", a.Title, b.Threads, x/y, a.Threads, len(both)))
			case a.Threads == b.Threads && a.SF < b.SF:
				files := ""
				if x := author(a); x != ours {
					files = ", files of " + x
				}
				lines = append(lines, fmt.Sprintf("- %s, %d threads%s: scale factor %g takes %.1f times as long as %g (%d queries).", a.Suite, a.Threads, files, b.SF, y/x, a.SF, len(both)))
			}
		}
	}
	if lines == nil {
		return
	}
	w.line("## How Millrace scales")
	w.line("")
	for _, l := range lines {
		w.line(l)
	}
	w.line("")
}
