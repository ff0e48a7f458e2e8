package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/shell"
)

// interact runs the shell on the terminal. Ctrl-C stops a statement; the shell goes
// on.
func interact(parent context.Context, format string, header bool, master string, opts []millrace.Option) error {
	s, closed, err := open(parent, master, opts)
	if err != nil {
		return err
	}
	defer closed()
	stdin := int(os.Stdin.Fd())
	defer endOnTerm(s, stdin)()
	return shell.Run(shell.Config{
		In: os.Stdin, Out: os.Stdout, History: historyFile(),
		Raw: func() (func(), error) {
			old, err := term.MakeRaw(stdin)
			if err != nil {
				return nil, err
			}
			return func() { _ = term.Restore(stdin, old) }, nil // fails with the terminal only
		},
		Size:  func() (int, int, error) { return term.GetSize(stdin) },
		Names: func() []string { return names(s) },
		Run: func(text string) {
			ctx, stop := signal.NotifyContext(context.WithoutCancel(parent), os.Interrupt)
			defer stop()
			statement(ctx, s, text, format, header)
		},
	})
}

// endOnTerm ends the process on SIGTERM, which cannot interrupt the reading of a
// line: the session is closed and the terminal is as it was. The function that it
// returns ends the watch.
func endOnTerm(s *millrace.Session, stdin int) (stop func()) {
	before, err := term.GetState(stdin)
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM)
	go func() { // ends with stop
		select {
		case <-signals:
			s.Close()
			if err == nil {
				_ = term.Restore(stdin, before) // fails with the terminal only
			}
			os.Exit(failed)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// statement runs a statement of the shell and shows how long it took.
func statement(ctx context.Context, s *millrace.Session, text, format string, header bool) {
	stdout := follow(s)
	defer stdout.stop()
	out := bufio.NewWriterSize(stdout, 1<<16)
	start := time.Now()
	_, err := one(ctx, s, text, format, header, 0, out)
	err = errors.Join(err, out.Flush())
	stdout.hide()
	if err != nil {
		fmt.Fprintln(os.Stderr, diag.Render(err, text))
		return
	}
	fmt.Printf("%.3f s\n", time.Since(start).Seconds())
}

// historyFile is where statements are remembered: MILLRACE_HISTORY, else a file in
// the user's directory for such. Empty if there is none.
func historyFile() string {
	if f, ok := os.LookupEnv("MILLRACE_HISTORY"); ok {
		return f
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "millrace", "history")
}

// words are those that Tab completes besides names.
const words = "select from where group order having limit offset join left right full cross inner union all intersect except distinct " +
	"between values create replace temp view drop explain analyze formatted extended describe show views functions settings columns " +
	"partition over rows range unbounded preceding following current rollup cube grouping sets interval date timestamp decimal string bigint double"

// names are the words and functions of SQL and the session's views.
func names(s *millrace.Session) []string {
	out := strings.Fields(words)
	for _, what := range []string{"VIEWS", "FUNCTIONS"} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		df, err := s.SQL(ctx, "SHOW "+what)
		if err == nil {
			rows, _ := df.Collect(ctx) // without them there is less to complete
			for _, r := range rows {
				out = append(out, r[0].(string))
			}
		}
		cancel()
	}
	return out
}
