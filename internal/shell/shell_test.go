package shell

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// session types keys and returns the statements that ran and what was shown.
func session(t *testing.T, history, keys string) (ran []string, shown string) {
	t.Helper()
	var out bytes.Buffer
	err := Run(Config{In: strings.NewReader(keys), Out: &out, History: history, Names: func() []string { return []string{"customer", "custom_view", "nation"} },
		Run: func(s string) { ran = append(ran, s) }})
	if err != nil {
		t.Fatal(err)
	}
	return ran, out.String()
}

// Keys become statements.
func TestShell(t *testing.T) {
	const up, left = "\x1b[A", "\x1b[D"
	for name, c := range map[string]struct {
		keys string
		want []string
	}{
		"one line":          {"SELECT 1;\r", []string{"SELECT 1"}},
		"several lines":     {"SELECT 1\r AS one\r;\r", []string{"SELECT 1\n AS one"}},
		"several in a line": {"SELECT 1; SELECT ';';\r", []string{"SELECT 1", "SELECT ';'"}},
		"not closed":        {"SELECT 'a\r;b';\r", []string{"SELECT 'a\n;b'"}},
		"empty lines":       {"\r\r SELECT 1;\r", []string{"SELECT 1"}},
		"the end":           {"SELECT 1;\rSELECT 2", []string{"SELECT 1"}},
		"leave":             {"SELECT 1;\r\\q\rSELECT 2;\r", []string{"SELECT 1"}},
		"quit":              {"quit;\rSELECT 2;\r", nil},
		"drop a line":       {"SELECT 1\rWHERE\x03SELECT 2;\r", []string{"SELECT 2"}},
		"drop nothing":      {"\x03\x03SELECT 2;\r", []string{"SELECT 2"}},
		"edit":              {"SELEC 1;" + left + left + left + "T\r", []string{"SELECT 1"}},
		"again":             {"SELECT 1\r+ 2;\r" + up + "\r", []string{"SELECT 1\n+ 2", "SELECT 1 + 2"}},
		"complete":          {"TABLE nat\t;\r", []string{"TABLE nation"}},
		"complete a part":   {"TABLE CUST\tER;\r", []string{"TABLE CUSTOMER"}},
		"views":             {"\\d\r\\d nation;\r", []string{"SHOW VIEWS", "DESCRIBE nation"}},
		"wrong":             {"SELECT 'a;\r", []string{"SELECT 'a;"}},
	} {
		got, _ := session(t, "", c.keys)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// Statements come back in the next session, once each, and not those that begin
// with a space. The file is the user's alone, and does not grow for ever.
func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "history")
	session(t, file, "SELECT 1\r+ 1;\rSELECT 1\r+ 1;\r SELECT 'secret';\rSELECT 2; -- two\r;\r")
	got, _ := session(t, file, "\x1b[A\x1b[A\x1b[A\r")
	if !slices.Equal(got, []string{"SELECT 1 + 1"}) {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte("SELECT 1;\n"), 3*maxHistory), 0o600); err != nil {
		t.Fatal(err)
	}
	session(t, file, "")
	if b, err := os.ReadFile(file); err != nil || bytes.Count(b, []byte("\n")) != maxHistory {
		t.Errorf("%d lines, %v", bytes.Count(b, []byte("\n")), err)
	}
	if _, shown := session(t, file+"/below/a/file", "SELECT 1;\r"); !strings.Contains(shown, "will not be remembered") {
		t.Errorf("shown: %q", shown)
	}
}

// Help is there, and unknown commands are told.
func TestCommands(t *testing.T) {
	_, shown := session(t, "", "\\?\r\\x\r")
	if !strings.Contains(shown, "list the views") || !strings.Contains(shown, `there is no command \x`) {
		t.Errorf("shown: %q", shown)
	}
}
