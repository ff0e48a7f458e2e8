package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/millrace-engine/millrace"
)

// progress is standard output, and shows on a terminal how far a query is, from a
// little after its begin until its first row is printed.
type progress struct {
	mu      sync.Mutex
	now     millrace.Progress
	printed bool // rows of the query
	shown   bool // a line that must be cleared
	end     func()
}

// A query that is over by then shows nothing.
const progressAfter = 500 * time.Millisecond

// follow shows the progress of a session's queries on standard error if that is a
// terminal. It must be stopped.
func follow(s *millrace.Session) *progress {
	p := &progress{end: func() {}}
	if !terminal(os.Stderr) {
		return p
	}
	unwatch := s.Watch(p.take)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.show()
			case <-quit:
				return
			}
		}
	}()
	p.end = func() {
		unwatch()
		close(quit)
		<-done
	}
	return p
}

func (p *progress) stop() {
	p.end()
	p.hide()
}

// hide takes the line away until the next query.
func (p *progress) hide() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.printed = true
}

func (p *progress) take(now millrace.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Began != p.now.Began {
		p.printed = false
	}
	p.now = now
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.Ended || p.printed {
		p.clear()
		return
	}
	if p.now.Began.IsZero() || time.Since(p.now.Began) < progressAfter {
		return
	}
	fmt.Fprintf(os.Stderr, "\r\033[K%s", line(p.now, time.Since(p.now.Began)))
	p.shown = true
}

// bar is the width of the part that fills.
const bar = 24

// line is "[######··] stage 2 of 5, 12 of 48 tasks, 3.2 s".
func line(p millrace.Progress, took time.Duration) string {
	b := make([]byte, 0, 128)
	b = append(b, '[')
	full := 0
	if p.Tasks > 0 && p.Stages > 0 { // a stage that is done is worth its share, tasks count within the rest
		full = min(bar, bar*p.StagesDone/p.Stages+bar*p.TasksDone/p.Tasks/p.Stages)
	}
	for i := range bar {
		if i < full {
			b = append(b, '#')
		} else {
			b = append(b, '.')
		}
	}
	return string(fmt.Appendf(b, "] stage %d of %d, %d of %d tasks, %.1f s", min(p.StagesDone+1, p.Stages), p.Stages, p.TasksDone, p.Tasks, took.Seconds()))
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\033[K")
		p.shown = false
	}
}

// Write implements io.Writer: what is printed takes the line's place.
func (p *progress) Write(b []byte) (int, error) {
	p.hide()
	return os.Stdout.Write(b)
}
