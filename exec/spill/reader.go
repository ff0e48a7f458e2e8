package spill

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Reader yields a run's batches in order. It is one goroutine's at a time.
type Reader struct {
	file    *File
	schema  *columnar.Schema
	chunks  []extent
	stored  []byte
	scratch *memory.Scratch
	charge  memory.Reservation
	held    int64
	dicts   chunk.Dictionaries
}

// newReader opens what a run has now; its lock is held.
func newReader(ctx context.Context, r *Run, to memory.Reservation) (*Reader, error) {
	d := &Reader{file: r.file, schema: r.schema, chunks: r.chunks[:len(r.chunks):len(r.chunks)], charge: to}
	stored, raw := int64(0), int64(0)
	for _, x := range r.chunks {
		stored, raw = max(stored, x.stored), max(raw, x.raw)
	}
	if stored == 0 {
		return d, nil
	}
	if n := stored + raw; to != nil {
		if err := to.Grow(ctx, n); err != nil {
			return nil, err
		}
		d.held = n
	}
	d.stored = memory.AllocSlab(int(stored))
	d.scratch = memory.NewScratch(nil)
	return d, nil
}

// Next returns the next batch, valid until the next call or Close; io.EOF ends.
// Errors are those of the context, or of class SpillFailed.
func (d *Reader) Next(ctx context.Context) (*columnar.Batch, error) {
	data, _, err := d.NextStored(ctx)
	if err != nil {
		return nil, err
	}
	d.scratch.Reset()
	b, err := chunk.DecodeIn(d.scratch, data, d.schema)
	if errors.Is(err, chunk.ErrCorrupt) {
		err = d.file.unreadable(err)
	}
	if err != nil {
		return nil, err
	}
	d.dicts.Share(b)
	return b, nil
}

// NextStored is Next without decoding: the chunk as it is stored, which carries its
// checksums, and its rows.
func (d *Reader) NextStored(ctx context.Context) (data []byte, rows int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if len(d.chunks) == 0 {
		return nil, 0, io.EOF
	}
	x := d.chunks[0]
	d.chunks = d.chunks[1:]
	data = d.stored[:x.stored]
	return data, x.rows, d.file.read(data, x)
}

// Skip implements cache.Reader.
func (d *Reader) Skip(n int64) (skipped int64, more bool) {
	for len(d.chunks) > 0 && int64(d.chunks[0].rows) <= n-skipped {
		skipped += int64(d.chunks[0].rows)
		d.chunks = d.chunks[1:]
	}
	return skipped, len(d.chunks) > 0
}

// Close gives the reader's memory back. It is idempotent.
func (d *Reader) Close() {
	if d.stored != nil {
		memory.FreeSlab(d.stored)
		d.scratch.Close()
		d.stored, d.scratch = nil, nil
	}
	d.chunks = nil
	if d.held > 0 {
		d.charge.Shrink(d.held)
		d.held = 0
	}
}
