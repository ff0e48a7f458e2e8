package millrace_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/status"
	"github.com/millrace-engine/millrace/exec/ui"
	"github.com/millrace-engine/millrace/internal/diag"
)

// page asks for a page and returns its status and text.
func page(t *testing.T, url string, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if csp := r.Header.Get("Content-Security-Policy"); r.StatusCode == http.StatusOK && !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("%s has the policy %q", url, csp)
	}
	return r.StatusCode, string(b)
}

// holds fails unless a page is there and has all the texts.
func holds(t *testing.T, url string, texts ...string) {
	t.Helper()
	code, body := page(t, url, "")
	if code != http.StatusOK {
		t.Errorf("%s answers %d: %s", url, code, body)
	}
	for _, x := range texts {
		if !strings.Contains(body, x) {
			t.Errorf("%s lacks %q:\n%s", url, x, body)
		}
	}
	if strings.Contains(body, "<script>alert") {
		t.Errorf("%s passes on markup of a query", url)
	}
}

// A session's pages show its jobs while it is there, and the history the same by its
// log when it is gone.
func TestPages(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s, err := millrace.Open(ctx, "local[2]", millrace.WithSetting("ui.address", "127.0.0.1:0"), millrace.WithSetting("event.log.dir", dir), millrace.WithSetting("app.name", "night & day"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, text string) error {
		df, err := s.SQL(ctx, text)
		if err == nil {
			_, err = df.Collect(ctx)
		}
		return err
	}
	const numbers = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t(id)"
	if err := run(ctx, "SELECT id % 3 AS k, count(*) AS n, max('<script>alert(1)</script>') AS x FROM "+numbers+" GROUP BY 1 ORDER BY 1"); err != nil {
		t.Fatal(err)
	}
	if err := run(millrace.WithDescription(ctx, "the failing one"), "SELECT 1 / (id - 5) FROM "+numbers); diag.ClassOf(err) != diag.DivideByZero {
		t.Fatal(err)
	}
	df, err := s.SQL(ctx, "SELECT * FROM "+numbers)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := df.Filter("id > 4").Count(ctx); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	base := s.UI()
	var jobs []status.Job
	for len(jobs) < 3 || jobs[0].State == status.Running { // what is told comes a little later
		_, body := page(t, base+"/api/jobs", "")
		if err := json.Unmarshal([]byte(body), &jobs); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatalf("jobs are %+v", jobs)
		}
	}
	if jobs[2].State != status.Succeeded || jobs[1].State != status.Failed || jobs[1].Query != "the failing one" || !strings.HasPrefix(jobs[0].Query, "sight_test.go:") {
		t.Errorf("jobs are %+v", jobs)
	}
	looks := func(base string) {
		holds(t, base+"/", "night &amp; day", "&lt;script&gt;alert(1)", "the failing one", "succeeded", "failed", "DIVIDE_BY_ZERO")
		holds(t, base+"/jobs/1", "GROUP BY 1", "HashAggregate", "<svg", "stages/0")
		holds(t, base+"/jobs/2", "DIVIDE_BY_ZERO")
		holds(t, base+"/jobs/1/stages/0", "HashAggregate", "Spread of tasks", "driver")
		holds(t, base+"/executors", "driver", "idle")
		holds(t, base+"/storage", "no dataset was cached")
		holds(t, base+"/settings", "app.name", "night &amp; day")
		for _, missing := range []string{"/jobs/77", "/jobs/x", "/jobs/1/stages/9", "/nothing", "/api/jobs/77"} {
			if code, _ := page(t, base+missing, ""); code != http.StatusNotFound {
				t.Errorf("%s answers %d", missing, code)
			}
		}
	}
	looks(base)
	holds(t, base+"/style.css", "color-scheme")
	holds(t, base+"/refresh.js", "fetch")
	if code, _ := page(t, base+"/", "evil.example:4040"); code != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name is answered %d", code)
	}
	if r, err := http.Post(base+"/", "text/plain", nil); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*"+ui.LogSuffix))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken"+ui.LogSuffix), []byte("{]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link"+ui.LogSuffix)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h, err := ui.Listen(ctx, "localhost:0", ui.History(root))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	app := strings.TrimSuffix(filepath.Base(logs[0]), ui.LogSuffix)
	holds(t, h.URL+"/", app, "night &amp; day", "broken", "unreadable")
	looks(h.URL + "/apps/" + app)
	for _, missing := range []string{"/apps/link/", "/apps/broken/", "/apps/none/", "/apps/..%2f..%2fetc/"} {
		if code, body := page(t, h.URL+missing, ""); code != http.StatusNotFound || strings.Contains(body, "root:") {
			t.Errorf("%s answers %d: %s", missing, code, body)
		}
	}
}

// A log whose program died in the middle of a line is shown up to there, and shown
// anew when it has grown.
func TestHistoryOfTornLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a"+ui.LogSuffix)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const first = `{"kind":"app_started","time":"2026-01-01T00:00:00Z","app":{"id":"a","name":"torn","master":"local"}}` + "\n" +
		`{"kind":"job_started","time":"2026-01-01T00:00:01Z","job":1,"stages":1,"query":"SELECT one"}` + "\n"
	write(first + `{"kind":"job_sta`)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := httptest.NewServer(ui.History(root))
	defer s.Close()
	get := func() string {
		r, err := http.Get(s.URL + "/apps/a/")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if body := get(); !strings.Contains(body, "SELECT one") || !strings.Contains(body, "torn") {
		t.Errorf("the page is\n%s", body)
	}
	write(first + `{"kind":"job_started","time":"2026-01-01T00:00:02Z","job":2,"stages":1,"query":"SELECT two"}` + "\n")
	if body := get(); !strings.Contains(body, "SELECT two") {
		t.Errorf("the page is\n%s", body)
	}
}

// Pages are for the loopback, logs for directories that are there: else a session
// does not begin.
func TestSightRefused(t *testing.T) {
	for key, values := range map[string][]string{
		"ui.address":    {"0.0.0.0:0", "192.0.2.1:4040", "example.com:80", ":4040", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"},
		"event.log.dir": {filepath.Join(t.TempDir(), "missing")},
	} {
		for _, v := range values {
			s, err := millrace.Open(t.Context(), "local[1]", millrace.WithSetting(key, v))
			if err == nil {
				s.Close()
			}
			if c := diag.ClassOf(err); c != diag.InvalidSetting {
				t.Errorf("%s = %s: %v", key, v, err)
			}
		}
	}
	first, err := ui.Listen(t.Context(), "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	next, err := ui.Listen(t.Context(), strings.TrimPrefix(first.URL, "http://"), http.NotFoundHandler())
	if err != nil || next.URL == first.URL {
		t.Fatalf("beside %s pages are at %v, %v", first.URL, next, err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}
