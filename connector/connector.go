// Package connector is the tree of things that data is read from and written
// to. A Connector opens tables from paths; a Table enumerates splits; a Scan
// reads one split as batches; a Writer stores batches and is committed by its
// job. Formats live in parquet, csv, ipc …; partition directories above them in
// partition; file systems in fs.
//
//	Registry ── Connector ── Open ──► Table ── Splits ──► Split (bytes on the wire)
//	                     └── Scan(descriptor, split, request) ──► Reader ──► batches
//	                     └── NewWriter(spec, task) ──► Writer ──► file, renamed on commit
//
// Invariants:
//
//   - C1 A Reader applies every filter of its request exactly, whatever it can
//     prune by metadata before.
//   - C2 A Reader's batch is valid until its next Next or Close.
//   - C3 A Writer leaves nothing behind unless Commit returned nil.
//   - C4 Errors that input can cause are *diag.Error with the path.
//
// It imports columnar, plan/catalog, plan/expr, plan/eval and diag.
package connector

import (
	"context"
	"fmt"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Connector reads (and may write) one kind of table. It is safe for concurrent
// use. Extras are optional interfaces: WriterConnector.
type Connector interface {
	// Name is what SQL and readers call it: parquet, csv, arrow.
	Name() string
	// Extensions are the file name endings that select it: ".parquet".
	Extensions() []string
	// Open inspects files (schema, statistics) and returns a table.
	Open(ctx context.Context, ref catalog.TableRef) (Table, error)
	// Splits enumerates the units of parallelism of a table for a scan, pruned
	// by the request's filters where metadata allows, biggest work first not
	// required; order is the table's order.
	Splits(ctx context.Context, d catalog.Descriptor, req ScanRequest) ([]Split, error)
	// Scan reads one split.
	Scan(ctx context.Context, d catalog.Descriptor, split []byte, req ScanRequest) (Reader, error)
}

// Table is a catalog.Table made by a Connector.
type Table interface{ catalog.Table }

// ScanRequest says what a scan must yield. See physical.Scan for the meaning of
// Columns, Filters and Project.
type ScanRequest struct {
	Columns   []int
	Filters   []expr.Expr
	Project   []int
	BatchRows int // at most columnar.MaxRows; 0 = MaxRows
	Memory    memory.Reservation
	Eval      eval.Options // what filters need besides the columns
	// Skip, if not nil, names the files of which Splits makes no splits.
	Skip func(path string) bool
	// Dynamic, if not nil, is asked before each row group, page or batch for
	// further filters that appeared since (runtime filters, TopN thresholds):
	// applying them is optional, they are bound like Filters.
	Dynamic func() []DynamicFilter
}

// DynamicFilter is a filter that appeared while the query runs: rows that it does
// not select may be dropped. Null is never selected. Implementations are
// immutable; a tighter one may take the place of another.
type DynamicFilter interface {
	// Column is the position in ScanRequest.Columns that it tests.
	Column() int
	// Range returns the least and greatest value that can match as literal
	// values of the column's type, nil for unbounded; for pruning by statistics.
	Range() (min, max any)
	// Select keeps of the rows in sel (nil: all v.Len rows) those that may match.
	Select(v *columnar.Vector, sel, out []uint16) []uint16
}

// Split is a unit of scanning.
type Split struct {
	Data  []byte // opaque to others, bounded to 64 KiB
	Path  string // the file, as fs.Find gave it
	Rows  int64  // estimate, −1 unknown
	Bytes int64  // estimate of bytes read
	// Memory is about the least that reading it takes in buffers, beside a batch.
	Memory int64
	// Hosts are those, by name, where reading it is best; nil: no matter where.
	Hosts []string
	// Alone says that it is a task of its own, however small.
	Alone bool
}

// Reader yields the batches of one split; io.EOF ends. It is used by one
// goroutine at a time. Close is idempotent and legal after any error.
type Reader interface {
	Next(ctx context.Context) (*columnar.Batch, error)
	Close() error
	// Stats returns counters so far: bytes and rows read from storage, rows and
	// row groups or pages pruned. For EXPLAIN ANALYZE.
	Stats() ScanStats
}

// ScanStats counts what a reader did.
type ScanStats struct {
	BytesRead       int64
	RowsRead        int64 // rows decoded
	RowGroups       int64 // row groups looked at
	RowGroupsPruned int64
	PagesPruned     int64
	RowsPruned      int64 // rows that filters dropped inside the scan
	// Footers and indexes of files that lay in memory, and that were read.
	FrontHits, FrontMisses int64
}

// WriteSpec describes the files of one job.
type WriteSpec struct {
	Dir         string // staging directory of this job
	Schema      *columnar.Schema
	Options     map[string]string
	PartitionBy []int // Hive-style directories; these columns are not stored
	Sequence    int   // number of this file among those that a task writes into Dir
	Memory      memory.Reservation
}

// FileName returns the name of a task's file with an ending, as ".parquet". It
// is another one for each task, attempt and Sequence.
func (s WriteSpec) FileName(task, attempt int, ending string) string {
	if s.Sequence > 0 {
		return fmt.Sprintf("part-%05d-%d-%d%s", task, attempt, s.Sequence, ending)
	}
	return fmt.Sprintf("part-%05d-%d%s", task, attempt, ending)
}

// WriterConnector is implemented by connectors that can write.
type WriterConnector interface {
	Connector
	// NewWriter writes one task's rows into files under spec.Dir whose names
	// contain the task and attempt numbers. Check validates options beforehand.
	NewWriter(ctx context.Context, spec WriteSpec, task, attempt int) (Writer, error)
	Check(spec WriteSpec) error
}

// Writer stores batches. Commit finishes the files and lists them; Abort
// removes them. One of both must be called.
type Writer interface {
	Write(ctx context.Context, b *columnar.Batch) error
	Commit(ctx context.Context) ([]File, error)
	Abort() error
}

// Buffering is implemented by writers that hold rows back to write many at once.
type Buffering interface {
	// Buffered returns the bytes held.
	Buffered() int64
	// Flush writes them out.
	Flush() error
}

// File is one written file, by its path relative to the staging directory.
type File struct {
	Path        string
	Rows, Bytes int64
}
