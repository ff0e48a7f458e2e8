package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/shuffle/file"
)

func shuffleCommand() *cobra.Command {
	c := &cobra.Command{Use: "shuffle", Short: "Look into the outputs of exchanges", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(catCommand())
	return c
}

// summaryFormats are those of shuffle cat --summary.
var summaryFormats = []string{"table", "json"}

func catCommand() *cobra.Command {
	var format string
	var header, summary bool
	var partition int
	c := &cobra.Command{
		Use:   "cat FILE",
		Short: "Print an .mrs file, the output of a map task",
		Long: `Print the rows of an .mrs file, the output of a map task for an exchange, partition
by partition. Everything read is compared with the file's checksums and row hashes.

The setting shuffle.keep names a directory where such files are kept. They are also
tables: SELECT … FROM 'FILE.mrs'.`,
		Example: `  millrace sql --conf shuffle.keep=/tmp/kept -c "SELECT l_suppkey, count(*) FROM 'lineitem.parquet' GROUP BY 1"
  millrace shuffle cat /tmp/kept/app-*/job-1-exchange-1/0-0.mrs --summary
  millrace shuffle cat /tmp/kept/app-*/job-1-exchange-1/0-0.mrs --partition 3 --format csv`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"mrs"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			known := formats
			if summary {
				known = summaryFormats
			}
			switch {
			case !slices.Contains(known, format):
				return fmt.Errorf("%w: there is no format %q here; use %s", errUsage, format, strings.Join(known, ", "))
			case binary(format) && term.IsTerminal(int(os.Stdout.Fd())):
				return fmt.Errorf("%w: %s is not for terminals; redirect it (> FILE) or use --format table", errUsage, format)
			case cmd.Flags().Changed("partition") && (partition < 0 || summary):
				return fmt.Errorf("%w: --partition needs a number from 0 on, and goes without --summary", errUsage)
			case summary:
				return summarize(args[0], format)
			}
			return cat(cmd, args[0], partition, format, header)
		},
	}
	c.Flags().StringVar(&format, "format", "table", "how rows are printed: "+strings.Join(formats, ", "))
	c.Flags().BoolVar(&header, "header", false, "print column names with csv and tsv")
	c.Flags().BoolVar(&summary, "summary", false, "print whose output it is, its columns, and what each partition has ("+strings.Join(summaryFormats, ", ")+")")
	c.Flags().IntVar(&partition, "partition", -1, "print one partition alone")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// cat prints the rows of a file, or of one partition.
func cat(cmd *cobra.Command, path string, partition int, format string, header bool) error {
	s, err := millrace.Open(cmd.Context(), "local[1]", millrace.WithSetting("shuffle.keep", ""))
	if err != nil {
		return err
	}
	defer s.Close()
	r := s.Read()
	if partition >= 0 {
		r = r.Option("partition", strconv.Itoa(partition))
	}
	rows, err := r.Load("mrs", path).Run(cmd.Context())
	var d *diag.Error
	if errors.As(err, &d) {
		d.Call = "" // a line of this program is no place of the user's
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	if binary(format) {
		err = rows.Encode(out, format)
	} else {
		err = render(rows, format, header, out)
	}
	if err != nil && binary(format) {
		out.Reset(os.Stdout) // better nothing than a part
	}
	if ferr := out.Flush(); err == nil && ferr != nil {
		err = diag.New(diag.WriteFailed, "standard output cannot be written: %v", ferr).WithCause(ferr)
	}
	return err
}

// partitionSummary is a partition in the JSON form of a summary.
type partitionSummary struct {
	Partition int    `json:"partition"`
	Chunks    int    `json:"chunks"`
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	Stored    int64  `json:"stored_bytes"`
	RowHash   string `json:"row_hash"`
}

// fileSummary is the JSON form of a summary.
type fileSummary struct {
	Job        int                `json:"job"`
	Exchange   int                `json:"exchange"`
	Map        int                `json:"map"`
	Attempt    int                `json:"attempt"`
	Partitions int                `json:"partitions"`
	Schema     string             `json:"schema"`
	Rows       int64              `json:"rows"`
	Size       int64              `json:"file_bytes"`
	Filled     []partitionSummary `json:"filled"`
}

// summarize prints what header and index of a file tell.
func summarize(path, format string) error {
	f, closer, err := file.OpenPath(path)
	switch {
	case errors.Is(err, file.ErrAbsent), errors.Is(err, file.ErrCorrupt):
		return diag.New(diag.CorruptFile, "%s cannot be read: %v", path, err).WithPath(path).WithCause(err).
			WithRemedy("name a whole .mrs file; shuffle.keep says where they are kept")
	case err != nil:
		return fs.Explain(err, path)
	}
	defer closer.Close()
	s := fileSummary{Job: f.Job, Exchange: f.Exchange, Map: f.Map, Attempt: f.Attempt, Partitions: f.Partitions, Schema: f.Schema.String(), Rows: f.Total.Rows, Size: f.Size, Filled: []partitionSummary{}}
	for _, p := range f.Filled() {
		x := f.Summary(p)
		s.Filled = append(s.Filled, partitionSummary{p, x.Chunks, x.Rows, x.Bytes, x.Stored, fmt.Sprintf("%016x", x.Hash)})
	}
	if format == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	fmt.Printf("job %d exchange %d map %d attempt %d: %d rows in %d of %d partitions, %d bytes\n%s\n", s.Job, s.Exchange, s.Map, s.Attempt, s.Rows, len(s.Filled), s.Partitions, s.Size, s.Schema)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "partition\tchunks\trows\tbytes\tstored\trow hash\t")
	for _, p := range s.Filled {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%s\t\n", p.Partition, p.Chunks, p.Rows, p.Bytes, p.Stored, p.RowHash)
	}
	return w.Flush()
}
