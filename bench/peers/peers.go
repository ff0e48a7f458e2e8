// Package peers starts the engines that Millrace is compared with: published
// Python packages of pinned versions in a virtual environment, driven by one
// small program.
//
//	make peers ─► .peers/bin/python driver.py ENGINE ◄─► bench/harness
//
// Its test runs the driver where Python is, without any engine.
package peers

import (
	_ "embed"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

//go:embed driver.py
var driver []byte

// Python is where `make peers` installs the engines, relative to the repository.
const Python = ".peers/bin/python"

// Names lists the engines.
func Names() []string { return []string{"duckdb", "polars", "datafusion", "spark"} }

// Engine says how an engine is started by a Python that has its package; the
// driver is written to scratch.
func Engine(name, python, scratch string) (harness.Engine, error) {
	if !slices.Contains(Names(), name) {
		return harness.Engine{}, diag.New(diag.InvalidArgument, "there is no engine %q", name).
			WithRemedy("use millrace, duckdb, polars, datafusion or spark")
	}
	python, err := filepath.Abs(python)
	if err != nil {
		return harness.Engine{}, diag.New(diag.PathNotFound, "%s cannot be found: %v", python, err)
	}
	if _, err := os.Stat(python); err != nil {
		return harness.Engine{}, diag.New(diag.PathNotFound, "there is no Python with the engines at %s", python).WithPath(python).
			WithRemedy("`make peers` installs it, or name another with --python")
	}
	path := filepath.Join(scratch, "driver.py")
	if err := os.WriteFile(path, driver, 0o644); err != nil {
		return harness.Engine{}, diag.New(diag.WriteFailed, "%s cannot be written: %v", path, err).WithPath(path)
	}
	e := harness.Engine{Name: name, Warmups: 1, Command: []string{python, path, name}}
	if name == "spark" {
		e.Warmups = 3 // its compiler needs some runs
	}
	return e, nil
}
