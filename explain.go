package millrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

func (s *Session) explain(ctx context.Context, x *logical.Explain) (string, error) {
	var b strings.Builder
	q, err := s.plan(ctx, x.Query, nil)
	if err != nil {
		return "", err
	}
	switch x.Mode {
	case logical.ExplainExtended:
		fmt.Fprintf(&b, "== Analyzed ==\n%s== Optimized ==\n%s== Physical ==\n%s", logical.Tree(q.analyzed), logical.Tree(q.optimized), physical.Tree(q.physical))
	case logical.ExplainFormatted:
		g, err := stage.Cut(q.physical)
		if err != nil {
			return "", err
		}
		b.WriteString(g.String())
	case logical.ExplainAnalyze:
		r, err := s.start(ctx, q)
		if err != nil {
			return "", err
		}
		defer r.Close()
		for err == nil { // the rows are not wanted
			_, err = r.next()
		}
		if !errors.Is(err, io.EOF) {
			return "", err
		}
		b.WriteString(analysis(r.Stats()))
	default:
		b.WriteString(physical.Tree(q.physical))
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// analysis renders what each operator of a run did.
func analysis(r *driver.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f ms in all\n", r.Millis)
	for _, st := range r.Stages {
		fmt.Fprintf(&b, "stage %d: %d tasks, %.1f ms", st.Stage.ID, st.Tasks, st.Millis)
		if st.Stage.Out != nil {
			fmt.Fprintf(&b, " → exchange %d %s", st.Stage.Out.Exchange, st.Stage.Out.Partitioning)
		}
		b.WriteString("\n")
		for i, o := range st.Operators {
			own := o.Nanos
			for k := i + 1; k < len(st.Operators) && st.Operators[k].Depth > o.Depth; k++ {
				if st.Operators[k].Depth == o.Depth+1 {
					own -= st.Operators[k].Nanos
				}
			}
			fmt.Fprintf(&b, "  %s%s\n  %s  rows %d, batches %d, own time %.1f ms", strings.Repeat("  ", o.Depth), o.Node, strings.Repeat("  ", o.Depth), o.Rows, o.Batches, float64(own)/1e6)
			if o.RowsRead > 0 || o.RowGroups > 0 {
				fmt.Fprintf(&b, ", read %d rows, %.1f MiB, row groups %d (%d pruned), pages pruned %d, rows pruned %d", o.RowsRead, float64(o.BytesRead)/(1<<20), o.RowGroups, o.RowGroupsPruned, o.PagesPruned, o.RowsPruned)
			}
			if o.PeakBytes > 0 {
				fmt.Fprintf(&b, ", peak %.1f MiB a task, spilled %.1f MiB", float64(o.PeakBytes)/(1<<20), float64(o.SpilledBytes)/(1<<20))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
