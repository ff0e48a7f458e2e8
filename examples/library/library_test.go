package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/artifacts/database"
	"github.com/millrace-engine/millrace/internal/diag"
)

func TestMain(m *testing.M) {
	millrace.Main(register, func(r *millrace.Registry) { millrace.Scalar2(r, "version_of", versionOf) })
	os.Exit(m.Run())
}

// versionOf opens a database of its own.
func versionOf(library, file string) (v string) {
	path, err := millrace.ArtifactPath(file)
	check(err)
	db, err := database.Open(library, path)
	check(err)
	defer db.Close()
	check(db.QueryRow("SELECT version").Scan(&v))
	return v
}

// build makes a program of this module.
func build(t *testing.T, to, pkg string, flags ...string) {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go tool to build the driver with")
	}
	c := exec.Command(tool, append(append([]string{"build", "-o", to}, flags...), pkg)...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
}

func value(t *testing.T, s *millrace.Session, query string) (string, error) {
	t.Helper()
	d, err := s.SQL(t.Context(), query)
	if err != nil {
		return "", err
	}
	rows, err := d.Collect(t.Context())
	if err != nil {
		return "", err
	}
	if len(rows) != 1 {
		t.Fatalf("%s: %v", query, rows)
	}
	if rows[0][0] == nil {
		return "NULL", nil
	}
	return rows[0][0].(string), nil
}

// A task opens a driver that its program does not link: without the artifact it fails
// and says what to do, with it it works, in two versions on one executor.
func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	s, err := millrace.Open(t.Context(), "local-cluster[1,2,512]", millrace.WithSetting("artifact.dir", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.AddFile(t.Context(), "capitals.txt"); err != nil {
		t.Fatal(err)
	}
	const find = "SELECT lookup('lines.driver', 'capitals.txt', 'Kenya')"
	_, err = value(t, s, find)
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.ArtifactFailed || !strings.Contains(e.Remedy, "AddLibrary") {
		t.Fatalf("without the artifact: %v", err)
	}
	versions := map[string]string{}
	path := filepath.Join(dir, "lines.driver")
	for _, v := range []string{"1", "2"} {
		build(t, path, "./driver", "-ldflags=-s -w -X main.version="+v)
		a, err := s.AddLibrary(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		versions[v] = "lines.driver@" + a.SHA256[:12]
	}
	for query, want := range map[string]string{
		find: "Nairobi",
		"SELECT lookup('lines.driver', 'capitals.txt', 'Atlantis')":                                                                                        "NULL",
		"SELECT version_of('lines.driver', 'capitals.txt')":                                                                                                "2",
		"SELECT version_of('" + versions["1"] + "', 'capitals.txt')":                                                                                       "1",
		"SELECT concat(version_of('" + versions["1"] + "', 'capitals.txt'), ' and ', version_of('" + versions["2"] + "', 'capitals.txt'))":                 "1 and 2",
		"SELECT DISTINCT lookup('" + versions["1"] + "', 'capitals.txt', concat('Fran', if(id >= 0, 'ce', ''))) AS x FROM range(0, 3000, 1, 2) ORDER BY x": "Paris",
	} {
		if got, err := value(t, s, query); err != nil || got != want {
			t.Errorf("%s: %q, want %q: %v", query, got, want, err)
		}
	}
	// What is no driver is refused, not run.
	for name, content := range map[string]string{"text.driver": "#!/bin/sh\necho no\n", "other.driver": "\x7fELF\x02\x02\x01\x03" + strings.Repeat("\x00", 11) + "\x16" + strings.Repeat("\x00", 64)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddLibrary(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		_, err := value(t, s, "SELECT version_of('"+name+"', 'capitals.txt')")
		if !errors.As(err, &e) || e.Class != diag.ArtifactFailed {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
	}
	if err := run(t.Context(), path, "capitals.txt"); err != nil {
		t.Error(err)
	}
}

// Functions reach a driver's queries, failures and cancellation through database/sql.
func TestDriverAsDatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	s, err := millrace.Open(t.Context(), "local", millrace.WithSetting("artifact.dir", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "lines.driver")
	build(t, path, "./driver")
	if _, err := s.AddLibrary(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, err := value(t, s, "SELECT 'x'"); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open("lines.driver", "capitals.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var v string
	if err := db.QueryRow("SELECT value WHERE key = ?", "Peru").Scan(&v); err != nil || v != "Lima" {
		t.Errorf("%q, %v", v, err)
	}
	if err := db.QueryRow("SELECT 1").Scan(&v); err == nil || !strings.Contains(err.Error(), "this driver knows") {
		t.Errorf("what the driver refuses: %v", err)
	}
	if err := db.QueryRow("SELECT version").Scan(&v); err != nil || v != "1" {
		t.Errorf("after a failure: %q, %v", v, err)
	}
	if _, err := db.Begin(); err == nil || !strings.Contains(err.Error(), "no transactions") {
		t.Errorf("a transaction: %v", err)
	}
	if _, err := db.Exec("SELECT version"); err == nil {
		t.Error("a change is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.QueryContext(ctx, "SELECT version"); !errors.Is(err, context.Canceled) {
		t.Errorf("a query that was cancelled: %v", err)
	}
	none, err := database.Open("lines.driver", "no such file")
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.Ping(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// The stock binary links no driver, nor database/sql: its build information and symbols
// say so.
func TestStockBinaryLinksNoDriver(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the millrace binary")
	}
	path := filepath.Join(t.TempDir(), "millrace")
	build(t, path, "../../cmd/millrace")
	info, err := buildinfo.ReadFile(path)
	if err != nil || info.Main.Path != "github.com/millrace-engine/millrace" || len(info.Deps) < 5 {
		t.Fatalf("the build information is %v, %v", info, err)
	}
	for _, d := range info.Deps {
		for _, known := range []string{"sqlite", "mysql", "pgx", "lib/pq", "sqlserver", "mssql", "duckdb", "clickhouse", "go-ora", "godror", "snowflake", "trino"} {
			if strings.Contains(d.Path, known) {
				t.Errorf("the binary links %s", d.Path)
			}
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range []string{"database/sql.Register", "database/sql.Open", "database/sql/driver."} {
		if strings.Contains(string(b), symbol) {
			t.Errorf("the binary has %s", symbol)
		}
	}
}
