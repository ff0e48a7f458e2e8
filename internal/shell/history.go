package shell

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxHistory is how many statements are kept.
const maxHistory = 1000

// history is the earlier statements, each a line, the oldest first. It implements
// term.History; the terminal's own additions, which are lines and not statements,
// are ignored.
type history struct {
	lines []string
	file  *os.File // appended to; nil: none
}

// openHistory reads a file of statements, and shortens one that has grown long. The
// history works also if there is an error.
func openHistory(path string) (*history, error) {
	h := &history{}
	if path == "" {
		return h, nil
	}
	if f, err := os.Open(path); err == nil {
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			h.lines = append(h.lines, s.Text())
		}
		f.Close()
	}
	if len(h.lines) > 2*maxHistory {
		h.lines = h.lines[len(h.lines)-maxHistory:]
		tmp := path + ".tmp"
		if os.WriteFile(tmp, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600) == nil {
			_ = os.Rename(tmp, path) // else it is shortened the next time
		}
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		h.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return h, fmt.Errorf("statements will not be remembered: %w", err)
	}
	return h, nil
}

// add keeps a statement as one line, unless it is the last one again or begins with
// a space. One that has comments is kept line by line.
func (h *history) add(statement string) {
	if strings.HasPrefix(statement, " ") {
		return
	}
	lines := []string{strings.Join(strings.Fields(statement), " ")}
	if strings.ContainsAny(statement, "'\"`") { // spaces inside quotes count
		lines[0] = strings.ReplaceAll(statement, "\n", " ")
	}
	if strings.Contains(statement, "--") {
		lines = strings.Split(statement, "\n")
	}
	for _, l := range lines {
		if n := len(h.lines); l == "" || n > 0 && h.lines[n-1] == l {
			continue
		}
		h.lines = append(h.lines, l)
		if h.file != nil {
			fmt.Fprintln(h.file, l)
		}
	}
}

func (h *history) close() {
	if h.file != nil {
		h.file.Close()
	}
}

// Add implements term.History.
func (h *history) Add(string) {}

// Len implements term.History.
func (h *history) Len() int { return len(h.lines) }

// At implements term.History: 0 is the latest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
