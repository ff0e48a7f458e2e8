package dag

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/internal/golden"
)

// A story is a text: lines that start with a word are events, indented lines are
// the actions that followed. Comments start with #.
//
//	replanned J: ID…  as job, the stages that are other or new
//	job J[ adaptive]: ID[flags] tasks N [after P,P] [awaits A,A] [spare P,P]; …     flags: u unstable, w whole
//	done J S.A T        fetch J S.A from W M      lost J S/T S/T …
//	fail J S.A          hurry J                   cancel J
func TestStories(t *testing.T) {
	for _, f := range golden.Names(t, "testdata/*.txt") {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			s := New()
			for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
				if strings.HasPrefix(line, " ") {
					continue
				}
				out.WriteString(line + "\n")
				if line == "" || line[0] == '#' {
					continue
				}
				e, err := parseEvent(line)
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				for _, a := range s.Step(e) {
					out.WriteString("  " + show(a) + "\n")
				}
			}
			golden.File(t, f, out.String())
		})
	}
}

func parseEvent(line string) (e Event, err error) {
	word, rest, _ := strings.Cut(line, " ")
	var a, b, c, d, f int
	switch word {
	case "job", "replanned":
		head, body, _ := strings.Cut(rest, ":")
		sub := &Submit{}
		if _, err = fmt.Sscan(head, &sub.Job); err != nil {
			return e, err
		}
		sub.Adaptive = strings.HasSuffix(head, "adaptive")
		for _, part := range strings.Split(body, ";") {
			var st Stage
			words := strings.Fields(part)
			if len(words) == 0 { // nothing has changed
				continue
			}
			st.Unstable, st.Whole = strings.Contains(words[0], "u"), strings.Contains(words[0], "w")
			if _, err = fmt.Sscan(strings.TrimRight(words[0], "uw"), &st.ID); err != nil {
				return e, err
			}
			if _, err = fmt.Sscan(words[2], &st.Tasks); err != nil {
				return e, err
			}
			for ; len(words) > 3; words = words[2:] {
				list := &st.Parents
				switch words[3] {
				case "awaits":
					list = &st.Awaits
				case "spare":
					list = &st.Spare
				}
				for _, p := range strings.Split(words[4], ",") {
					var n int
					if _, err = fmt.Sscan(p, &n); err != nil {
						return e, err
					}
					*list = append(*list, n)
				}
			}
			sub.Stages = append(sub.Stages, st)
		}
		if e.Submit = sub; word == "replanned" {
			e = Event{Replanned: &Replanned{Job: sub.Job, Stages: sub.Stages}}
		}
	case "done":
		_, err = fmt.Sscanf(rest, "%d %d.%d %d", &a, &b, &c, &d)
		e.TaskDone = &TaskDone{a, b, c, d}
	case "fetch":
		_, err = fmt.Sscanf(rest, "%d %d.%d from %d %d", &a, &b, &c, &d, &f)
		e.FetchFailed = &FetchFailed{Job: a, Stage: b, Attempt: c, Writer: d, Map: f}
	case "lost":
		words := strings.Fields(rest)
		l := &OutputsLost{}
		_, err = fmt.Sscan(words[0], &l.Job)
		for _, w := range words[1:] {
			var o Output
			if _, err = fmt.Sscanf(w, "%d/%d", &o.Stage, &o.Task); err != nil {
				return e, err
			}
			l.Outputs = append(l.Outputs, o)
		}
		e.OutputsLost = l
	case "fail":
		_, err = fmt.Sscanf(rest, "%d %d.%d", &a, &b, &c)
		e.SetFailed = &SetFailed{a, b, c, errors.New("division by zero")}
	case "hurry":
		_, err = fmt.Sscan(rest, &a)
		e.Hurry = &Hurry{a}
	case "cancel":
		_, err = fmt.Sscan(rest, &a)
		e.Cancel = &Cancel{a, errors.New("cancelled")}
	default:
		err = fmt.Errorf("unknown event")
	}
	return e, err
}

func show(a Action) string {
	switch {
	case a.Run != nil:
		return fmt.Sprintf("run %d %d.%d %v", a.Run.Job, a.Run.Stage, a.Run.Attempt, a.Run.Tasks)
	case a.Lost != nil:
		return fmt.Sprintf("unregister %d stage %d task %d", a.Lost.Job, a.Lost.Stage, a.Lost.Task)
	case a.Kill != nil:
		return fmt.Sprintf("kill %d %d.%d", a.Kill.Job, a.Kill.Stage, a.Kill.Attempt)
	case a.EndStage != nil:
		return fmt.Sprintf("end %d %d.%d", a.EndStage.Job, a.EndStage.Stage, a.EndStage.Attempt)
	case a.Replan != nil:
		return fmt.Sprintf("replan %d, open %v", a.Replan.Job, a.Replan.Open)
	case a.Done.Err != nil:
		return fmt.Sprintf("job %d failed: %v", a.Done.Job, a.Done.Err)
	}
	return fmt.Sprintf("job %d succeeded", a.Done.Job)
}
