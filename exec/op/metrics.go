package op

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// Metrics counts what one operator of one task did. Bytes are those of the rows it
// put out (columnar.Batch.DataBytes). Nanos includes the time of the operator's
// inputs; readers subtract. Extra counters are filled by
// operators that have them.
type Metrics struct {
	Rows, Batches, Bytes atomic.Int64
	Nanos                atomic.Int64
	Scan                 ScanCounters
}

// ScanCounters mirror connector.ScanStats, and tell of scans of cached datasets.
type ScanCounters struct {
	BytesRead, RowsRead, RowGroups, RowGroupsPruned, PagesPruned, RowsPruned, FrontHits, FrontMisses atomic.Int64
	// Blocks of cached datasets that were in memory, on disk, on another executor, and
	// that were computed.
	CacheHits, CacheDisk, CacheFetched, CacheMisses atomic.Int64
}

// Accountant is an operator that keeps rows: Usage returns the bytes that it had
// reserved at most and those that it spilled, also after Close.
type Accountant interface{ Usage() (peak, spilled int64) }

// Measured wraps an operator and counts into Metrics. After each batch it lets tasks
// that wait for the processor have it, if its own has had its turn.
type Measured struct {
	Operator
	M    *Metrics
	turn *Turn
}

// Open opens the operator, timed.
func (m *Measured) Open(ctx context.Context, t *TaskContext) error {
	start := time.Now()
	m.turn = &t.Turn
	err := m.Operator.Open(ctx, t)
	m.M.Nanos.Add(int64(time.Since(start)))
	return err
}

// Next forwards and counts.
func (m *Measured) Next(ctx context.Context) (*columnar.Batch, error) {
	start := time.Now()
	b, err := m.Operator.Next(ctx)
	took := time.Since(start)
	m.M.Nanos.Add(int64(took))
	m.turn.Pass(start.Add(took))
	if err == nil {
		m.M.Rows.Add(int64(b.Selected()))
		m.M.Batches.Add(1)
		m.M.Bytes.Add(b.DataBytes())
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, err
}

var _ Operator = (*Measured)(nil)
