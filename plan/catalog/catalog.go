// Package catalog describes tables to the planner: schema, statistics and the
// means to name them on the wire. It opens nothing; a Resolver, given by the
// session, does (packages connector/… implement it).
//
// It may import columnar, diag and plan/expr.
package catalog

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Table is a thing that can be scanned.
type Table interface {
	// Name is how EXPLAIN shows it: a path or a view-like name.
	Name() string
	Schema() *columnar.Schema
	Statistics() Statistics
	// Descriptor names the table on the wire: executors open it from this.
	Descriptor() Descriptor
}

// Descriptor is what an executor needs to scan the table: a connector's name
// and an opaque, bounded value that only this connector reads.
type Descriptor struct {
	Connector string
	Data      []byte
}

// Statistics are estimates; a negative number means unknown. Min, Max and
// NullCount come from file metadata and are bounds that hold.
type Statistics struct {
	Rows    float64
	Bytes   float64
	Columns []ColumnStatistics // by schema position; may be empty
}

// ColumnStatistics describes one column. Min and Max are literal values as in
// expr.Literal (bool, int64, float64, columnar.Int128, string), nil if unknown.
type ColumnStatistics struct {
	Distinct  float64
	NullCount float64
	Min, Max  any
	AvgBytes  float64 // average width of a value, for variable-length columns
}

// Unknown returns statistics that know nothing.
func Unknown() Statistics { return Statistics{Rows: -1, Bytes: -1} }

// TableRef names a table as written in a FROM clause or a reader: either a name
// (Parts) or a format with a path: parquet.`glob`, 'path.csv'.
type TableRef struct {
	Parts   []string
	Format  string // "", "parquet", "csv", "arrow", … ; "" with Path: by extension
	Path    string
	Options map[string]string
	// Schema is the user's schema, or nil to infer it.
	Schema *columnar.Schema
	// Zone is the session's time zone, for texts that name none; "" is UTC.
	Zone  string
	Place diag.Pos
}

// Resolver turns a reference to files or a catalog table into a Table. The
// analyzer asks it after its own views; a *diag.Error with class
// TABLE_OR_VIEW_NOT_FOUND or PATH_NOT_FOUND says that there is none.
type Resolver interface {
	ResolveTable(ctx context.Context, ref TableRef) (Table, error)
	// TableNames lists the names that could have been meant, for messages and SHOW TABLES.
	TableNames() []string
}

// Option is one key and value of a reader's or writer's options, in a list
// sorted by key, so that plans have one encoding.
type Option struct{ Key, Value string }
