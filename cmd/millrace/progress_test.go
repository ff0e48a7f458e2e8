package main

import (
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		p    millrace.Progress
		want string
	}{
		{millrace.Progress{Stages: 3}, "[........................] stage 1 of 3, 0 of 0 tasks, 1.5 s"},
		{millrace.Progress{Stages: 2, StagesDone: 1, Tasks: 10, TasksDone: 5}, "[##################......] stage 2 of 2, 5 of 10 tasks, 1.5 s"},
		{millrace.Progress{Stages: 2, StagesDone: 2, Tasks: 10, TasksDone: 10}, "[########################] stage 2 of 2, 10 of 10 tasks, 1.5 s"},
	} {
		if got := line(c.p, 1500*time.Millisecond); got != c.want {
			t.Errorf("%+v\n%s\n%s", c.p, got, c.want)
		}
	}
}
