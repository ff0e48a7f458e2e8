package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also the engine: a fake one, started with its name as the
// only argument and fakeEnv set.
const fakeEnv = "MILLRACE_FAKE_ENGINE"

func TestMain(m *testing.M) {
	if name := os.Getenv(fakeEnv); name != "" {
		fake(name)
		return
	}
	os.Exit(m.Run())
}

// engineNamed starts the fake engine under a name, which its answers depend on.
func engineNamed(t *testing.T, name string) Engine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Engine{Name: name, Warmups: 1, Command: []string{self}, Env: []string{fakeEnv + "=" + name}}
}

// fake answers queries that are words: what they do is below. Times are the
// number of the call, so that medians are known.
func fake(name string) {
	calls := 0
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r Request
		rep := Reply{}
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			rep.Error = err.Error()
		}
		if r.Op == "open" {
			if name == "absent" {
				rep.Error = "the package absent is not installed"
			}
			rep.Version, rep.Settings = "1.0", map[string]string{"threads": fmt.Sprint(r.Threads), "lineitem": r.Tables["lineitem"]}
			err := os.WriteFile(filepath.Join(r.Scratch, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o644)
			if err != nil {
				rep.Error = err.Error()
			}
			answer(rep)
			continue
		}
		calls++
		rep.MS, rep.CPU, rep.Count = float64(calls), 2*float64(calls), 1
		rep.Runtime = &Runtime{Allocs: int64(calls)}
		value, kind := "7", "bigint"
		word, after, _ := strings.Cut(r.SQL, " ")
		n, _ := strconv.Atoi(after)
		switch word {
		case "same":
		case "average": // a double on one side, a decimal on the other
			value, kind = "0.33333333333333331", "double"
			if name == "exact" {
				value, kind = "0.333333", "decimal(38,6)"
			}
		case "odd": // one engine is wrong
			if name == "wrong" {
				value = "8"
			}
		case "grow": // another number of rows in each run
			rep.Count = int64(calls)
		case "refuse":
			if name == "wrong" {
				rep = Reply{Error: "syntax error"}
			}
		case "die":
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(3)
		case "babble":
			fmt.Println("hello")
			continue
		case "hang": // from the n-th call on
			if calls >= n {
				time.Sleep(time.Hour) // it is killed
			}
		}
		if r.Profile != "" {
			err := os.WriteFile(r.Profile, []byte(name), 0o644)
			if err != nil {
				rep.Error = err.Error()
			}
		}
		if r.Op == "convert" {
			err := os.WriteFile(r.Out, []byte(r.CSV), 0o644)
			if err != nil {
				rep.Error = err.Error()
			}
			value = r.Columns[0].Type
			kind = "string"
		}
		if r.Op == "copy" {
			for table, path := range r.Tables {
				if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
					rep.Error = err.Error()
				}
			}
		}
		if r.Rows {
			rep.Columns, rep.Rows = []Column{{"x", kind}}, [][]*string{{&value}}
		}
		answer(rep)
	}
}

func answer(r Reply) {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(b, '\n'))
}
