package encode

import (
	"encoding/binary"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Options say how a file is written. The zero value is not usable: see File.
type Options struct {
	Codec     Codec
	GroupRows int // rows of a row group, at least 1
}

// createdBy names the writer in the footer, in the form that readers parse.
const createdBy = "millrace version 1.0.0"

// maxGroupBytes is the memory at which a row group ends before it has its rows.
const maxGroupBytes = 256 << 20

// File writes one Parquet file to a stream.
type File struct {
	w      io.Writer
	opts   Options
	schema *columnar.Schema
	cols   []*column
	enc    encoder
	groups []groupMeta
	rows   int // of the row group
	held   int // bytes of the row group
	total  int64
	offset int64
	s      *memory.Scratch
}

type groupMeta struct {
	rows   int
	chunks []chunk
	offset int64
}

// Check says whether a schema can be written.
func Check(schema *columnar.Schema) error {
	for _, f := range schema.Fields {
		if _, _, err := storage(f); err != nil {
			return err
		}
	}
	return nil
}

// NewFile begins a file. The scratch may be nil; it is reset by every Write.
func NewFile(w io.Writer, schema *columnar.Schema, o Options, s *memory.Scratch) (*File, error) {
	f := &File{w: w, opts: o, schema: schema, s: s, enc: encoder{codec: o.Codec}}
	for _, field := range schema.Fields {
		if field.Type.Kind == columnar.Null {
			field.Nullable = true
		}
		p, width, err := storage(field)
		if err != nil {
			return nil, err
		}
		c := &column{field: field, physical: p, width: width}
		c.reset()
		f.cols = append(f.cols, c)
	}
	return f, f.write([]byte("PAR1"))
}

func (f *File) write(b []byte) error {
	n, err := f.w.Write(b)
	f.offset += int64(n)
	return err
}

// Rows returns how many rows were written.
func (f *File) Rows() int64 { return f.total }

// Write appends the rows of a batch that count.
func (f *File) Write(b *columnar.Batch) error {
	n := b.Selected()
	for from := 0; from < n; {
		f.s.Reset()
		k := min(n-from, f.opts.GroupRows-f.rows)
		var sel []uint16
		switch {
		case b.Sel != nil:
			sel = b.Sel[from : from+k]
		case k < b.Rows:
			sel = memory.Slice[uint16](f.s, k)
			for i := range sel {
				sel[i] = uint16(from + i)
			}
		}
		f.held = 0
		for i, c := range f.cols {
			if err := c.add(b.Cols[i], sel, f.s); err != nil {
				return err
			}
			f.held += c.memory()
		}
		from += k
		f.total += int64(k)
		if f.rows += k; f.rows == f.opts.GroupRows || f.held > maxGroupBytes {
			if err := f.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Buffered returns the bytes of the rows that are not written yet.
func (f *File) Buffered() int64 { return int64(f.held) }

// Flush writes the buffered rows as a row group.
func (f *File) Flush() error {
	if f.rows == 0 {
		return nil
	}
	g := groupMeta{rows: f.rows, offset: f.offset}
	for _, c := range f.cols {
		ch, b, err := f.enc.encode(c, f.offset)
		if err != nil {
			return err
		}
		if err := f.write(b); err != nil {
			return err
		}
		g.chunks = append(g.chunks, ch)
		again := c.plain && len(f.groups)%8 == 7 // the data may have changed
		if again {
			c.plain = false
		}
		c.reset()
	}
	f.groups = append(f.groups, g)
	f.rows, f.held = 0, 0
	return nil
}

// Close writes the last row group, the page index and the footer, and returns
// the size of the file.
func (f *File) Close() (int64, error) {
	if err := f.Flush(); err != nil {
		return 0, err
	}
	for kind := range 2 {
		for i := range f.groups {
			for k := range f.groups[i].chunks {
				ch := &f.groups[i].chunks[k]
				var w thrift
				at := &ch.columnIndex
				if kind == 0 {
					if !ch.appendColumnIndex(&w) {
						continue
					}
				} else {
					ch.appendOffsetIndex(&w)
					at = &ch.offsetIndex
				}
				*at = [2]int64{f.offset, int64(len(w.b))}
				if err := f.write(w.b); err != nil {
					return 0, err
				}
			}
		}
	}
	b := f.footer()
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	err := f.write(append(b, "PAR1"...))
	return f.offset, err
}
