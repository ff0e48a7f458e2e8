package millrace_test

import (
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// contentOf is a function that reads an artifact where it runs.
func contentOf(name string) string {
	path, err := millrace.ArtifactPath(name)
	if err != nil {
		panic(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Files reach the tasks of their session, several versions side by side; one that is
// missing is an error with the remedy.
func TestArtifacts(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master, millrace.WithSetting("artifact.dir", t.TempDir()))
			content := func(name string) string {
				return rendered(t, s, "SELECT DISTINCT go_content('"+name+"') FROM range(100)")
			}
			_, err := rows(t, s, "SELECT go_content('greeting.txt')")
			if e := failure(err); e == nil || e.Class != diag.ArtifactFailed || !strings.Contains(e.Remedy, "AddFile") {
				t.Errorf("without the file: %v", err)
			}
			path := filepath.Join(t.TempDir(), "greeting.txt")
			put := func(text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("hello")
			first, err := s.AddFile(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if got := content("greeting.txt"); got != "[hello]" {
				t.Error(got)
			}
			put("goodbye")
			if got := rendered(t, s, "ADD FILE '"+path+"'"); !strings.HasPrefix(got, "[greeting.txt 7 ") {
				t.Error(got)
			}
			if got := content("greeting.txt"); got != "[goodbye]" {
				t.Error(got)
			}
			if got := content("greeting.txt@" + first.SHA256[:12]); got != "[hello]" {
				t.Error(got)
			}
			if got := rendered(t, s, "LIST FILES"); strings.Count(got, "greeting.txt") != 2 || rendered(t, s, "LIST LIBRARIES") != "" {
				t.Error(got)
			}
			if _, err := rows(t, s, "ADD LIBRARY '/no/such/file'"); diag.ClassOf(err) != diag.PathNotFound {
				t.Error(err)
			}
		})
	}
}

// A session without artifacts has no store, no server and no goroutine of one (A6).
func TestNoArtifacts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, "local-cluster[2,1,256]", millrace.WithSetting("artifact.dir", dir))
	if got := rendered(t, s, "SELECT sum(id) FROM range(1000)"); got != "[499500]" {
		t.Error(got)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("there is a store")
	}
	if sent, size := s.ArtifactBytes(); sent != 0 || size != 0 {
		t.Errorf("%d bytes of %d are served", sent, size)
	}
	var stacks strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stacks.String(), "millrace/artifacts.") {
		t.Errorf("a goroutine of artifacts:\n%s", stacks.String())
	}
}
