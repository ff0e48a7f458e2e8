package mrs

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/shuffle/file"
)

// reader yields the batches of some partitions of a file.
type reader struct {
	path       string
	req        connector.ScanRequest
	file       *file.File
	closer     io.Closer
	partitions []int // not begun yet
	part       *file.Reader
	batch      *columnar.Batch // the rest of it is to be given out
	at         int             // from this row on
	filter     *eval.Filter
	scratch    *memory.Scratch
	stats      connector.ScanStats
}

// Stats implements connector.Reader.
func (r *reader) Stats() connector.ScanStats { return r.stats }

// Close implements connector.Reader.
func (r *reader) Close() error {
	if r.part != nil {
		r.part.Close()
		r.part = nil
	}
	if r.scratch != nil {
		r.scratch.Close()
		r.scratch = nil
	}
	if r.closer == nil {
		return nil
	}
	err := r.closer.Close()
	r.closer = nil
	return err
}

// load reads the next chunk; io.EOF ends.
func (r *reader) load(ctx context.Context) (*columnar.Batch, error) {
	for {
		if r.part == nil {
			if len(r.partitions) == 0 {
				return nil, io.EOF
			}
			part, err := r.file.Read(ctx, r.partitions[0], r.req.Memory)
			if err != nil {
				return nil, err
			}
			r.stats.BytesRead += r.file.Summary(r.partitions[0]).Stored
			r.part, r.partitions = part, r.partitions[1:]
		}
		b, err := r.part.Next(ctx)
		if err == nil {
			r.stats.RowsRead += int64(b.Rows)
			return b, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, explain(err, r.path)
		}
		r.part.Close()
		r.part = nil
	}
}

// Next implements connector.Reader.
func (r *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if r.batch == nil || r.at == r.batch.Rows {
			b, err := r.load(ctx)
			if err != nil {
				return nil, err
			}
			r.batch, r.at = b, 0
		}
		n := r.batch.Rows - r.at
		if r.req.BatchRows > 0 {
			n = min(n, r.req.BatchRows)
		}
		r.scratch.Reset()
		in := &columnar.Batch{Rows: n, Cols: make([]columnar.Vector, len(r.req.Columns))}
		for i, c := range r.req.Columns {
			in.Cols[i] = kernel.Slice(&r.batch.Cols[c], r.at, n, r.scratch)
		}
		r.at += n
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
		out := &columnar.Batch{Rows: n, Sel: in.Sel, Cols: make([]columnar.Vector, len(r.req.Project))}
		for i, p := range r.req.Project {
			out.Cols[i] = in.Cols[p]
		}
		return out, nil
	}
}
