package chaos

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
)

// Report is what came of a run.
type Report struct {
	Started string          `json:"started"`
	Machine harness.Machine `json:"machine"`
	SF      float64         `json:"sf"`
	Seed    uint64          `json:"seed"`
	Cluster string          `json:"cluster"`
	Seconds float64         `json:"seconds"`

	Sessions int `json:"sessions"`
	Queries  int `json:"queries"` // under faults: right, wrong, hung, refused or failed
	Right    int `json:"right"`
	Wrong    int `json:"wrong"`
	Hung     int `json:"hung"`
	Refused  int `json:"refused"` // while a disk was full
	Failed   int `json:"failed"`

	Faults        map[Kind]*Count    `json:"faults"`
	TasksFailed   int                `json:"tasks_failed"`        // attempts, as the drivers were told
	ExecutorsLost int                `json:"executors_lost"`      // as the drivers noticed
	Median        map[string]float64 `json:"median_seconds"`      // of each query without faults
	Slower        float64            `json:"slower"`              // times as long as without faults, on average of those that were right
	SlowEnds      int                `json:"slow_ends,omitempty"` // sessions whose executors took more than 10 s to end
	Note          string             `json:"note,omitempty"`
	Failures      []string           `json:"failures,omitempty"`

	slow float64 // sum of Slower
}

// Count is how often faults of a kind struck, and found nothing to strike.
type Count struct {
	Struck int `json:"struck"`
	Missed int `json:"missed"`
}

func newReport(o Options) *Report {
	r := &Report{Started: time.Now().UTC().Format(time.RFC3339), Machine: harness.ThisMachine(), SF: o.SF, Seed: o.Seed, Cluster: "local-cluster[4,1,1024]", Faults: map[Kind]*Count{}, Median: map[string]float64{}}
	switch {
	case o.Master != "":
		r.Cluster = o.Master
	case o.Standalone:
		r.Cluster = "standalone"
	}
	for _, k := range Kinds() {
		r.Faults[k] = &Count{}
	}
	return r
}

func (r *Report) count(k Kind, n int, err error) {
	c := r.Faults[k]
	c.Struck += n
	switch {
	case errors.Is(err, errMissed):
		c.Missed++
	case err != nil:
		r.fail("a fault of the kind %s did not work: %v", k, err)
	}
}

// failures bounds those that are kept.
const failures = 100

func (r *Report) fail(format string, args ...any) {
	if len(r.Failures) < failures {
		r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
	}
}

func (r *Report) slower(_ int, times float64) {
	r.slow += times
	r.Slower = r.slow / float64(r.Right)
}

// OK reports whether nothing was wrong.
func (r *Report) OK() bool { return len(r.Failures) == 0 }

// Line is the state of a run in a line.
func (r *Report) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d queries: %d right, %d wrong, %d hung, %d refused, %d failed;", r.Queries, r.Right, r.Wrong, r.Hung, r.Refused, r.Failed)
	for _, k := range Kinds() {
		fmt.Fprintf(&b, " %s %d", k, r.Faults[k].Struck)
	}
	return b.String()
}

// Print writes the summary.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "TPC-H at scale factor %g on %s, seed %d: %d sessions, %.0f s\n\n", r.SF, r.Cluster, r.Seed, r.Sessions, r.Seconds)
	fmt.Fprintf(w, "%-8s %7s %7s\n", "fault", "struck", "missed")
	for _, k := range Kinds() {
		fmt.Fprintf(w, "%-8s %7d %7d\n", k, r.Faults[k].Struck, r.Faults[k].Missed)
	}
	fmt.Fprintf(w, "\n%d attempts of tasks failed, %d executors were lost; queries took %.1f times as long as without faults\n", r.TasksFailed, r.ExecutorsLost, r.Slower)
	fmt.Fprintf(w, "%d queries: %d right, %d wrong, %d hung, %d refused for a full disk, %d failed otherwise\n", r.Queries, r.Right, r.Wrong, r.Hung, r.Refused, r.Failed)
	if r.SlowEnds > 0 {
		fmt.Fprintf(w, "%d sessions took more than 10 s to end\n", r.SlowEnds)
	}
	if r.Note != "" {
		fmt.Fprintln(w, r.Note)
	}
	for _, f := range r.Failures {
		fmt.Fprintln(w, "FAILURE", f)
	}
}
