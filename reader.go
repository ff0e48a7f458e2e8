package millrace

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

// Reader reads files.
type Reader struct {
	s       *Session
	options map[string]string
	schema  *columnar.Schema
	err     error
}

// Read returns a reader.
func (s *Session) Read() *Reader { return &Reader{s: s, options: map[string]string{}} }

// Option sets an option of the format, as header or sep for CSV.
func (r *Reader) Option(key, value string) *Reader {
	r.options[key] = value
	return r
}

// Schema gives the columns, as "a INT, b STRING", instead of inferring them.
func (r *Reader) Schema(ddl string) *Reader {
	if r.schema, r.err = sql.ParseSchema(ddl); r.err != nil {
		r.err = at(caller(), r.err)
	}
	return r
}

// Load reads a path (a file, directory or glob) in a format.
func (r *Reader) Load(format, path string) *DataFrame {
	return &DataFrame{s: r.s, err: r.err, call: caller(), plan: &logical.Relation{Ref: catalog.TableRef{Format: format, Path: path, Options: r.options, Schema: r.schema}}}
}

// Parquet reads Parquet files.
func (r *Reader) Parquet(path string) *DataFrame { return r.Load("parquet", path) }

// CSV reads CSV files.
func (r *Reader) CSV(path string) *DataFrame { return r.Load("csv", path) }

// JSON reads files of JSON lines, or with the option multiLine one document each.
func (r *Reader) JSON(path string) *DataFrame { return r.Load("json", path) }

// Text reads lines into a column value.
func (r *Reader) Text(path string) *DataFrame { return r.Load("text", path) }

// Arrow reads Arrow IPC files and streams.
func (r *Reader) Arrow(path string) *DataFrame { return r.Load("arrow", path) }

// Range returns the whole numbers from start on, below end, or above it if step is
// negative, as a column id.
func (s *Session) Range(start, end, step int64) *DataFrame {
	args := make([]expr.Expr, 3)
	for i, n := range []int64{start, end, step} {
		args[i] = expr.Lit(n, columnar.Int64Type)
	}
	return &DataFrame{s: s, call: caller(), plan: &logical.Relation{Ref: catalog.TableRef{Parts: []string{"range"}}, Call: true, Args: args}}
}

// Table returns a view by name.
func (s *Session) Table(name string) *DataFrame {
	return &DataFrame{s: s, call: caller(), plan: &logical.Relation{Ref: catalog.TableRef{Parts: strings.Split(name, ".")}}}
}
