package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/invariants"
	"github.com/millrace-engine/millrace/shuffle"
)

// File is a whole file, opened for reading. It is safe for concurrent use.
type File struct {
	Info
	Schema *columnar.Schema
	Total  shuffle.Sum
	Size   int64 // bytes of the file

	from   io.ReaderAt
	chunks []entry
	filled []filled
	firsts []int // by place in filled: its first chunk
}

// Open reads and checks all but the chunks of a file of size bytes. Closing what it
// reads from is the caller's.
func Open(from io.ReaderAt, size int64) (*File, error) {
	if size < headerBytes+footerBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrAbsent, size)
	}
	var b [footerBytes]byte
	if err := readFull(from, b[:], size-footerBytes); err != nil {
		return nil, err
	}
	foot, err := decodeFooter(b[:], size)
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerBytes)
	if err := readFull(from, head, 0); err != nil {
		return nil, err
	}
	info, length, hash, err := decodeHeader(head)
	if err != nil {
		return nil, err
	}
	if int64(length) > foot.directory-headerBytes {
		return nil, corrupt("a schema of %d bytes", length)
	}
	schema := make([]byte, length)
	if err := readFull(from, schema, headerBytes); err != nil {
		return nil, err
	}
	if xxhash.Sum64(schema) != hash {
		return nil, corrupt("the schema's checksum differs")
	}
	meta := make([]byte, size-footerBytes-foot.directory)
	if err := readFull(from, meta, foot.directory); err != nil {
		return nil, err
	}
	sum := xxhash.New()
	for _, x := range [][]byte{head, schema, meta} {
		sum.Write(x)
	}
	if sum.Sum64() != foot.meta {
		return nil, corrupt("the checksum of directory and index differs")
	}
	f := &File{Info: info, Total: foot.total, Size: size, from: from}
	if f.Schema, err = chunk.DecodeSchema(schema); err != nil {
		return nil, corrupt("%v", err)
	}
	return f, f.take(meta, foot, headerBytes+int64(length))
}

// take takes over directory and index of a file whose chunks begin at first: they
// fill the file without gaps, and what the partitions have adds up.
func (f *File) take(meta []byte, foot footer, first int64) error {
	f.chunks, f.filled = make([]entry, foot.chunks), make([]filled, foot.filled)
	for i := range f.chunks {
		e := decodeEntry(meta[i*entryBytes:])
		if e.rows < 1 || e.rows > columnar.MaxRows || e.stored < 1 {
			return corrupt("a chunk of %d rows and %d bytes", e.rows, e.stored)
		}
		f.chunks[i] = e
	}
	byPlace := slices.SortedFunc(slices.Values(f.chunks), func(a, b entry) int { return int(min(max(a.offset-b.offset, -1), 1)) })
	for _, e := range byPlace {
		if e.offset != first {
			return corrupt("a chunk at %d, expected at %d", e.offset, first)
		}
		first += int64(e.stored)
	}
	if first != foot.directory {
		return corrupt("chunks up to %d, a directory at %d", first, foot.directory)
	}
	meta = meta[foot.chunks*entryBytes:]
	at, last, total := 0, -1, shuffle.Sum{}
	for i := range f.filled {
		x := decodeFilled(meta[i*indexBytes:])
		if x.partition <= last || x.partition >= f.Partitions || x.chunks < 1 || x.chunks > len(f.chunks)-at {
			return corrupt("partition %d of %d with %d chunks", x.partition, f.Partitions, x.chunks)
		}
		rows := int64(0)
		for _, e := range f.chunks[at : at+x.chunks] {
			rows += int64(e.rows)
		}
		if rows != x.Rows {
			return corrupt("partition %d has %d rows, its chunks %d", x.partition, x.Rows, rows)
		}
		f.filled[i] = x
		f.firsts = append(f.firsts, at)
		at, last, total = at+x.chunks, x.partition, total.Plus(x.Sum)
	}
	if at != len(f.chunks) || total != f.Total {
		return corrupt("the partitions have %s, the file %s", total, f.Total)
	}
	return nil
}

// From returns the file as read through another descriptor of it.
func (f *File) From(from io.ReaderAt) *File {
	out := *f
	out.from = from
	return &out
}

// readFull reads all of b, or tells why not; a file that ends before is none.
func readFull(from io.ReaderAt, b []byte, at int64) error {
	n, err := from.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends at %d", ErrAbsent, at+int64(n))
	}
	return err
}

// OpenPath opens a file by its path. Close ends it.
func OpenPath(path string) (*File, io.Closer, error) {
	x, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	var f *File
	info, err := x.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%w: it is no regular file", ErrAbsent)
	case err == nil:
		f, err = Open(x, info.Size())
	}
	if err != nil {
		return nil, nil, errors.Join(err, x.Close())
	}
	return f, x, nil
}

// Status returns what the header and index tell as the status of a map output.
func (f *File) Status() shuffle.MapStatus {
	parts := make([]shuffle.Part, f.Partitions)
	for _, x := range f.filled {
		parts[x.partition] = x.Part
	}
	return shuffle.NewMapStatus(f.Map, f.Attempt, true, parts)
}

// Filled lists the partitions that have rows, ascending.
func (f *File) Filled() []int {
	out := make([]int, len(f.filled))
	for i, x := range f.filled {
		out[i] = x.partition
	}
	return out
}

// Summary is what the index tells of a partition.
type Summary struct {
	shuffle.Part
	Chunks int
	Stored int64
}

// Summary returns what there is of a partition.
func (f *File) Summary(partition int) (s Summary) {
	i, ok := f.find(partition)
	if !ok {
		return s
	}
	s.Part, s.Chunks = f.filled[i].Part, f.filled[i].chunks
	for _, e := range f.entries(i) {
		s.Stored += int64(e.stored)
	}
	return s
}

func (f *File) find(partition int) (int, bool) {
	return slices.BinarySearchFunc(f.filled, partition, func(x filled, p int) int { return x.partition - p })
}

func (f *File) entries(i int) []entry { return f.chunks[f.firsts[i] : f.firsts[i]+f.filled[i].chunks] }

// Read returns a reader of a partition, which has no rows if the file does not
// name it. What the reader holds is charged to r, which may be nil, until it is
// closed: memory.ErrSpill if that is refused.
func (f *File) Read(ctx context.Context, partition int, r memory.Reservation) (*Reader, error) {
	x := &Reader{file: f, partition: partition, charge: r}
	i, ok := f.find(partition)
	if !ok {
		return x, nil
	}
	x.chunks, x.want = f.entries(i), f.filled[i].Sum
	most := 0
	for _, e := range x.chunks {
		most = max(most, e.stored)
	}
	if r != nil {
		if err := r.Grow(ctx, int64(most)); err != nil {
			return nil, err
		}
		x.held = int64(most)
	}
	x.stored = make([]byte, most)
	x.scratch = memory.NewScratch(r)
	return x, nil
}

// Reader reads a partition. It is one goroutine's at a time.
type Reader struct {
	file      *File
	partition int
	chunks    []entry
	stored    []byte
	scratch   *memory.Scratch
	charge    memory.Reservation
	held      int64
	sum, want shuffle.Sum
	skipped   bool // some rows were passed on without being looked at
	dicts     chunk.Dictionaries
}

// Next returns the next batch, valid until the next call or Close. io.EOF ends,
// when the rows were those that were written (M4); else the error wraps ErrCorrupt.
func (r *Reader) Next(ctx context.Context) (*columnar.Batch, error) {
	data, rows, err := r.chunk(ctx)
	if errors.Is(err, io.EOF) && r.sum != r.want && !r.skipped {
		return nil, corrupt("%v", &shuffle.MismatchError{Exchange: r.file.Exchange, Map: r.file.Map, Partition: r.partition, Want: r.want, Got: r.sum})
	}
	if err != nil {
		return nil, err
	}
	r.scratch.Reset()
	b, err := chunk.DecodeIn(r.scratch, data, r.file.Schema)
	switch {
	case errors.Is(err, chunk.ErrCorrupt):
		return nil, corrupt("partition %d: %v", r.partition, err)
	case err != nil:
		return nil, err
	case b.Rows != rows:
		return nil, corrupt("a chunk of %d rows, the directory has %d", b.Rows, rows)
	}
	r.sum.Add(b)
	r.dicts.Share(b)
	return b, nil
}

// NextStored is Next without decoding: the chunk as it is stored, its checksum
// compared, and its rows. What they add up to is the receiver's to compare.
func (r *Reader) NextStored(ctx context.Context) (data []byte, rows int, err error) {
	r.skipped = true
	return r.chunk(ctx)
}

// Skip passes over chunks that have at most n rows together, without reading them,
// and returns how many rows those have, and whether there are more.
func (r *Reader) Skip(n int64) (skipped int64, more bool) {
	for len(r.chunks) > 0 && int64(r.chunks[0].rows) <= n-skipped {
		skipped += int64(r.chunks[0].rows)
		r.chunks, r.skipped = r.chunks[1:], true
	}
	return skipped, len(r.chunks) > 0
}

// chunk reads the next chunk (M3).
func (r *Reader) chunk(ctx context.Context) (data []byte, rows int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if len(r.chunks) == 0 {
		return nil, 0, io.EOF
	}
	e := r.chunks[0]
	r.chunks = r.chunks[1:]
	data = r.stored[:e.stored]
	if err := readFull(r.file.from, data, e.offset); err != nil {
		return nil, 0, err
	}
	if xxhash.Sum64(data) != e.hash {
		return nil, 0, corrupt("the checksum of the chunk at %d differs", e.offset)
	}
	return data, e.rows, nil
}

// Close gives the reader's memory back. It is idempotent.
func (r *Reader) Close() {
	if r.scratch != nil {
		r.scratch.Close()
	}
	invariants.Poison(r.stored)
	r.scratch, r.stored, r.chunks = nil, nil, nil
	if r.held > 0 {
		r.charge.Shrink(r.held)
	}
	r.held = 0
}
