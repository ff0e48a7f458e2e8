package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// program builds the example, with an argument for the linker, and with pairs of what is
// replaced in its source and by what.
func program(t *testing.T, to, ldflags string, changes ...string) {
	t.Helper()
	const source = "../../examples/functions/main.go"
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(changes...).Replace(string(text))
	if changes != nil && changed == string(text) {
		t.Fatalf("%s has nothing of %q", source, changes)
	}
	dir := t.TempDir()
	absolute, err := filepath.Abs(source)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {absolute: filepath.Join(dir, "main.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"main.go": []byte(changed), "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go tool to build the example with")
	}
	c := exec.Command(tool, "build", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags="+ldflags, "-o", to, "../../examples/functions")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

var sentBytes = regexp.MustCompile(`artifacts: sent (\d+) bytes`)

// TestProgram: a program with functions of its own is run by a cluster, its driver here
// or on a worker; of a changed one what changed travels; one for another processor is
// refused before anything of it runs.
func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	c := newTestCluster(t)
	// The workers have a store of their own, as other hosts do.
	dirs := map[string]string{"worker": t.TempDir(), "driver": t.TempDir()}
	t.Setenv("TMPDIR", dirs["worker"])
	c.startWorker("w1", 2)
	c.startWorker("w2", 2)
	c.until("no workers", func() bool { return len(c.state().Workers) == 2 })
	t.Setenv("TMPDIR", dirs["driver"])
	app := filepath.Join(t.TempDir(), "functions")
	const answer = "| K0 | 14998.5 |\n| K1 | 14999.5 |\n| K2 | 15000.5 |"
	submit := func(args ...string) (int, string, int) {
		status, out := c.run(append(append([]string{"submit", "--executors", "2"}, args...), app)...)
		log := c.logs("submit")
		n := -1
		if m := sentBytes.FindAllStringSubmatch(log, -1); m != nil {
			n, _ = strconv.Atoi(m[len(m)-1][1])
		}
		return status, out, n
	}
	program(t, app, "-s -w")
	size := func() int {
		st, err := os.Stat(app)
		if err != nil {
			t.Fatal(err)
		}
		return int(st.Size())
	}
	inCluster := []string{"--deploy-mode", "cluster", "--wait"}
	for _, step := range []struct {
		name        string
		ldflags     string
		args        []string
		changes     []string
		least, most float64 // of the program's bytes
	}{
		{"first", "-s -w", nil, nil, 1, 2},
		{"again", "-s -w", nil, nil, 0, 0},
		{"on a worker, which has it", "-s -w", inCluster, nil, 0, 0},
		{"linked anew", "-s -w -buildid=other", nil, nil, 1e-9, 0.05},
		{"on a worker, linked anew", "-s -w -buildid=third", inCluster, nil, 1e-9, 0.05},
		{"another line in a function", "-s -w", nil, []string{"n%3)", "(n+3)%3)"}, 1e-9, 0.2},
		{"a function more, and its calls", "-s -w", nil, []string{"strings.ToUpper(name), n%3)", "initial(name), n%3)", "func register(", "func initial(s string) string { return strings.Title(strings.ReplaceAll(s, \"\\t\", \" \")) }\n\nfunc register("}, 1e-9, 0.2},
	} {
		program(t, app, step.ldflags, step.changes...)
		status, out, sent := submit(step.args...)
		if status != 0 || !strings.Contains(out, answer) {
			t.Fatalf("%s: %d\n%s\n%s", step.name, status, out, c.logs("submit"))
		}
		t.Logf("%s: %d of %d bytes", step.name, sent, size())
		if share := float64(sent) / float64(size()); share < step.least || share > step.most {
			t.Errorf("%s: %d of %d bytes were sent", step.name, sent, size())
		}
	}
	if status, out := c.run("submit", "--deploy-mode", "cluster", app); status != 0 || !strings.HasPrefix(out, "driver-") {
		t.Errorf("without --wait: %d %s", status, out)
	} else {
		c.until("the driver does not end", func() bool { return c.driver(out).State == standalone.DriverFinished })
	}
	// Another processor's header.
	b, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	b[18], b[19] = 243, 0 // RISC-V
	if err := os.WriteFile(app, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"client", "cluster"} {
		status, _, _ := submit("--deploy-mode", mode, "--wait="+fmt.Sprint(mode == "cluster"))
		if log := c.logs("submit"); status != failed || !strings.Contains(log, "is a program for riscv64; this host runs") {
			t.Errorf("%s: %d\n%s", mode, status, log)
		}
	}
	for _, d := range c.state().Drivers {
		if d.State == standalone.DriverRunning {
			t.Errorf("%s runs", d.ID)
		}
	}
	c.until("something is left", func() bool { return empty(filepath.Join(c.dir, "w1")) && empty(filepath.Join(c.dir, "w2")) })
}

// logs is what the last run of a command has written to standard error.
func (c *testCluster) logs(command string) (all string) {
	files, _ := filepath.Glob(filepath.Join(c.dir, command+"-*.log"))
	newest := int64(0)
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			continue
		}
		if at := st.ModTime().UnixNano(); at >= newest {
			b, _ := os.ReadFile(f)
			newest, all = at, string(b)
		}
	}
	return all
}
