package spill

import (
	"context"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// RunBytes is about what a run holds of rows that are not written yet: whoever
// writes many runs at a time reserves that much for each.
const RunBytes = 128 << 10

// Bytes of rows in a chunk: smaller batches are gathered, larger ones cut.
const (
	leastChunk = RunBytes / 2
	mostChunk  = RunBytes
)

// Run is an append-only sequence of rows. Appending is one goroutine's at a
// time; opening and reading may be any number's.
type Run struct {
	file *File
	name string

	mu      sync.Mutex
	schema  *columnar.Schema
	pending *kernel.Appender // rows not written yet; nil if none
	chunks  []extent
	rows    int64
	bytes   int64 // of the rows in memory, about
	stored  int64
}

// Rows returns the rows appended so far.
func (r *Run) Rows() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows
}

// Bytes returns about the bytes that the run's rows take in memory.
func (r *Run) Bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Stored returns the bytes that the run takes in its file.
func (r *Run) Stored() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored
}

// Append adds the rows of a batch that count. Batches of a run have the same
// types. The key hash is dropped. A device that is full or fails gives an error
// of class SpillFailed, after which the run is not complete.
func (r *Run) Append(ctx context.Context, b *columnar.Batch) error {
	n := b.Selected()
	if n == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.schema == nil {
		r.schema = schemaOf(b)
	}
	size := rowBytes(b)
	if r.pending != nil && (r.pending.Len()+n > columnar.MaxRows || r.pending.Bytes()+size > RunBytes) {
		if err := r.flush(); err != nil {
			return err
		}
	}
	var err error
	if r.pending == nil && (size >= leastChunk || n == columnar.MaxRows) && r.fits(b) {
		err = r.cut(b, size)
	} else {
		err = r.gather(b)
	}
	if err != nil {
		return err
	}
	r.rows += int64(n)
	r.bytes += size
	return nil
}

// AppendStored adds rows as columnar/chunk encoded them, which took about raw bytes.
// Errors are those of Append.
func (r *Run) AppendStored(ctx context.Context, s *columnar.Schema, data []byte, rows int, raw int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.schema == nil {
		r.schema = s
	}
	if err := r.flush(); err != nil {
		return err
	}
	x, err := r.file.put(data, rows, raw)
	if err != nil {
		return err
	}
	r.chunks = append(r.chunks, x)
	r.stored += x.stored
	r.rows += int64(rows)
	r.bytes += raw
	return nil
}

// fits reports whether a batch's vectors have the types of the run: a column
// may come as one of nulls alone.
func (r *Run) fits(b *columnar.Batch) bool {
	for i, f := range r.schema.Fields {
		if b.Cols[i].Type.Kind != f.Type.Kind {
			return false
		}
	}
	return true
}

// gather adds rows to those not written yet.
func (r *Run) gather(b *columnar.Batch) error {
	if r.pending == nil {
		types := make([]columnar.Type, r.schema.Len())
		for i, f := range r.schema.Fields {
			types[i] = f.Type
		}
		r.pending = kernel.NewAppender(types, nil)
	}
	if err := r.pending.Append(b); err != nil {
		return err
	}
	if r.pending.Len() == columnar.MaxRows || r.pending.Bytes() >= RunBytes {
		return r.flush()
	}
	return nil
}

// Flush writes what is still in memory.
func (r *Run) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flush()
}

func (r *Run) flush() error {
	if r.pending == nil {
		return nil
	}
	b := r.pending.Take(r.schema)
	r.pending = nil
	return r.cut(b, b.MemoryBytes())
}

// cut writes a batch as chunks of useful size.
func (r *Run) cut(b *columnar.Batch, size int64) error {
	n := b.Selected()
	if size <= mostChunk || n == 1 {
		return r.write(b, size)
	}
	pieces := int(min(int64(n), (size+mostChunk-1)/mostChunk))
	for k := range pieces {
		from, to := n*k/pieces, n*(k+1)/pieces
		var p *columnar.Batch
		if b.Sel != nil {
			c := *b
			c.Sel = b.Sel[from:to]
			p = &c
		} else {
			p = kernel.SliceBatch(b, from, to-from, nil)
		}
		part := rowBytes(p)
		if part > 2*mostChunk { // rows of very different lengths
			if err := r.cut(p, part); err != nil {
				return err
			}
			continue
		}
		if err := r.write(p, part); err != nil {
			return err
		}
	}
	return nil
}

// write stores one chunk.
func (r *Run) write(b *columnar.Batch, size int64) error {
	x, err := r.file.write(b, size)
	if err != nil {
		return err
	}
	r.chunks = append(r.chunks, x)
	r.stored += x.stored
	return nil
}

// Open returns a reader of the rows appended so far. It charges r, which may be
// nil, with what one chunk takes until it is closed: memory.ErrSpill if that is
// refused.
func (r *Run) Open(ctx context.Context, to memory.Reservation) (*Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.flush(); err != nil {
		return nil, err
	}
	return newReader(ctx, r, to)
}

// Drop gives the run's disk space and memory back. Nobody may be reading it.
func (r *Run) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = nil
	for _, x := range r.chunks {
		r.file.release(x)
	}
	r.chunks, r.rows, r.bytes, r.stored = nil, 0, 0, 0
}

// schemaOf returns the batch's schema, or one of its columns' types.
func schemaOf(b *columnar.Batch) *columnar.Schema {
	s := b.Schema
	if s != nil && s.Len() == len(b.Cols) {
		return s
	}
	s = &columnar.Schema{}
	for i := range b.Cols {
		s.Fields = append(s.Fields, columnar.Field{Type: b.Cols[i].Type, Nullable: true})
	}
	return s
}

// rowBytes returns about the bytes that the rows of a batch that count take
// when each has its own values.
func rowBytes(b *columnar.Batch) int64 {
	n := int64(0)
	for i := range b.Cols {
		n += columnBytes(&b.Cols[i], b.Sel, b.Rows)
	}
	return n
}

func columnBytes(v *columnar.Vector, sel []uint16, rows int) int64 {
	n := int64(rows)
	if sel != nil {
		n = int64(len(sel))
	}
	size := int64(0)
	if v.Valid != nil {
		size = n / 8
	}
	w := v
	if v.Enc == columnar.Dict {
		w = &v.Dict.Values
		if int64(w.Len) <= n { // it is stored along
			return size + 4*n + w.MemoryBytes()
		}
	}
	switch {
	case v.Type.Kind == columnar.Null:
		return 0
	case v.Enc == columnar.Const:
		return size + v.MemoryBytes()
	case v.Type.Kind == columnar.Bool:
		return size + n/8
	case v.Type.IsBytes():
		return size + 4*n + stringBytes(v, sel, rows)
	case v.Type.IsNested():
		whole := v.MemoryBytes()
		if rows > 0 {
			whole = whole * n / int64(rows)
		}
		return whole
	}
	return size + n*int64(w.Width)
}

// stringBytes sums the lengths of the strings of a flat or dictionary vector.
func stringBytes(v *columnar.Vector, sel []uint16, rows int) (n int64) {
	if v.Enc == columnar.Flat {
		off := v.Offsets()
		if sel == nil {
			return int64(off[rows] - off[0])
		}
		for _, i := range sel {
			n += int64(off[i+1] - off[i])
		}
		return n
	}
	off, codes := v.Dict.Values.Offsets(), v.Codes()
	if sel == nil {
		for _, c := range codes[:rows] {
			n += int64(off[c+1] - off[c])
		}
		return n
	}
	for _, i := range sel {
		c := codes[i]
		n += int64(off[c+1] - off[c])
	}
	return n
}
