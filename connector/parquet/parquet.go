// Package parquet reads and writes Parquet files.
//
//	Open: footers ─► schema, statistics       Splits: one per row group
//	Scan: statistics, bloom filters ─► row group ─► page index ─► ranges of rows
//	      filter columns batch by batch ─► survivors ─► other columns
//
// decode reads pages, encode writes files; of parquet-go there is the decoder of
// the metadata. A string column with a dictionary is a dictionary vector whose
// dictionary lives as long as its row group is read.
//
// Invariants:
//
//   - Q1 A page is decompressed only if a row of it survived what was known before:
//     statistics, page index, bloom filters, filters on other columns.
//   - Q2 Bounds are used for pruning only if they hold: see literal.
//   - Q3 A file that is damaged is refused by a *diag.Error, whatever it holds, and
//     memory is bounded by what lies in it.
//   - Q4 Nothing but the reading of its own footer makes a scan wait for another.
//
// It imports cache/front, columnar, plan/catalog, plan/eval, plan/expr, connector and diag.
// Tests compare with the format's own collection of files where it is at hand, and
// FuzzScan looks for panics.
package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/parquet/decode"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// Connector implements connector.Connector.
type Connector struct{ footers }

// New returns the connector, which reads what it needs of a file whenever it is asked.
func New() *Connector { return NewWith(nil) }

// NewWith is New with a cache for footers and page indexes.
func NewWith(f *front.Cache) *Connector {
	return &Connector{footers{front: f, busy: map[string]*reading{}}}
}

// Name implements connector.Connector.
func (c *Connector) Name() string { return "parquet" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".parquet", ".pq"} }

// descriptor is what executors open a table from.
type descriptor struct {
	Files []fs.File `json:"f"`
}

// Open implements connector.Connector.
func (c *Connector) Open(ctx context.Context, ref catalog.TableRef) (_ connector.Table, err error) {
	defer guard(ref.Path, &err)
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	var t summary
	if err := c.each(ctx, found, func(x fs.File, f *file) error { return t.add(found[0].Path, x, f) }); err != nil {
		return nil, err
	}
	return connector.NewTable(c, ref.Path, t.schema, t.stats, descriptor{found})
}

// summary is what the footers of a table's files say together.
type summary struct {
	schema *columnar.Schema
	stats  catalog.Statistics
}

// add takes the columns and statistics of a file into it.
func (t *summary) add(first string, x fs.File, f *file) error {
	if t.schema == nil {
		t.schema = &columnar.Schema{Fields: append([]columnar.Field(nil), f.cols...)}
		t.stats.Columns = make([]catalog.ColumnStatistics, len(f.cols))
		for k := range t.stats.Columns {
			t.stats.Columns[k].Distinct = -1
		}
	} else if !sameColumns(t.schema.Fields, f.cols) {
		return diag.New(diag.TypeMismatch, "%s and %s have different columns", first, x.Path).WithPath(x.Path).
			WithRemedy("read files with different columns one by one")
	}
	for k := range f.cols {
		t.schema.Fields[k].Nullable = t.schema.Fields[k].Nullable || f.cols[k].Nullable
	}
	t.stats.Bytes += float64(x.Size)
	for g := range f.meta.RowGroups {
		rows := f.meta.RowGroups[g].NumRows
		if rows <= 0 {
			continue
		}
		for k, b := range f.bounds[g] {
			widen(&t.stats.Columns[k], b, t.stats.Rows == 0)
		}
		t.stats.Rows += float64(rows)
	}
	return nil
}

func sameColumns(a, b []columnar.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !a[i].Type.Equal(b[i].Type) {
			return false
		}
	}
	return true
}

// Splits implements connector.Connector: one split per row group that may hold
// matching rows.
func (c *Connector) Splits(ctx context.Context, d catalog.Descriptor, req connector.ScanRequest) (_ []connector.Split, err error) {
	path := ""
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(path, fmt.Errorf("%v", p))
		}
	}()
	var desc descriptor
	if err := connector.Describe(d, &desc); err != nil {
		return nil, err
	}
	files := desc.Files
	if req.Skip != nil {
		files = slices.DeleteFunc(files, func(x fs.File) bool { return req.Skip(x.Path) })
	}
	var out []connector.Split
	err = c.each(ctx, files, func(x fs.File, f *file) error {
		path = x.Path
		if err := f.unchanged(x.Size, req.Columns); err != nil {
			return err
		}
		for g := range f.meta.RowGroups {
			rows := f.meta.RowGroups[g].NumRows
			if rows <= 0 || f.pruned(g, req) {
				continue
			}
			s := connector.Split{Path: x.Path, Rows: rows, Data: append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(g)), uint64(x.Size)), x.Path...)}
			for _, col := range req.Columns {
				for _, c := range f.chunks(g, f.leaves[col]) {
					s.Bytes += c.TotalCompressedSize
					s.Memory += decode.Least(c.Codec, c.TotalCompressedSize, c.TotalRawSize)
				}
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// chunks are the column chunks of a column of a row group.
func (f *file) chunks(g int, l leaf) (out []*columnMetaData) {
	if l.nest == nil {
		return append(out, f.chunk(g, l))
	}
	for _, k := range l.nest.leaves() {
		out = append(out, f.chunk(g, k.leaf))
	}
	return out
}

// unchanged checks that a file is still the one that was planned with, and that
// the columns of a scan can be read.
func (f *file) unchanged(size int64, columns []int) error {
	if f.size != size {
		return corrupt(f.path, errors.New("it changed while it was read"))
	}
	return f.readable(columns)
}

// Scan implements connector.Connector. A split is the row group, the size of the
// file and its path.
func (c *Connector) Scan(_ context.Context, _ catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	g, n := binary.Uvarint(split)
	size, m := binary.Uvarint(split[max(0, n):])
	if n <= 0 || m <= 0 {
		return nil, diag.New(diag.Internal, "a split of a Parquet table is damaged")
	}
	f, hit, err := c.open(string(split[n+m:]))
	if err != nil {
		return nil, err
	}
	if err := f.unchanged(int64(size), req.Columns); err != nil {
		return nil, err
	}
	if g >= uint64(len(f.meta.RowGroups)) {
		return nil, corrupt(f.path, errors.New("it changed while it was read"))
	}
	if f, err = f.opened(); err != nil {
		return nil, err
	}
	f.looks.add(hit)
	r, err := newReader(f, int(g), req)
	if err != nil {
		f.os.Close()
		return nil, err
	}
	return r, nil
}
