package catalogtest

import (
	"context"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

var (
	_ catalog.Table    = (*Table)(nil)
	_ catalog.Resolver = Tables(nil)
)

// Table is a schema with statistics under a name.
type Table struct {
	name   string
	schema *columnar.Schema
	stats  catalog.Statistics
}

// Column describes a column of a Table. Distinct < 0 means unknown; Min and Max
// are literal values as in expr.Literal, nil if unknown; AvgBytes is the average
// width of a string.
type Column struct {
	Name     string
	Type     columnar.Type
	Nullable bool
	Distinct float64
	Min, Max any
	AvgBytes float64
}

// New returns a table of so many rows (< 0: unknown, then the columns'
// statistics count for nothing either). A nullable column is taken to hold no
// null in fact.
func New(name string, rows float64, columns ...Column) *Table {
	t := &Table{name: name, schema: &columnar.Schema{}, stats: catalog.Statistics{Rows: rows}}
	width := 0.0
	for _, c := range columns {
		t.schema.Fields = append(t.schema.Fields, columnar.Field{Name: c.Name, Type: c.Type, Nullable: c.Nullable})
		t.stats.Columns = append(t.stats.Columns, catalog.ColumnStatistics{Distinct: c.Distinct, Min: c.Min, Max: c.Max, AvgBytes: c.AvgBytes})
		width += c.AvgBytes
		if c.AvgBytes == 0 {
			width += float64(max(c.Type.FixedWidth(), 1))
		}
	}
	t.stats.Bytes = rows * width
	if rows < 0 {
		t.stats = catalog.Unknown()
	}
	return t
}

// Name returns the table's name.
func (t *Table) Name() string { return t.name }

// Schema returns the columns.
func (t *Table) Schema() *columnar.Schema { return t.schema }

// Statistics returns what New was told.
func (t *Table) Statistics() catalog.Statistics { return t.stats }

// Descriptor names a connector that does not exist.
func (t *Table) Descriptor() catalog.Descriptor {
	return catalog.Descriptor{Connector: "test", Data: []byte(t.name)}
}

// Tables resolves names, without case, to tables. The key of a table is its
// name in lower case.
type Tables map[string]*Table

// Add puts a table under its name and returns ts.
func (ts Tables) Add(t *Table) Tables {
	ts[strings.ToLower(t.name)] = t
	return ts
}

// ResolveTable finds a table by a name of one part, or by the last of two if
// the first is "default". The Resolver's error classes apply.
func (ts Tables) ResolveTable(_ context.Context, ref catalog.TableRef) (catalog.Table, error) {
	if ref.Path != "" {
		return nil, diag.NewAt(ref.Place, diag.PathNotFound, "there is no file %s", ref.Path).WithPath(ref.Path)
	}
	parts := ref.Parts
	if len(parts) == 2 && strings.EqualFold(parts[0], "default") {
		parts = parts[1:]
	}
	if len(parts) == 1 {
		if t, ok := ts[strings.ToLower(parts[0])]; ok {
			return t, nil
		}
	}
	return nil, diag.NewAt(ref.Place, diag.TableNotFound, "there is no table %s", strings.Join(ref.Parts, "."))
}

// TableNames lists the names, sorted.
func (ts Tables) TableNames() []string {
	names := make([]string, 0, len(ts))
	for n := range ts {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
