package millrace_test

import (
	"sync"
	"testing"

	"github.com/millrace-engine/millrace"
)

// Watch sees a query through to its end, and nothing after it is stopped.
func TestWatch(t *testing.T) {
	s := openTPCH(t, "local[2]")
	ended := make(chan millrace.Progress, 1)
	var once sync.Once
	stop := s.Watch(func(p millrace.Progress) {
		if p.Ended {
			once.Do(func() { ended <- p })
		}
	})
	const query = "SELECT o_orderpriority, count(*) FROM orders GROUP BY 1 ORDER BY 1"
	if _, _, err := text(t, s, query); err != nil {
		t.Fatal(err)
	}
	p := <-ended
	if p.Stages < 2 || p.StagesDone != p.Stages || p.Tasks < p.Stages || p.TasksDone != p.Tasks || p.Began.IsZero() {
		t.Errorf("at the end %+v", p)
	}
	stop()
	if _, _, err := text(t, s, query); err != nil {
		t.Fatal(err)
	}
}
