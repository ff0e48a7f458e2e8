package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/sql"
)

// errShown says that the error has been printed already.
var errShown = errors.New("shown")

var formats = []string{"table", "csv", "tsv", "json", "ndjson", "markdown", "arrow", "parquet"}

// binary formats hold one result, and are not for eyes.
func binary(format string) bool { return format == "arrow" || format == "parquet" }

func sqlCommand() *cobra.Command {
	var text, file, format, master, memory string
	var conf []string
	var added additions
	var header, keepGoing bool
	c := &cobra.Command{
		Use:   "sql [-c SQL | -f FILE | -]",
		Short: "Run SQL statements",
		Long: `Run SQL statements, separated by semicolons, in Spark's dialect.

Without statements, on a terminal, an interactive shell starts; \? helps there.

Files are tables: SELECT * FROM 'data.parquet', or FROM parquet.` + "`data/*.parquet`" + `. Formats are
parquet, csv, json, text and arrow; options follow, as in
FROM 'data.csv' WITH (header true, inferSchema true).`,
		Example: `  millrace sql -c "SELECT count(*) FROM 'lineitem.parquet'"
  millrace sql -f report.sql --format csv > report.csv
  millrace sql -c "SELECT * FROM 'orders.csv'" --format parquet > orders.parquet
  echo "SELECT 1" | millrace sql -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			interactive := !cmd.Flags().Changed("command") && file == "" && len(args) == 0 && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
			src := ""
			if !interactive {
				var err error
				if src, err = source(text, file, args, cmd.Flags().Changed("command")); err != nil {
					return err
				}
			}
			known := false
			for _, f := range formats {
				known = known || f == format
			}
			if !known {
				return fmt.Errorf("%w: there is no format %q; use %s", errUsage, format, strings.Join(formats, ", "))
			}
			if binary(format) && term.IsTerminal(int(os.Stdout.Fd())) {
				return fmt.Errorf("%w: %s is not for terminals; redirect it (> FILE) or use --format table", errUsage, format)
			}
			opts, err := options(conf, memory)
			if err != nil {
				return err
			}
			if interactive {
				return interact(cmd.Context(), format, header, master, append(opts, added.options()...))
			}
			return statements(cmd.Context(), src, format, header, keepGoing, master, append(opts, added.options()...))
		},
	}
	c.Flags().StringVarP(&text, "command", "c", "", "the statements to run")
	c.Flags().StringVarP(&file, "file", "f", "", "a file with the statements to run")
	c.Flags().StringVar(&format, "format", "table", "how rows are printed: "+strings.Join(formats, ", "))
	c.Flags().BoolVar(&header, "header", false, "print column names with csv and tsv")
	c.Flags().BoolVar(&keepGoing, "keep-going", false, "run later statements after one failed")
	sessionFlags(c, &master, &conf, &memory)
	added.flags(c, "with-file")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// additions are the artifacts that flags name.
type additions struct{ files, libraries []string }

// flags adds --artifact, and a flag for files.
func (a *additions) flags(c *cobra.Command, file string) {
	c.Flags().StringArrayVar(&a.files, file, nil, "a file that functions find by its name (repeatable)")
	c.Flags().StringArrayVar(&a.libraries, "artifact", nil, "a library, as a WebAssembly module for CREATE FUNCTION (repeatable)")
}

func (a *additions) options() []millrace.Option {
	return []millrace.Option{millrace.WithFiles(a.files...), millrace.WithLibraries(a.libraries...)}
}

func sessionFlags(c *cobra.Command, master *string, conf *[]string, memory *string) {
	c.Flags().StringVar(master, "master", "", "where to run: local, local[n], local[*], local-cluster[executors,cores,MiB], millrace://host:port")
	c.Flags().StringArrayVar(conf, "conf", nil, "a setting as key=value (repeatable); millrace config lists them")
	c.Flags().BoolFunc("ui", "show the queries as pages on "+pagesAddress+", or the next free port", func(string) error {
		return c.Flags().Set("conf", settings.UIAddress+"="+pagesAddress)
	})
	c.Flags().StringVar(memory, "memory", "", "memory budget, as 4GiB (default: 80 % of what there is)")
}

func options(conf []string, memory string) ([]millrace.Option, error) {
	var opts []millrace.Option
	for _, kv := range conf {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("%w: --conf needs key=value, not %q", errUsage, kv)
		}
		opts = append(opts, millrace.WithSetting(k, v))
	}
	if memory != "" {
		opts = append(opts, millrace.WithSetting(settings.Memory, memory))
	}
	return opts, nil
}

func source(text, file string, args []string, given bool) (string, error) {
	switch {
	case given && (file != "" || len(args) > 0), file != "" && len(args) > 0:
		return "", fmt.Errorf("%w: give statements by one of -c, -f and -", errUsage)
	case given:
		return text, nil
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", diag.New(diag.PathNotFound, "%s cannot be read: %v", file, err).WithPath(file)
		}
		return string(b), nil
	case len(args) == 1 && args[0] == "-":
		b, err := io.ReadAll(os.Stdin)
		return string(b), err
	case len(args) == 1:
		return "", fmt.Errorf("%w: unexpected %q; statements come by -c, -f or -", errUsage, args[0])
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice == 0 {
		b, err := io.ReadAll(os.Stdin)
		return string(b), err
	}
	return "", fmt.Errorf("%w: nothing to run; give statements by -c, -f or -", errUsage)
}

func statements(ctx context.Context, src, format string, header, keepGoing bool, master string, opts []millrace.Option) error {
	list, err := sql.Split(src)
	if err != nil {
		fmt.Fprintln(os.Stderr, diag.Render(err, src))
		return errShown
	}
	s, closed, err := open(ctx, master, opts)
	if err != nil {
		return err
	}
	defer closed()
	stdout := follow(s)
	defer stdout.stop()
	out := bufio.NewWriterSize(stdout, 1<<16)
	bad, results := false, 0
	for _, st := range list {
		shown, err := one(ctx, s, st.Text, format, header, results, out)
		if shown {
			results++
		}
		if err != nil && binary(format) {
			out.Reset(stdout) // better nothing than a part
		}
		if ferr := out.Flush(); err == nil && ferr != nil {
			err = diag.New(diag.WriteFailed, "standard output cannot be written: %v", ferr).WithCause(ferr)
		}
		if err != nil {
			stdout.hide()
			fmt.Fprintln(os.Stderr, diag.RenderIn(err, src, st.Offset))
			bad = true
			if !keepGoing || ctx.Err() != nil {
				break
			}
		}
	}
	if bad {
		return errShown
	}
	return nil
}

// pagesAddress is where --ui serves.
const pagesAddress = "127.0.0.1:4040"

// open opens a session, says where its pages are, and returns what closes it and
// tells what went wrong with that.
func open(ctx context.Context, master string, opts []millrace.Option) (s *millrace.Session, closed func(), err error) {
	s, err = millrace.Open(ctx, master, append(opts, millrace.WithWaiting(waiting))...)
	if err != nil {
		return nil, nil, err
	}
	if at := s.UI(); at != "" {
		fmt.Fprintln(os.Stderr, "pages:", at)
	}
	return s, func() {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, diag.Render(err, ""))
		}
	}, nil
}

// waiting tells whoever waits for executors why.
func waiting(reason string) {
	fmt.Fprintln(os.Stderr, "waiting for executors:", reason)
}

// one runs a statement after so many results; it tells whether there is one more.
func one(ctx context.Context, s *millrace.Session, text, format string, header bool, results int, out *bufio.Writer) (bool, error) {
	df, err := s.SQL(ctx, text)
	if err != nil {
		return false, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return false, err
	}
	if strings.EqualFold(firstWord(text), "explain") && !binary(format) {
		return true, r.Each(func(v []string, _ []bool) error { _, err := fmt.Fprintln(out, v[0]); return err })
	}
	if r.Schema.Len() == 1 && r.Schema.Fields[0].Name == "result" {
		if err := r.Fetch(); err != nil || r.Len() == 0 {
			return false, err // a command without an answer
		}
	}
	if !binary(format) {
		return true, render(r, format, header, out)
	}
	if results > 0 {
		r.Close()
		return false, diag.New(diag.InvalidArgument, "the output has a result already, and %s holds one", format).WithRemedy("run each query by a millrace sql of its own")
	}
	return true, r.Encode(out, format)
}

func firstWord(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

func render(r *millrace.Result, format string, header bool, out *bufio.Writer) error {
	names := make([]string, r.Schema.Len())
	for i, f := range r.Schema.Fields {
		names[i] = f.Name
	}
	switch format {
	case "table":
		return r.WriteTable(out)
	case "tsv":
		if header {
			fmt.Fprintln(out, strings.Join(names, "\t"))
		}
		return r.Each(func(v []string, _ []bool) error { _, err := fmt.Fprintln(out, strings.Join(v, "\t")); return err })
	case "csv":
		w := csv.NewWriter(out)
		if header {
			if err := w.Write(names); err != nil {
				return err
			}
		}
		if err := r.Each(func(v []string, null []bool) error {
			row := append([]string{}, v...)
			for i := range row {
				if null[i] {
					row[i] = ""
				}
			}
			return w.Write(row)
		}); err != nil {
			return err
		}
		w.Flush()
		return w.Error()
	case "markdown":
		fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat(" --- |", len(names)))
		return r.Each(func(v []string, _ []bool) error {
			_, err := fmt.Fprintf(out, "| %s |\n", strings.ReplaceAll(strings.Join(v, "\x00"), "\x00", " | "))
			return err
		})
	}
	first := true
	if format == "json" {
		out.WriteString("[")
	}
	err := r.Each(func(v []string, null []bool) error {
		if format == "json" {
			if !first {
				out.WriteString(",")
			}
			out.WriteString("\n  ")
		}
		first = false
		out.WriteString("{")
		for i, name := range names {
			if i > 0 {
				out.WriteString(",")
			}
			k, err := json.Marshal(name)
			if err != nil {
				return err
			}
			out.Write(k)
			out.WriteString(":")
			t := r.Schema.Fields[i].Type
			switch {
			case null[i]:
				out.WriteString("null")
			case (t.IsNumeric() || t.IsNested() || t.Kind == columnar.Bool) && json.Valid([]byte(v[i])):
				out.WriteString(v[i])
			default:
				x, err := json.Marshal(v[i])
				if err != nil {
					return err
				}
				out.Write(x)
			}
		}
		out.WriteString("}")
		if format == "ndjson" {
			out.WriteString("\n")
		}
		return nil
	})
	if format == "json" {
		out.WriteString("\n]\n")
	}
	return err
}
