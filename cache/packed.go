package cache

import (
	"context"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// packed is a batch in memory as it would lie on disk.
type packed struct {
	data   []byte // by columnar/chunk
	schema *columnar.Schema
	rows   int
	raw    int64 // bytes of the batch, about
}

// StoredRun is a Run that takes what columnar/chunk has encoded as it is.
type StoredRun interface {
	Run
	// AppendStored appends a chunk of rows of a schema, of about raw bytes in memory.
	AppendStored(ctx context.Context, s *columnar.Schema, data []byte, rows int, raw int64) error
}

// packing are buffers for chunks whose size is not known yet.
var packing = sync.Pool{New: func() any { return new([]byte) }}

// pack encodes a batch.
func pack(x *columnar.Batch) (*packed, error) {
	buffer := packing.Get().(*[]byte)
	defer func() {
		invariants.Poison(*buffer)
		packing.Put(buffer)
	}()
	data, err := chunk.Append((*buffer)[:0], x, chunk.LZ4)
	if err != nil {
		return nil, err
	}
	*buffer = data
	return &packed{data: slices.Clone(data), schema: x.Schema, rows: x.Selected(), raw: x.MemoryBytes()}, nil
}

// unpacker decodes packed batches of a block, each valid until the next one.
type unpacker struct {
	scratch *memory.Scratch // made by the first
	dicts   chunk.Dictionaries
}

func (u *unpacker) batch(p *packed, r memory.Reservation) (*columnar.Batch, error) {
	if u.scratch == nil {
		u.scratch = memory.NewScratch(r)
	}
	u.scratch.Reset()
	b, err := chunk.DecodeIn(u.scratch, p.data, p.schema)
	if err != nil {
		return nil, err
	}
	u.dicts.Share(b)
	return b, nil
}

func (u *unpacker) close() { u.scratch.Close() }

// put writes a resident to a run.
func (x resident) put(ctx context.Context, run Run) error {
	if x.packed == nil {
		return run.Append(ctx, x.batch)
	}
	if s, ok := run.(StoredRun); ok {
		return s.AppendStored(ctx, x.packed.schema, x.packed.data, x.packed.rows, x.packed.raw)
	}
	b, err := chunk.Decode(x.packed.data, x.packed.schema)
	if err != nil {
		return err
	}
	return run.Append(ctx, b)
}

// rows returns how many rows a resident has, size what it takes but for what it shares.
func (x resident) rows() int64 {
	if x.packed != nil {
		return int64(x.packed.rows)
	}
	return int64(x.batch.Selected())
}

func (x resident) size() int64 {
	if x.packed != nil {
		return int64(len(x.packed.data))
	}
	return x.batch.DataBytes()
}
