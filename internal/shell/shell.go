// Package shell is the loop of the interactive SQL shell: lines become statements,
// which end with a semicolon; a line that begins with a backslash is a command of
// the shell. Lines are edited with the usual keys (golang.org/x/term); Tab completes
// names, the arrows bring earlier statements back, also of earlier sessions.
//
//	millrace> SELECT 1          ─┐
//	       -> AS one;           ─┴─► Run("SELECT 1\nAS one")
//
// Ctrl-C drops what was typed; while a statement runs it is the business of Run.
// Ctrl-D and \q leave. The terminal is raw only while a line is read.
//
// It imports golang.org/x/term and plan/sql, for where statements end, and is
// tested over pipes.
package shell

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/millrace-engine/millrace/plan/sql"
)

// The prompts, of the first line of a statement and of the others.
const (
	Prompt = "millrace> "
	more   = "       -> "
)

// Help explains the shell's commands.
const Help = `Statements end with a semicolon and may span lines.
  \d          list the views        \d NAME     describe a view or file
  \?          this help             \q          leave (also Ctrl-D)
Ctrl-C stops the statement that runs, or drops the one being typed.
Tab completes names; the arrows bring earlier statements back.
`

// Config is what a shell works with.
type Config struct {
	In  io.Reader
	Out io.Writer
	// Raw puts the terminal into raw mode and returns what undoes it. Nil: it is
	// raw already, or none.
	Raw func() (restore func(), err error)
	// Size returns the terminal's width and height. Nil: unknown.
	Size func() (width, height int, err error)
	// Run runs a statement and prints its answer or error.
	Run func(statement string)
	// Names are what Tab completes to. Nil: nothing.
	Names func() []string
	// History is the file that keeps statements. Empty: they are kept for the
	// session.
	History string
}

// Run reads and runs statements until the input ends or the user leaves.
func Run(c Config) error {
	keys := &keys{in: c.In}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, c.Out}, Prompt)
	h, err := openHistory(c.History)
	if err != nil { // without it the shell works as well
		fmt.Fprintln(c.Out, err)
	}
	defer h.close()
	t.History = h
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' || c.Names == nil {
			return "", 0, false
		}
		return complete(line, pos, c.Names())
	}
	fmt.Fprintf(c.Out, "Millrace. Statements end with a semicolon; \\? helps, \\q leaves.\n")
	typed := ""
	for {
		t.SetPrompt(Prompt)
		if typed != "" {
			t.SetPrompt(more)
		}
		line, err := readLine(c, t)
		switch {
		case keys.interrupted.Swap(false):
			typed = ""
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(c.Out)
			return nil
		case err != nil && !errors.Is(err, term.ErrPasteIndicator):
			return err
		}
		word := strings.TrimSpace(line)
		if typed == "" {
			if word == "" {
				continue
			}
			if lower := strings.ToLower(strings.TrimRight(word, "; ")); lower == `\q` || lower == "quit" || lower == "exit" {
				return nil
			}
			if strings.HasPrefix(word, `\`) {
				h.add(word)
				c.command(word)
				continue
			}
			typed = line
		} else {
			typed += "\n" + line
		}
		if !strings.HasSuffix(word, ";") {
			continue
		}
		list, err := sql.Split(typed)
		if err != nil { // Run says what is wrong with it
			list = []sql.Statement{{Text: typed}}
		}
		h.add(typed)
		typed = ""
		for _, st := range list {
			c.Run(strings.TrimRight(st.Text, " \t\n"))
		}
	}
}

// readLine reads a line in raw mode.
func readLine(c Config, t *term.Terminal) (string, error) {
	if c.Size != nil {
		if w, h, err := c.Size(); err == nil && w > 0 {
			_ = t.SetSize(w, h) // fails when the output does, which the line will tell
		}
	}
	if c.Raw != nil {
		restore, err := c.Raw()
		if err != nil {
			return "", err
		}
		defer restore()
	}
	return t.ReadLine()
}

// command runs a line that begins with a backslash.
func (c Config) command(line string) {
	name, argument, _ := strings.Cut(strings.TrimRight(line, "; "), " ")
	argument = strings.TrimSpace(argument)
	switch {
	case name == `\?` || name == `\h`:
		fmt.Fprint(c.Out, Help)
	case name == `\d` && argument == "":
		c.Run("SHOW VIEWS")
	case name == `\d`:
		c.Run("DESCRIBE " + argument)
	default:
		fmt.Fprintf(c.Out, "there is no command %s; \\? lists them\n", name)
	}
}

// keys hands keys to the terminal. It turns Ctrl-C, which the terminal takes for the
// end of the input, into a line that is empty, and remembers it.
type keys struct {
	in          io.Reader
	interrupted atomic.Bool
	pending     []byte
}

const (
	ctrlC = 0x03
	// end of line, kill to its start, return
	dropLine = "\x05\x15\r"
)

func (k *keys) Read(b []byte) (int, error) {
	if len(k.pending) == 0 {
		buf := make([]byte, max(len(b), 1))
		n, err := k.in.Read(buf)
		for _, x := range buf[:n] {
			if x == ctrlC {
				k.interrupted.Store(true)
				k.pending = append(k.pending, dropLine...)
			} else {
				k.pending = append(k.pending, x)
			}
		}
		if n == 0 {
			return 0, err
		}
	}
	n := copy(b, k.pending)
	k.pending = k.pending[n:]
	return n, nil
}

// complete extends the word before pos to what all names that begin with it have in
// common, without case.
func complete(line string, pos int, names []string) (string, int, bool) {
	from := pos
	for from > 0 && (line[from-1] == '_' || line[from-1] >= '0' && line[from-1] <= '9' || line[from-1]|0x20 >= 'a' && line[from-1]|0x20 <= 'z') {
		from--
	}
	word := line[from:pos]
	if word == "" {
		return "", 0, false
	}
	common, found := "", 0
	for _, n := range names {
		if len(n) < len(word) || !strings.EqualFold(n[:len(word)], word) {
			continue
		}
		if found++; found == 1 {
			common = n
			continue
		}
		for !strings.EqualFold(common, n[:min(len(common), len(n))]) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case found == 0:
		return "", 0, false
	case found == 1:
		common += " "
	}
	if word == strings.ToUpper(word) && word != strings.ToLower(word) {
		common = strings.ToUpper(common)
	}
	return line[:from] + common + line[pos:], from + len(common), true
}
