package ui

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/status"
)

// Units of a timeline's picture. Its width is that of the axis.
const (
	axisWidth  = 1000
	laneHeight = 16
	maxLanes   = 64
	maxBars    = 4000
)

// timeline is a picture of what ran when: lanes from top to bottom, time from left
// to right.
type timeline struct {
	Bars   []bar
	Lanes  []lane
	Height int
	Length string // of the axis
	Left   int    // bars that there was no room for
}

type lane struct {
	Y    int
	Name string
}

type bar struct {
	X, W    float64
	Y, H    int
	State   status.State
	Tooltip string
}

// span is something that lasted.
type span struct {
	from, to time.Time
	state    status.State
	tooltip  string
}

// scale is the axis of a picture.
type scale struct{ from, to time.Time }

func (s scale) bar(x span, y int) bar {
	length := max(s.to.Sub(s.from).Seconds(), 1e-6)
	at := func(t time.Time) float64 { return min(max(t.Sub(s.from).Seconds()/length, 0), 1) * axisWidth }
	left := at(x.from)
	return bar{X: left, W: max(at(x.to)-left, 1.5), Y: y + 2, H: laneHeight - 4, State: x.state, Tooltip: x.tooltip}
}

// ending is when something that began then and took so long ended: now, if it has
// not.
func ending(from time.Time, ms float64, s status.State) time.Time {
	if s == status.Running {
		return time.Now()
	}
	return from.Add(time.Duration(ms * 1e6))
}

// stagesOf draws a job: a lane for each stage.
func stagesOf(j *status.Job) *timeline {
	if len(j.Stages) == 0 {
		return nil
	}
	s := scale{j.Started, ending(j.Started, j.Millis, j.State)}
	t := &timeline{Length: millis(s.to.Sub(s.from).Seconds() * 1e3)}
	for i := range j.Stages {
		st := &j.Stages[i]
		y := i * laneHeight
		t.Lanes = append(t.Lanes, lane{y + laneHeight - 4, fmt.Sprintf("stage %d", st.ID)})
		t.Bars = append(t.Bars, s.bar(span{st.Started, ending(st.Started, st.Millis, st.State), st.State,
			fmt.Sprintf("stage %d: %d tasks, %s", st.ID, st.Counts.Total, millis(st.Millis))}, y))
	}
	t.Height = len(j.Stages) * laneHeight
	return t
}

// tasksOf draws a stage: its tasks in as few lanes per executor as they need.
func tasksOf(st *status.Stage) *timeline {
	if len(st.Tasks) == 0 {
		return nil
	}
	byExecutor := map[string][]span{}
	s := scale{from: st.Tasks[0].Started}
	for i := range st.Tasks {
		t := &st.Tasks[i]
		x := span{t.Started, ending(t.Started, t.Millis, t.State), t.State, fmt.Sprintf("task %d: %s, %s rows", t.Task, millis(t.Millis), count(t.Rows))}
		byExecutor[t.Executor] = append(byExecutor[t.Executor], x)
		if x.to.After(s.to) {
			s.to = x.to
		}
		if x.from.Before(s.from) {
			s.from = x.from
		}
	}
	names := make([]string, 0, len(byExecutor))
	for n := range byExecutor {
		names = append(names, n)
	}
	slices.Sort(names)
	t := &timeline{Length: millis(s.to.Sub(s.from).Seconds() * 1e3)}
	lanes := 0
	for _, name := range names {
		spans := byExecutor[name]
		slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
		var free []time.Time // per lane, when its last task ended
		for _, x := range spans {
			at := slices.IndexFunc(free, func(end time.Time) bool { return !end.After(x.from) })
			if at < 0 {
				if lanes+len(free) >= maxLanes {
					t.Left++
					continue
				}
				at = len(free)
				free = append(free, time.Time{})
			}
			if len(t.Bars) >= maxBars {
				t.Left++
				continue
			}
			free[at] = x.to
			t.Bars = append(t.Bars, s.bar(x, (lanes+at)*laneHeight))
		}
		if len(free) > 0 {
			t.Lanes = append(t.Lanes, lane{lanes*laneHeight + laneHeight - 4, "executor " + name})
		}
		lanes += len(free)
	}
	t.Height = lanes * laneHeight
	return t
}

// jobView is a job's page.
type jobView struct {
	status.Job
	Timeline *timeline
}

// operatorView is a row of a stage's operators.
type operatorView struct {
	event.OperatorStats
	Indent int     // em
	Own    float64 // ms without its inputs
	Share  float64 // of the stage's time in operators, percent
}

// quantiles are of the tasks that succeeded.
type quantiles struct {
	Name   string
	Values [5]string // least, a quarter, median, three quarters, most
}

// stageView is a stage's page.
type stageView struct {
	status.Stage
	Job       int
	Query     string
	Operators []operatorView
	Quantiles []quantiles
	Timeline  *timeline
	Hidden    int // tasks that are not listed
}

// maxListed bounds the table of tasks: the slowest are shown.
const maxListed = 500

func newStageView(j *status.Job, st *status.Stage) stageView {
	v := stageView{Stage: *st, Job: j.ID, Query: j.Query, Timeline: tasksOf(st)}
	v.Operators = operators(st.Operators)
	var times, rows, bytes, peaks, spills []float64
	for _, t := range st.Tasks {
		if t.State == status.Succeeded {
			times, rows, bytes = append(times, t.Millis), append(rows, float64(t.Rows)), append(bytes, float64(t.Bytes))
			peaks, spills = append(peaks, float64(t.PeakBytes)), append(spills, float64(t.SpilledBytes))
		}
	}
	size := func(x float64) string { return amount(int64(x)) }
	for _, q := range []struct {
		name string
		xs   []float64
		show func(float64) string
	}{{"time", times, millis}, {"rows out", rows, func(x float64) string { return count(int64(x)) }}, {"bytes out", bytes, size}, {"memory", peaks, size}, {"spilled", spills, size}} {
		if len(q.xs) > 0 {
			v.Quantiles = append(v.Quantiles, spread(q.name, q.xs, q.show))
		}
	}
	v.Tasks = slices.Clone(st.Tasks)
	slices.SortStableFunc(v.Tasks, func(a, b status.Task) int {
		switch {
		case a.State != b.State && (a.State == status.Failed || b.State == status.Succeeded):
			return -1
		case a.State != b.State:
			return 1
		case a.Millis > b.Millis:
			return -1
		case a.Millis < b.Millis:
			return 1
		}
		return 0
	})
	if len(v.Tasks) > maxListed {
		v.Hidden = len(v.Tasks) - maxListed
		v.Tasks = v.Tasks[:maxListed]
	}
	return v
}

func spread(name string, xs []float64, show func(float64) string) quantiles {
	slices.Sort(xs)
	q := quantiles{Name: name}
	for i := range q.Values {
		q.Values[i] = show(xs[(len(xs)-1)*i/4])
	}
	return q
}

func operators(ops []event.OperatorStats) []operatorView {
	out := make([]operatorView, len(ops))
	all := 0.0
	for i, o := range ops {
		out[i] = operatorView{OperatorStats: o, Indent: o.Depth, Own: float64(event.OwnNanos(ops, i)) / 1e6}
		all += out[i].Own
	}
	for i := range out {
		if all > 0 {
			out[i].Share = 100 * out[i].Own / all
		}
	}
	return out
}
