package ipc

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/ipc"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/eval"
)

// reader yields a split's batches.
type reader struct {
	src     *source
	req     connector.ScanRequest
	record  *ipc.Record // nil: the next is to be read
	at      int         // its next row
	filter  *eval.Filter
	scratch *memory.Scratch
	out     columnar.Batch
	stats   connector.ScanStats
}

// Stats implements connector.Reader.
func (r *reader) Stats() connector.ScanStats { return r.stats }

// Close implements connector.Reader.
func (r *reader) Close() error {
	if r.src == nil {
		return nil
	}
	err := r.src.close()
	r.src = nil
	r.scratch.Close()
	return err
}

// load converts the next rows; io.EOF ends.
func (r *reader) load() (b *columnar.Batch, err error) {
	defer guard(r.src.path, &err)
	for r.record == nil || r.at == r.record.Rows() {
		if r.record, err = r.src.next(); err != nil {
			return nil, err
		}
		r.at = 0
	}
	size := r.req.BatchRows
	if size <= 0 || size > columnar.MaxRows {
		size = columnar.MaxRows
	}
	if b, err = r.record.Batch(r.at, min(size, r.record.Rows()-r.at)); err != nil {
		return nil, corrupt(r.src.path, err)
	}
	r.at += b.Rows
	r.stats.BytesRead = r.src.messages.read
	return b, nil
}

// Next implements connector.Reader.
func (r *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := r.load()
		if err != nil {
			return nil, err
		}
		r.stats.RowsRead += int64(b.Rows)
		if r.filter != nil {
			r.scratch.Reset()
			sel, err := r.filter.Select(b, r.scratch, nil)
			if err != nil {
				return nil, err
			}
			r.stats.RowsPruned += int64(b.Rows - len(sel))
			if len(sel) == 0 {
				continue
			}
			b.Sel = sel
		}
		r.out = columnar.Batch{Rows: b.Rows, Sel: b.Sel, Cols: make([]columnar.Vector, len(r.req.Project))}
		for i, p := range r.req.Project {
			r.out.Cols[i] = b.Cols[p]
		}
		return &r.out, nil
	}
}
