package millrace

import (
	"context"
	"strings"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Writer stores a frame as files.
type Writer struct {
	d       *DataFrame
	mode    string
	options map[string]string
	by      []string
}

// Write returns a writer.
func (d *DataFrame) Write() *Writer {
	return &Writer{d: d, mode: "error", options: map[string]string{}}
}

// Mode says what happens when the target exists: error, overwrite, append or
// ignore.
func (w *Writer) Mode(mode string) *Writer {
	w.mode = mode
	return w
}

// Option sets an option of the format, as compression.
func (w *Writer) Option(key, value string) *Writer {
	w.options[key] = value
	return w
}

// PartitionBy lets the files lie in directories named by the values of columns, as
// year=2024/month=1, which the files themselves do not hold.
func (w *Writer) PartitionBy(columns ...string) *Writer {
	w.by = columns
	return w
}

// Parquet writes Parquet files into a directory.
func (w *Writer) Parquet(ctx context.Context, path string) error { return w.Save(ctx, "parquet", path) }

// CSV writes CSV files into a directory.
func (w *Writer) CSV(ctx context.Context, path string) error { return w.Save(ctx, "csv", path) }

// JSON writes files of JSON lines into a directory.
func (w *Writer) JSON(ctx context.Context, path string) error { return w.Save(ctx, "json", path) }

// Text writes the lines of one string column into a directory.
func (w *Writer) Text(ctx context.Context, path string) error { return w.Save(ctx, "text", path) }

// Arrow writes Arrow IPC files into a directory.
func (w *Writer) Arrow(ctx context.Context, path string) error { return w.Save(ctx, "arrow", path) }

// Save writes files of a format into a directory. They appear when all are
// complete, with a file _SUCCESS.
func (w *Writer) Save(ctx context.Context, format, path string) error {
	if w.d.err != nil {
		return w.d.err
	}
	modes := map[string]logical.WriteMode{"error": logical.ErrorIfExists, "overwrite": logical.Overwrite, "append": logical.Append, "ignore": logical.Ignore}
	mode, ok := modes[strings.ToLower(w.mode)]
	if !ok {
		return diag.New(diag.InvalidArgument, "there is no write mode %q", w.mode).WithRemedy("use error, overwrite, append or ignore")
	}
	return w.d.s.write(ctx, &logical.Write{Format: strings.ToLower(format), Path: path, Mode: mode, Options: w.options, PartitionBy: w.by, Child: w.d.plan})
}

// write runs a write: staging, the query, then the commit.
func (s *Session) write(ctx context.Context, w *logical.Write) error {
	c, err := s.tables.Lookup(w.Format)
	if err != nil {
		return err
	}
	wc, ok := c.(connector.WriterConnector)
	if !ok {
		return diag.NewAt(w.Place, diag.Unsupported, "the format %s cannot be written yet", w.Format)
	}
	q, err := s.plan(ctx, w, nil)
	if err != nil {
		return err
	}
	node := q.physical.(*physical.Write)
	spec := connector.WriteSpec{Schema: node.Child.Schema(), Options: w.Options, PartitionBy: node.PartitionBy}
	if err := wc.Check(spec); err != nil {
		return err
	}
	out, err := connector.PrepareOutput(w.Path, w.Mode)
	if err != nil || out.Skip {
		return err
	}
	node.Staging = out.Staging
	if q.graph, err = stage.Cut(node); err != nil {
		out.Abort()
		return diag.New(diag.Internal, "%v", err)
	}
	r, err := s.driver.Run(ctx, q.job())
	if err != nil {
		out.Abort()
		return err
	}
	var files []string
	for _, b := range r.Batches {
		for i := range b.Rows {
			files = append(files, string(b.Cols[0].BytesAt(i)))
		}
	}
	if err := out.Commit(files); err != nil {
		out.Abort()
		return err
	}
	return nil
}
