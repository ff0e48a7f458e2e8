package cached

import "fmt"

// Gate is what a figure must reach: at least Need, or at most it. Figures are ratios of
// times, or a part of blocks.
type Gate struct {
	What   string
	Figure float64
	Need   float64
	AtMost bool
}

// OK reports whether the figure is as it must be.
func (g Gate) OK() bool {
	if g.AtMost {
		return g.Figure <= g.Need
	}
	return g.Figure >= g.Need
}

// Bound prints what the figure must reach: "≥ 2".
func (g Gate) Bound() string {
	if g.AtMost {
		return fmt.Sprintf("≤ %g", g.Need)
	}
	return fmt.Sprintf("≥ %g", g.Need)
}

// Gates are those of what was measured.
func (r *Result) Gates() (all []Gate) {
	row := func(job, way, memory string) *Row {
		for i := range r.Rows {
			if x := &r.Rows[i]; x.Job == job && x.Way == way && (memory == "" || x.Memory == memory) {
				return x
			}
		}
		return nil
	}
	times := func(what string, slow, fast *Row, need float64) {
		if slow != nil && fast != nil {
			all = append(all, Gate{What: what, Figure: slow.Millis / fast.Millis, Need: need})
		}
	}
	for _, x := range []struct {
		query   string
		parquet float64
	}{{"q01", 1.2}, {"q06", 2}} {
		kept := row(x.query, "cached", "")
		times(x.query+" from Parquet ÷ cached", row(x.query, "parquet", ""), kept, x.parquet)
		times(x.query+" from CSV ÷ cached", row(x.query, "csv", ""), kept, 10)
		for _, level := range levels {
			few := row(x.query, "cached "+level, "")
			if few == nil {
				continue
			}
			if files := row(x.query, "parquet", few.Memory); files != nil {
				all = append(all, Gate{What: fmt.Sprintf("%s in %s: cached %s ÷ Parquet", x.query, few.Memory, level), Figure: few.Millis / files.Millis, Need: 1.1, AtMost: true})
			}
		}
	}
	if x := row("hot table", hotWay, ""); x != nil {
		all = append(all, Gate{What: "blocks of a hot table in memory beside scans of 10 times the memory", Figure: x.Hits / 100, Need: 0.9})
	}
	times("small files: footers not kept ÷ kept", row("files", "footers kept: off", ""), row("files", "footers kept: on", ""), 1.1)
	for _, job := range []string{"pagerank", "k-means"} {
		times(job+": without Persist ÷ with", row(job, "csv", ""), row(job, "persisted", ""), 3)
	}
	return all
}
