package chaos

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
)

// Comparison is what a fault costs queries.
type Comparison struct {
	Name    string          `json:"name"`
	Started string          `json:"started"`
	Machine harness.Machine `json:"machine"`
	SF      float64         `json:"sf"`
	Most    float64         `json:"most"` // what the ratio may be
	Rows    []Row           `json:"rows"`
	Left    *Leftover       `json:"left,omitempty"` // of losing attempts
}

// Row is a query undisturbed and disturbed: medians of its runs in seconds.
type Row struct {
	Query     string  `json:"query"`
	Plain     float64 `json:"plain_seconds"`
	Disturbed float64 `json:"disturbed_seconds"`
	Without   float64 `json:"without_seconds,omitempty"` // disturbed, without what helps
	Wrong     string  `json:"wrong,omitempty"`
}

// Ratio is how many times as long the query takes disturbed.
func (r Row) Ratio() float64 { return r.Disturbed / r.Plain }

func newComparison(name string, o Options, most float64) *Comparison {
	return &Comparison{Name: name, Started: time.Now().UTC().Format(time.RFC3339), Machine: harness.ThisMachine(), SF: o.SF, Most: most}
}

// OK reports whether no row is wrong or takes too long, and nothing is left.
func (c *Comparison) OK() bool {
	return (c.Left == nil || c.Left.Attempts > 0 && c.Left.Blocks == 0) && !slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Wrong != "" || r.Ratio() > c.Most })
}

// Print writes a line for each row.
func (c *Comparison) Print(w io.Writer) {
	fmt.Fprintf(w, "%s, scale factor %g\n%-6s %12s %12s %8s %8s\n", c.Name, c.SF, "query", "plain s", "disturbed s", "ratio", "at most")
	for _, r := range c.Rows {
		fmt.Fprintf(w, "%-6s %12.3f %12.3f %8.2f %8.2f", r.Query, r.Plain, r.Disturbed, r.Ratio(), c.Most)
		if r.Without > 0 {
			fmt.Fprintf(w, "  (%.3f s without it)", r.Without)
		}
		if r.Wrong != "" {
			fmt.Fprintf(w, "  WRONG: %s", r.Wrong)
		}
		fmt.Fprintln(w)
	}
	if c.Left != nil {
		fmt.Fprintln(w, c.Left)
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}
