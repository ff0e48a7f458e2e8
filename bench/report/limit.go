package report

import (
	"fmt"
	"slices"
	"strings"
)

// What Millrace promises of its memory and of its time under a limit.
const (
	residentShare = 1.25      // of the limit
	residentRoom  = 100 << 20 // and this
	mostSlower    = 3         // times the time without a limit
)

// allowed is what the process may have resident under a limit.
func allowed(limit int64) int64 { return int64(residentShare*float64(limit)) + residentRoom }

// limited compares runs under a memory limit with those without, with rivals under
// the same limit, and the resident memory with the limit.
func limited(w *writer, runs []Run) {
	all := runs
	runs = slices.DeleteFunc(slices.Clone(runs), func(r Run) bool {
		_, ours := r.engine(us)
		return r.Memory == 0 || !ours
	})
	if len(runs) == 0 {
		return
	}
	w.line("## Under a memory limit")
	w.line("")
	w.linef("Each engine is told the limit. Millrace's process may have %g × the limit + %s resident, and its total may be %d times that", residentShare, size(residentRoom), mostSlower)
	w.line("without a limit. Totals are over the queries that both sides of a ratio answered.")
	w.line("")
	w.head("suite", "limit", "answered", "total", "÷ without limit", "peak memory", "÷ allowed", "rival", "it answered", "total ÷ rival's", "its peak memory")
	var unanswered []string
	for _, r := range runs {
		mine, _ := r.engine(us)
		ok, sum := r.answered(us)
		cells := []string{link(r), size(r.Memory), ok, ms(sum), slowdown(all, r), mib(mine.RSS), ratio(float64(mine.RSS) / float64(allowed(r.Memory)))}
		rivals := r.rivals()
		if len(rivals) == 0 {
			w.row(append(cells, "–", "–", "–", "–")...)
		}
		for _, name := range rivals {
			theirs, _ := r.engine(name)
			ok, _ := r.answered(name)
			x := "–"
			if d := r.duel(name); d.queries > 0 {
				x = fmt.Sprintf("%s (of %d)", ratio(d.ours/d.theirs), d.queries)
			}
			w.row(append(cells, name, ok, x, mib(theirs.RSS))...)
			cells = []string{"", "", "", "", "", "", ""}
		}
		for _, e := range r.Engines {
			if missing := r.missing(e.Name); missing != nil {
				unanswered = append(unanswered, fmt.Sprintf("- %s: no answer of %s to %s.", label(r), e.Name, strings.Join(missing, ", ")))
			}
		}
	}
	w.line("")
	for _, l := range unanswered {
		w.line(l)
	}
	if unanswered != nil {
		w.line("")
	}
}

// answered counts the queries that an engine answered, and sums their times.
func (r Run) answered(engine string) (count string, total float64) {
	n := 0
	for _, q := range r.Queries {
		if m := q.Engines[engine]; m.OK() {
			n++
			total += m.Median
		}
	}
	return fmt.Sprintf("%d of %d", n, len(r.Queries)), total
}

// missing lists the queries that an engine did not answer, or not as the others.
func (r Run) missing(engine string) (names []string) {
	for _, q := range r.Queries {
		if m, ran := q.Engines[engine]; ran && !m.OK() {
			names = append(names, q.Name)
		}
	}
	return names
}

// slowdown is Millrace's time under the limit of a run ÷ that in a run of the same
// work without one, if there is such a run.
func slowdown(runs []Run, r Run) string {
	for _, o := range runs {
		if o.Memory > 0 || o.Suite != r.Suite || o.SF != r.SF || o.Threads != r.Threads || o.Data != r.Data {
			continue
		}
		with, without, n := 0.0, 0.0, 0
		for _, q := range r.Queries {
			for _, p := range o.Queries {
				if a, b := q.Engines[us], p.Engines[us]; p.Name == q.Name && a.OK() && b.OK() {
					with += a.Median
					without += b.Median
					n++
				}
			}
		}
		if n == 0 {
			continue
		}
		s := fmt.Sprintf("%.2f", with/without)
		if with > mostSlower*without {
			s = "**" + s + "**"
		}
		return fmt.Sprintf("%s (of %d)", s, n)
	}
	return "–"
}
