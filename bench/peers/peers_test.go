package peers_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/bench/peers"
	"github.com/millrace-engine/millrace/internal/diag"
)

// An engine needs its Python, and the message says how to get it.
func TestEngine(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	_, err := peers.Engine("duckdb", python, t.TempDir())
	if diag.ClassOf(err) != diag.PathNotFound || !strings.Contains(err.Error(), "make peers") {
		t.Error(err)
	}
	if err := os.WriteFile(python, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range peers.Names() {
		e, err := peers.Engine(name, python, t.TempDir())
		if err != nil || e.Name != name || e.Command[0] != python || e.Warmups < 1 {
			t.Errorf("%+v, %v", e, err)
		}
		if b, err := os.ReadFile(e.Command[1]); err != nil || !bytes.Contains(b, []byte("ENGINES")) {
			t.Errorf("the driver of %s: %v", name, err)
		}
	}
	if _, err := peers.Engine("excel", python, t.TempDir()); diag.ClassOf(err) != diag.InvalidArgument {
		t.Error(err)
	}
}

// The driver answers errors of any engine as text, and what an engine prints is
// not among the answers.
func TestDriver(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python here")
	}
	e, err := peers.Engine("duckdb", python, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// A module of that name which prints, and whose connection has no settings.
	dir := t.TempDir()
	module := "print('noise')\n__version__ = '0'\nclass Con:\n    def execute(self, text):\n        raise ValueError('no ' + text + '\\nmore')\ndef connect():\n    return Con()\n"
	if err := os.WriteFile(filepath.Join(dir, "duckdb.py"), []byte(module), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(e.Command[0], e.Command[1:]...)
	cmd.Env = append(cmd.Environ(), "PYTHONPATH="+dir)
	cmd.Stdin = strings.NewReader(`{"op":"open","threads":3,"scratch":"/tmp","tables":{}}` + "\n" + `{"op":"dance"}` + "\n")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &errs)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"error": "ValueError: no SET threads = '3'"`) || !strings.Contains(lines[1], "AttributeError") {
		t.Errorf("answers %q", lines)
	}
	if !strings.Contains(errs.String(), "noise") {
		t.Errorf("printed %q", &errs)
	}
}

// A package that is not installed is told with what installs it.
func TestDriverWithoutPackage(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python here")
	}
	e, err := peers.Engine("spark", python, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(e.Command[0], append([]string{"-I", "-S"}, e.Command[1:]...)...) // without any package
	cmd.Env = append(cmd.Environ(), "JAVA_HOME=/nowhere")
	cmd.Stdin = strings.NewReader(`{"op":"open","threads":3,"scratch":"/tmp","tables":{}}` + "\n")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), `"error": "the package pyspark is not installed; `) || !strings.Contains(string(out), "make peers-spark") {
		t.Errorf("%s (%v)", out, err)
	}
}
