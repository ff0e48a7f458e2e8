// Package sequence is the table function range(start, end, step, partitions): whole
// numbers that are made where they are scanned.
//
//	Open(options) ─► numbers [start, end) by step ─► splits: runs of them ─► batches
//
// It imports columnar, connector, plan/catalog and plan/eval. It is tested by SQL
// against sums that are known, at the ends of the 64-bit numbers too.
package sequence

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// Format is the connector's name. HostsOption has a list of hosts for each partition,
// as JSON.
const (
	Format      = "range"
	HostsOption = "hosts"
)

const (
	splitRows = 1 << 17 // of a split where no number of partitions is asked for
	maxSplits = 1 << 12
)

// Connector implements connector.Connector.
type Connector struct{}

var _ connector.Connector = (*Connector)(nil)

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return Format }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return nil }

// numbers are Start, Start+Step, … below End, above it if Step is negative.
type numbers struct {
	Start, End, Step int64
	Partitions       int // 0: as many as seem right
	// Hosts are where each partition is made best, for sources of datasets, whose
	// partitions are tasks of their own; nil for others.
	Hosts [][]string `json:",omitempty"`
}

// count is how many there are.
func (x numbers) count() uint64 {
	from, to, by := x.Start, x.End, uint64(x.Step)
	if x.Step < 0 {
		from, to, by = x.End, x.Start, -uint64(x.Step)
	}
	if from >= to {
		return 0
	}
	return (uint64(to)-uint64(from)-1)/by + 1
}

// Open implements connector.Connector.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	var x [4]int64
	for i, key := range []string{"start", "end", "step", "partitions"} {
		n, err := strconv.ParseInt(ref.Options[key], 10, 64)
		if err != nil {
			return nil, diag.New(diag.InvalidArgument, "range() has no whole number as %s", key)
		}
		x[i] = n
	}
	if x[2] == 0 {
		return nil, diag.New(diag.InvalidArgument, "the step of range() is 0").WithRemedy("a step below or above 0")
	}
	if x[3] < 0 || x[3] > maxSplits {
		return nil, diag.New(diag.InvalidArgument, "range() cannot have %d partitions", x[3]).WithRemedy("1 to %d, or none to let the engine choose", maxSplits)
	}
	d := numbers{Start: x[0], End: x[1], Step: x[2], Partitions: int(x[3])}
	if text, ok := ref.Options[HostsOption]; ok {
		if err := json.Unmarshal([]byte(text), &d.Hosts); err != nil || len(d.Hosts) != d.Partitions {
			return nil, diag.New(diag.InvalidArgument, "range() has hosts for %d of %d partitions", len(d.Hosts), d.Partitions)
		}
	}
	n := d.count()
	stats := catalog.Statistics{Rows: float64(n), Bytes: 8 * float64(n)}
	column := catalog.ColumnStatistics{Distinct: float64(n)}
	if n > 0 {
		first, last := d.Start, d.Start+int64(n-1)*d.Step
		column.Min, column.Max = min(first, last), max(first, last)
	}
	stats.Columns = []catalog.ColumnStatistics{column}
	return connector.NewTable(c, fmt.Sprintf("(%d, %d, %d)", d.Start, d.End, d.Step), columnar.NewSchema(columnar.Field{Name: "id", Type: columnar.Int64Type}), stats, d)
}

// Splits implements connector.Connector: each is the place of its first number and
// how many it has.
func (c *Connector) Splits(_ context.Context, desc catalog.Descriptor, _ connector.ScanRequest) ([]connector.Split, error) {
	var d numbers
	if err := connector.Describe(desc, &d); err != nil {
		return nil, err
	}
	n := d.count()
	parts := min(uint64(d.Partitions), n)
	if parts == 0 {
		parts = min((n+splitRows-1)/splitRows, maxSplits)
	}
	var out []connector.Split
	for at, left := uint64(0), parts; left > 0; left-- {
		rows := (n - at + left - 1) / left
		data := binary.AppendUvarint(binary.AppendUvarint(nil, at), rows)
		s := connector.Split{Data: data, Rows: int64(min(rows, 1<<62)), Bytes: 8 * int64(min(rows, 1<<59))}
		if d.Hosts != nil {
			s.Alone, s.Hosts = true, d.Hosts[len(out)]
		}
		out = append(out, s)
		at += rows
	}
	return out, nil
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, desc catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var d numbers
	if err := connector.Describe(desc, &d); err != nil {
		return nil, err
	}
	at, n := binary.Uvarint(split)
	if n <= 0 {
		return nil, errSplit
	}
	rows, m := binary.Uvarint(split[n:])
	if all := d.count(); m <= 0 || at > all || rows > all-at {
		return nil, errSplit
	}
	r := &reader{req: req, next: d.Start + int64(at)*d.Step, step: d.Step, left: rows, scratch: memory.NewScratch(req.Memory)}
	if len(req.Filters) > 0 {
		var err error
		if r.filter, err = eval.CompileFilter(req.Filters, req.Eval); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

var errSplit = diag.New(diag.Internal, "a split of range() is damaged")

// reader makes the numbers of a split.
type reader struct {
	req     connector.ScanRequest
	next    int64
	step    int64
	left    uint64
	filter  *eval.Filter
	scratch *memory.Scratch
	stats   connector.ScanStats
}

// Stats implements connector.Reader.
func (r *reader) Stats() connector.ScanStats { return r.stats }

// Close implements connector.Reader.
func (r *reader) Close() error {
	if r.scratch != nil {
		r.scratch.Close()
		r.scratch = nil
	}
	return nil
}

// Next implements connector.Reader.
func (r *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for r.left > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		most := columnar.MaxRows
		if r.req.BatchRows > 0 {
			most = min(most, r.req.BatchRows)
		}
		n := int(min(uint64(most), r.left))
		r.scratch.Reset()
		data := r.scratch.Bytes(8 * n)
		out := columnar.View[int64](data, n)
		for i := range out {
			out[i] = r.next + int64(i)*r.step // wraps behind the last number only
		}
		r.next += int64(n) * r.step
		r.left -= uint64(n)
		r.stats.RowsRead += int64(n)
		in := &columnar.Batch{Rows: n, Cols: make([]columnar.Vector, len(r.req.Columns))}
		for i := range in.Cols {
			in.Cols[i] = columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: n, Data: data}
		}
		if r.filter != nil {
			sel, err := r.filter.Select(in, r.scratch, nil)
			if err != nil {
				return nil, err
			}
			r.stats.RowsPruned += int64(n - len(sel))
			if len(sel) == 0 {
				continue
			}
			in.Sel = sel
		}
		b := &columnar.Batch{Rows: n, Sel: in.Sel, Cols: make([]columnar.Vector, len(r.req.Project))}
		for i, p := range r.req.Project {
			b.Cols[i] = in.Cols[p]
		}
		return b, nil
	}
	return nil, io.EOF
}
