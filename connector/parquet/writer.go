package parquet

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet/encode"
	"github.com/millrace-engine/millrace/internal/diag"
)

// rowGroupRows is the default number of rows of a row group.
const rowGroupRows = 122_880

// maxGroupRows bounds the rows of a row group, which is buffered as a whole.
const maxGroupRows = 16 << 20

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for k := range spec.Options {
		switch k {
		case "compression", "row_group_rows", "file_name":
		default:
			return diag.New(diag.InvalidArgument, "there is no Parquet option %q", k).WithRemedy("options are compression and row_group_rows")
		}
	}
	if _, ok := encode.Codecs[strings.ToLower(spec.Options["compression"])]; !ok {
		return diag.New(diag.InvalidArgument, "there is no Parquet compression %q", spec.Options["compression"]).WithRemedy("use snappy, zstd, lz4, gzip or none")
	}
	if n, ok := spec.Options["row_group_rows"]; ok {
		if x, err := strconv.Atoi(n); err != nil || x < 1 || x > maxGroupRows {
			return diag.New(diag.InvalidArgument, "row_group_rows needs a whole number from 1 to %d, not %q", maxGroupRows, n)
		}
	}
	names := map[string]bool{}
	for _, f := range spec.Schema.Fields {
		if name := strings.ToLower(f.Name); names[name] {
			return diag.New(diag.InvalidArgument, "there are several columns named %s, which a Parquet file cannot tell apart", f.Name).
				WithRemedy("give each a name of its own with AS")
		} else {
			names[name] = true
		}
	}
	return encode.Check(spec.Schema)
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	name := spec.Options["file_name"]
	if name == "" {
		name = spec.FileName(task, attempt, ".parquet")
	}
	scratch := memory.NewScratch(nil)
	return connector.NewFileWriter(spec.Dir, name, func(w io.Writer) (connector.Encoder, error) { return newEncoder(w, spec, scratch) }, scratch.Close)
}

// NewEncoder writes a table's rows as one Parquet file to a stream. The options
// are those of files. Its memory is the collector's.
func (c *Connector) NewEncoder(w io.Writer, spec connector.WriteSpec) (connector.Encoder, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	return newEncoder(w, spec, nil)
}

func newEncoder(w io.Writer, spec connector.WriteSpec, s *memory.Scratch) (connector.Encoder, error) {
	opts := encode.Options{Codec: encode.Codecs[strings.ToLower(spec.Options["compression"])], GroupRows: rowGroupRows}
	if n, ok := spec.Options["row_group_rows"]; ok {
		opts.GroupRows, _ = strconv.Atoi(n)
	}
	return encode.NewFile(w, spec.Schema, opts, s)
}
