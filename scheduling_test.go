package millrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/event"
)

// files writes a table of 12,000 numbers as eight files, each of which is a task, and
// returns it for FROM.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 8 {
		var rows strings.Builder
		for n := range 1500 {
			fmt.Fprintf(&rows, "%d,%s\n", i*1500+n, strings.Repeat("x", 250)) // so that each file is a task
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.csv", i)), []byte(rows.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "(SELECT CAST(_c0 AS INT) x FROM '" + dir + "') "
}

// TestFair: under FAIR a short query is answered while a long one, which came first,
// has most of its tasks before it, on one slot; in the same pool it has to wait.
func TestFair(t *testing.T) {
	numbers := files(t)
	for _, pool := range []string{"", "one"} {
		s := open(t, "local[1]", millrace.WithSetting("scheduler.mode", "FAIR"), millrace.WithSetting("scheduler.pool", pool), millrace.WithSetting("scheduler.pools", "one=2:1"))
		events, stop := s.Events(1000)
		df, err := s.SQL(context.Background(), "SELECT count(*) FROM "+numbers+"a, "+numbers+"b WHERE a.x * 2 < b.x + 7")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { // ends with the query
			_, err := df.Collect(context.Background())
			done <- err
		}()
		for e := range events { // the long one runs its join
			if e.Kind == event.TaskStarted && e.Stage == 1 {
				break
			}
		}
		if _, _, err := text(t, s, "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		stop()
		before, ended := 0, false // tasks of the join that ended before the short query
		for e := range events {
			ended = ended || e.Kind == event.JobEnded && e.Job == 2
			if e.Kind == event.TaskEnded && e.Job == 1 && e.Stage == 1 && !ended {
				before++
			}
		}
		if !ended || (before < 6) != (pool == "") {
			t.Errorf("in the pool %q the short query was answered (%v) after %d of 8 tasks of the long one", pool, ended, before)
		}
	}
}

// TestPoolSettings: a query may be given another pool than those before; what a
// session's scheduler is made of stays.
func TestPoolSettings(t *testing.T) {
	s := open(t, "local[1]")
	for _, x := range []struct{ statement, want string }{
		{"SET scheduler.pool = dashboards", ""},
		{"SET scheduler.mode = FAIR", "scheduler.mode"},
		{"SET scheduler.pools = a=1", "scheduler.pools"},
	} {
		if _, err := s.SQL(context.Background(), x.statement); (x.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.statement, err)
		}
	}
	for _, bad := range []string{"a", "a=0", "a=1,a=2", "a=1:", "=1", "a=1;b=2"} {
		if _, err := millrace.Open(context.Background(), "local", millrace.WithSetting("scheduler.pools", bad)); err == nil {
			t.Errorf("scheduler.pools takes %q", bad)
		}
	}
	if _, err := millrace.Open(context.Background(), "local", millrace.WithSetting("scheduler.mode", "fair?")); err == nil {
		t.Error("scheduler.mode takes anything")
	}
}

// TestFairLatency, with MILLRACE_SLOW: a hundred short queries beside long ones on two
// slots. The slowest but five take under FAIR at most three times what they take alone.
func TestFairLatency(t *testing.T) {
	if !slow {
		t.Skip("measures time; MILLRACE_SLOW runs it")
	}
	numbers := files(t)
	s := open(t, "local[2]", millrace.WithSetting("scheduler.mode", "FAIR"))
	short := "SELECT x % 10 k, count(*), sum(x) FROM " + numbers + "GROUP BY 1"
	p95 := func() time.Duration {
		var took []time.Duration
		for range 100 {
			began := time.Now()
			if _, _, err := text(t, s, short); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("p50 %s p80 %s p95 %s max %s", took[50], took[80], took[94], took[99])
		return took[94]
	}
	p95() // warm
	alone := p95()
	ctx, cancel := context.WithCancel(t.Context())
	events, stop := s.Events(1000)
	done := make(chan int)
	go func() { // ends with ctx
		n := 0
		for ; ctx.Err() == nil; n++ {
			df, err := s.SQL(ctx, "SELECT count(*) FROM "+numbers+"a, "+numbers+"b, (SELECT * FROM "+numbers+"LIMIT 20) c WHERE a.x * 2 < b.x + c.x")
			if err == nil {
				_, err = df.Collect(ctx)
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				break
			}
		}
		done <- n
	}()
	for e := range events { // the long one runs its join
		if e.Kind == event.TaskStarted && e.Stage > 0 {
			break
		}
	}
	stop()
	beside := p95()
	cancel()
	t.Logf("p95 alone %s, beside a long query %s: %.2f times; %d long ones", alone, beside, float64(beside)/float64(alone), <-done)
	if beside > 3*alone {
		t.Errorf("beside a long query short ones take %.2f times as long", float64(beside)/float64(alone))
	}
}
