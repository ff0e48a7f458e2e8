package millrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/event"
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
		if q.adapt != nil {
			fmt.Fprintf(&b, "\n== Initial plan ==\n%s\n== Final plan ==\n%s", q.graph.Tree(), r.Stats().Graph.Tree())
		}
	default:
		b.WriteString(physical.Tree(q.physical))
	}
	if x.Mode != logical.ExplainAnalyze && q.adapt != nil && b.Len() > 0 {
		b.WriteString("adaptive=on: stages that have not begun are planned again as others end (EXPLAIN ANALYZE shows both plans)\n")
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// analysis renders what each operator of a run did: a table per stage, the plan as
// its last column, so that the numbers stay in line however long a node's text is.
//
//	stage 0, 2 tasks, 12.1 ms → exchange 1 hash 4 [k], 1.2 MiB
//	   rows  batches   bytes  time ms  memory  spilled  operator
//	  10000        2  80 KiB      3.1       –        –  Scan …
//
// Time is an operator's own, of all tasks together; memory the most that it had
// reserved in a task.
func analysis(r *driver.Result) string {
	var b strings.Builder
	tasks, needed := 0, r.Graph.Needed()
	for _, st := range r.Stages {
		tasks += st.Tasks
	}
	fmt.Fprintf(&b, "%.1f ms, %s, %s\n", r.Millis, counted(len(r.Stages), "stage"), counted(tasks, "task"))
	for _, st := range r.Stages {
		if !needed[st.Stage.ID] && st.Operators == nil {
			fmt.Fprintf(&b, "\nstage %d was not needed\n", st.Stage.ID)
			continue
		}
		fmt.Fprintf(&b, "\nstage %d, %s, %.1f ms", st.Stage.ID, counted(st.Tasks, "task"), st.Millis)
		if st.Tasks > 1 {
			fmt.Fprintf(&b, " (a task %.1f to %.1f ms)", st.Fastest, st.Slowest)
		}
		if st.Stage.Out != nil {
			fmt.Fprintf(&b, " → exchange %d %s, %s", st.Stage.Out.Exchange, st.Stage.Out.Partitioning, amount(st.Written))
		}
		b.WriteString("\n")
		table := [][]string{{"rows", "batches", "bytes", "time ms", "memory", "spilled", "operator"}}
		for i, o := range st.Operators {
			indent := strings.Repeat("  ", o.Depth)
			table = append(table, []string{strconv.FormatInt(o.Rows, 10), strconv.FormatInt(o.Batches, 10), amount(o.Bytes),
				fmt.Sprintf("%.1f", float64(event.OwnNanos(st.Operators, i))/1e6), amount(o.PeakBytes), amount(o.SpilledBytes), indent + o.Node})
			if o.RowsRead > 0 || o.RowGroups > 0 {
				read := fmt.Sprintf("%s  read %d rows, %s", indent, o.RowsRead, amount(o.BytesRead))
				if o.RowGroups > 0 {
					read += fmt.Sprintf("; pruned %d of %d row groups, %d pages, %d rows", o.RowGroupsPruned, o.RowGroups, o.PagesPruned, o.RowsPruned)
				}
				if all := o.FrontHits + o.FrontMisses; all > 0 && o.RowGroups > 1 {
					read += fmt.Sprintf("; %d of %s in memory", o.FrontHits, counted(int(all), "footer and index look-up"))
				}
				if all := o.CacheHits + o.CacheDisk + o.CacheFetched + o.CacheMisses; all > 0 {
					read += fmt.Sprintf("; of %s %d in memory, %d on disk, %d elsewhere, %d computed", counted(int(all), "block"), o.CacheHits, o.CacheDisk, o.CacheFetched, o.CacheMisses)
				}
				table = append(table, []string{"", "", "", "", "", "", read})
			}
		}
		writeAligned(&b, table)
	}
	return b.String()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// amount renders bytes; none is a dash.
func amount(n int64) string {
	switch {
	case n == 0:
		return "–"
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// writeAligned writes rows of cells: all columns but the last to the right.
func writeAligned(b *strings.Builder, table [][]string) {
	last := len(table[0]) - 1
	width := make([]int, last)
	for _, row := range table {
		for i := range width {
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range table {
		for i, w := range width {
			fmt.Fprintf(b, "  %*s", w, row[i])
		}
		b.WriteString("  " + row[last] + "\n")
	}
}
