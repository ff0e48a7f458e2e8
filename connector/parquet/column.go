package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/parquet/decode"
	"github.com/millrace-engine/millrace/internal/diag"
)

// column decodes one column chunk, front to back.
type column struct {
	file  *file
	group int
	field columnar.Field
	leaf  leaf
	bytes *int64 // counts what is read
	mem   memory.Reservation

	pages  *decode.Pages
	page   *decode.Page
	index  pageIndex
	placed bool  // index was looked for
	row    int   // next row of the page
	at     int64 // next row of the chunk
	dict   *columnar.Dictionary
	fixed  columnar.Vector // values of the dictionary of a fixed-width type
	ready  bool            // the dictionary was converted
	codes  int             // how many values it has
	nest   *nested         // does all this for a nested column
}

func (c *column) close() {
	if c.nest != nil {
		c.nest.close()
	}
	c.page = nil
	if c.pages != nil {
		c.pages.Close()
		c.pages = nil
	}
}

// release gives back what the last batch referred to.
func (c *column) release() {
	if c.nest != nil {
		c.nest.release()
	}
	if c.pages != nil {
		c.pages.Free()
	}
}

func (c *column) corrupt(err error) error {
	if errors.Is(err, decode.ErrTooLarge) {
		return diag.New(diag.Unsupported, "column %s of %s cannot be read: %v", c.field.Name, c.file.path, err).WithPath(c.file.path).WithCause(err).
			WithRemedy("select the other columns by name, or write the file with smaller pages")
	}
	return corrupt(c.file.path, fmt.Errorf("column %s: %w", c.field.Name, err))
}

// skip passes n rows. Pages that hold none of the rows that are read later are
// not decompressed.
func (c *column) skip(n int64) error {
	c.at += n
	if c.nest != nil {
		return c.nest.skip(n)
	}
	if c.page == nil {
		return nil
	}
	if k := int64(c.page.Rows - c.row); n > k {
		c.page = nil
		return nil
	}
	c.row += int(n)
	if err := c.page.Skip(int(n)); err != nil {
		return c.corrupt(err)
	}
	return nil
}

// start opens the chunk.
func (c *column) start() (err error) {
	if c.pages != nil {
		return nil
	}
	meta := c.file.chunk(c.group, c.leaf)
	from := meta.DataPageOffset
	if d := meta.DictionaryPageOffset; d > 0 {
		from = min(from, d)
	}
	if from < 0 || meta.TotalCompressedSize < 0 || meta.TotalCompressedSize > c.file.size-from {
		return c.corrupt(errors.New("its chunk lies outside of the file"))
	}
	if meta.Type != c.physical() {
		return c.corrupt(fmt.Errorf("a chunk holds %v, the schema says %v", meta.Type, c.physical()))
	}
	rows := c.file.meta.RowGroups[c.group].NumRows
	if c.leaf.rep > 0 {
		rows = meta.NumValues
	}
	c.pages, err = decode.Open(decode.Chunk{File: c.file.os, From: from, To: from + meta.TotalCompressedSize, Codec: meta.Codec, Physical: meta.Type,
		Width: c.leaf.length, Rows: rows, MaxDef: c.leaf.def, MaxRep: c.leaf.rep, Reserve: c.mem, ReadBytes: c.bytes})
	return err
}

// load makes sure that the page has a row left.
func (c *column) load() error {
	if c.page != nil && c.row < c.page.Rows {
		return nil
	}
	c.page = nil
	if err := c.start(); err != nil {
		return err
	}
	if i := c.index.at(c.at); i >= 0 && c.pages.Behind(c.index.rows[i]) {
		if err := c.pages.Jump(c.index.offsets[i], c.index.rows[i]); err != nil {
			return c.corrupt(err)
		}
	}
	p, err := c.pages.Next(c.at)
	if errors.Is(err, io.EOF) {
		err = errors.New("it has fewer values than its row group has rows")
	}
	if err != nil {
		return c.corrupt(err)
	}
	if p.Coded() {
		if err := c.dictionary(); err != nil {
			return err
		}
	}
	c.page, c.row = p, int(c.at-p.Row)
	if i := c.index.at(p.Row); c.row < 0 || i >= 0 && (c.index.rows[i] != p.Row || c.index.rows[i+1] != p.Row+int64(p.Rows)) {
		return c.corrupt(errors.New("its page index does not fit its pages"))
	}
	if err := p.Skip(c.row); err != nil {
		return c.corrupt(err)
	}
	return nil
}

// next decodes n rows into memory of the page or of s.
func (c *column) next(n int, s *memory.Scratch) (columnar.Vector, error) {
	if c.nest != nil {
		c.at += int64(n)
		return c.nest.next(n, s)
	}
	if err := c.load(); err != nil {
		return columnar.Vector{}, err
	}
	if n <= c.page.Rows-c.row {
		return c.take(n, s)
	}
	var parts []columnar.Vector
	for left := n; left > 0; {
		if err := c.load(); err != nil {
			return columnar.Vector{}, err
		}
		k := min(left, c.page.Rows-c.row)
		v, err := c.take(k, s)
		if err != nil {
			return v, err
		}
		parts = append(parts, v)
		left -= k
	}
	return join(parts, n, s)
}

// take returns the next n rows of the page, by reference where the layout
// allows.
func (c *column) take(n int, s *memory.Scratch) (v columnar.Vector, err error) {
	c.row += n
	c.at += int64(n)
	m := n
	var valid columnar.Bitmap
	if !c.page.Full() {
		valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
		if m, err = c.page.Valid(valid, n); err != nil {
			return v, c.corrupt(err)
		}
		if m == n {
			valid = nil
		}
	}
	if v, err = c.dense(m, s); err != nil {
		return v, err
	}
	v.Len, v.Valid = n, valid
	spread(&v, m, s)
	return v, nil
}

// dense reads the next m values of the page.
func (c *column) dense(m int, s *memory.Scratch) (columnar.Vector, error) {
	v := columnar.Vector{Type: c.field.Type, Len: m}
	switch {
	case c.page.Coded():
		return v, c.coded(&v, m, s)
	case c.physical() == format.Boolean:
		if v.Type.Kind != columnar.Bool {
			return v, c.unfit()
		}
		v.Data = s.Bytes(columnar.BitmapBytes(m))
		if err := c.page.Bools(v.Bits(), m); err != nil {
			return v, c.corrupt(err)
		}
		return v, nil
	case c.physical() == format.ByteArray:
		off, b, err := c.page.Strings(m, s)
		if err != nil {
			return v, c.corrupt(err)
		}
		return v, c.fromStrings(&v, off, b)
	}
	raw, err := c.page.Fixed(m, s)
	if err != nil {
		return v, c.corrupt(err)
	}
	return v, c.fromFixed(&v, raw, m, s)
}

// coded reads m codes, and replaces those of fixed-width values by the values.
func (c *column) coded(v *columnar.Vector, m int, s *memory.Scratch) error {
	codes := memory.Slice[uint32](s, m)
	if err := c.page.Codes(codes); err != nil {
		return c.corrupt(err)
	}
	beyond := func(code uint32) error {
		return c.corrupt(fmt.Errorf("code %d lies beyond the dictionary's %d values", code, c.codes))
	}
	switch {
	case m == 0:
	case c.codes == 0:
		return beyond(codes[0])
	case c.dict != nil || v.Type.Kind == columnar.Bool:
		if most := highest(codes); int64(most) >= int64(c.codes) {
			return beyond(most)
		}
	}
	if c.dict != nil {
		v.Enc, v.Dict, v.Data = columnar.Dict, c.dict, columnar.BytesOf(codes)
		return nil
	}
	d := &c.fixed
	v.Width = d.Width
	if v.Type.Kind == columnar.Bool {
		v.Data = s.Bytes(columnar.BitmapBytes(v.Len))
		for i, x := range codes {
			v.Bits().SetTo(i, d.Bits().Get(int(x)))
		}
		return nil
	}
	v.Data = s.Bytes(m * int(d.Width))
	bad := -1
	switch d.Width {
	case 1:
		bad = pick[uint8](v.Data, d, codes)
	case 2:
		bad = pick[uint16](v.Data, d, codes)
	case 4:
		bad = pick[uint32](v.Data, d, codes)
	case 8:
		bad = pick[uint64](v.Data, d, codes)
	case 16:
		bad = pick[columnar.Int128](v.Data, d, codes)
	}
	if bad >= 0 {
		return beyond(codes[bad])
	}
	return nil
}

// highest returns the greatest code, 0 of none.
func highest(codes []uint32) uint32 {
	var a, b, c, d uint32
	for len(codes) >= 4 {
		x := codes[:4:4]
		a, b, c, d = max(a, x[0]), max(b, x[1]), max(c, x[2]), max(d, x[3])
		codes = codes[4:]
	}
	for _, x := range codes {
		a = max(a, x)
	}
	return max(a, b, c, d)
}

// pick replaces codes by values. It returns the place of a code that has none, or
// −1.
func pick[T columnar.Fixed](dst []byte, d *columnar.Vector, codes []uint32) int {
	src := columnar.Values[T](d)
	out := columnar.View[T](dst, len(codes))
	for i, c := range codes {
		if int(c) >= len(src) {
			return i
		}
		out[i] = src[c]
	}
	return -1
}

// dictionary converts the chunk's dictionary once, into memory of its own.
func (c *column) dictionary() error {
	if c.ready {
		return nil
	}
	c.ready = true
	p, n, err := c.pages.DictionaryPage(c.physical(), c.leaf.length)
	if err != nil {
		return c.corrupt(err)
	}
	c.codes = n
	v := columnar.Vector{Type: c.field.Type, Len: n, Stable: true}
	switch {
	case n == 0: // of a chunk that is all null
		v = columnar.Vector{Type: c.field.Type, Len: 1, Width: uint8(c.field.Type.FixedWidth()), Data: make([]byte, 16), Stable: true}
	case c.physical() == format.Boolean:
		v.Data = columnar.NewBitmap(n)
		if v.Type.Kind != columnar.Bool {
			return c.unfit()
		}
		if err := p.Bools(v.Bits(), n); err != nil {
			return c.corrupt(err)
		}
	case c.physical() == format.ByteArray:
		off, b, err := p.Strings(n, nil)
		if err != nil {
			return c.corrupt(err)
		}
		if err := c.fromStrings(&v, off, b); err != nil {
			return err
		}
	default:
		raw, err := p.Fixed(n, nil)
		if err != nil {
			return c.corrupt(err)
		}
		if err := c.fromFixed(&v, raw, n, nil); err != nil {
			return err
		}
	}
	c.pages.Charge(v.MemoryBytes())
	if !v.Type.IsBytes() {
		c.fixed = v
		return nil
	}
	c.dict = &columnar.Dictionary{Values: v}
	if n > 0 {
		c.pages.Charge(int64(8 * n))
		c.dict.Hashes = make([]uint64, n)
		kernel.HashVector(&v, c.dict.Hashes, false)
		c.dict.Unique = unique(&v, c.dict.Hashes)
	}
	return nil
}

// maxUnique bounds the dictionaries that are checked for equal values.
const maxUnique = 4096

// unique reports whether no two values are equal, which the format asks for but
// not every writer heeds.
func unique(v *columnar.Vector, hashes []uint64) bool {
	if v.Len > maxUnique {
		return false
	}
	seen := make(map[uint64]int, v.Len)
	for i, h := range hashes {
		if k, ok := seen[h]; ok && string(v.BytesAt(k)) == string(v.BytesAt(i)) {
			return false
		}
		seen[h] = i
	}
	return true
}
