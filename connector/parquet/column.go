package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unsafe"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// column decodes one column chunk, front to back.
type column struct {
	file  *file
	chunk pq.ColumnChunk
	meta  *format.ColumnMetaData
	field columnar.Field
	bytes *int64

	pages  pq.Pages
	page   pq.Page
	levels []byte // definition levels of the page; nil: no nulls
	values encoding.Values
	row    int   // next row of the page
	value  int   // next value of the page (nulls have none)
	inPage int   // rows of the page
	at     int64 // next row of the chunk
	old    []pq.Page
	dict   *columnar.Dictionary
	source pq.Dictionary
}

func (c *column) close() {
	c.release()
	if c.page != nil {
		pq.Release(c.page)
		c.page = nil
	}
	if c.pages != nil {
		c.pages.Close()
		c.pages = nil
	}
}

// release gives back the pages that the last batch referred to.
func (c *column) release() {
	for _, p := range c.old {
		pq.Release(p)
	}
	c.old = c.old[:0]
}

func (c *column) skip(n int64) {
	c.at += n
	left := int64(c.inPage - c.row)
	if c.page != nil && n <= left {
		c.step(int(n))
		return
	}
	if c.page != nil {
		c.old = append(c.old, c.page)
		c.page = nil
	}
	if err := c.start(); err != nil {
		panic(err)
	}
	if err := c.pages.SeekToRow(c.at); err != nil {
		panic(err) // becomes an error at the reader's boundary
	}
}

// step passes rows of the page.
func (c *column) step(n int) {
	if c.levels == nil {
		c.value += n
	} else {
		for _, l := range c.levels[c.row : c.row+n] {
			c.value += int(l)
		}
	}
	c.row += n
}

// start opens the chunk's pages.
func (c *column) start() error {
	if c.pages != nil {
		return nil
	}
	if err := checkLZ4(c.file.os, c.file.size, c.meta); err != nil {
		return err
	}
	c.pages = c.chunk.Pages()
	return nil
}

// load makes sure that the page has a row left.
func (c *column) load() error {
	for c.page == nil || c.row == c.inPage {
		if c.page != nil {
			c.old = append(c.old, c.page)
			c.page = nil
		}
		if err := c.start(); err != nil {
			return corrupt(c.file.path, err)
		}
		p, err := c.pages.ReadPage()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("a column has fewer values than its row group has rows")
			}
			return corrupt(c.file.path, err)
		}
		c.page, c.row, c.value = p, 0, 0
		c.inPage = int(p.NumRows())
		c.values = p.Data()
		c.levels = p.DefinitionLevels()
		if c.levels != nil && p.NumNulls() == 0 {
			c.levels = nil
		}
		*c.bytes += p.Size()
	}
	return nil
}

// next decodes n rows.
func (c *column) next(n int, s *memory.Scratch) (columnar.Vector, error) {
	if err := c.load(); err != nil {
		return columnar.Vector{}, err
	}
	c.at += int64(n)
	if n <= c.inPage-c.row {
		v, err := c.take(n, s)
		return v, err
	}
	var parts []columnar.Vector
	for left := n; left > 0; {
		if err := c.load(); err != nil {
			return columnar.Vector{}, err
		}
		k := min(left, c.inPage-c.row)
		v, err := c.take(k, s)
		if err != nil {
			return v, err
		}
		parts = append(parts, v)
		left -= k
	}
	return join(parts, n, s), nil
}

// take returns the next n rows of the page, by reference where the layout
// allows.
func (c *column) take(n int, s *memory.Scratch) (columnar.Vector, error) {
	row, value := c.row, c.value
	c.step(n)
	m := c.value - value
	v := columnar.Vector{Type: c.field.Type, Len: n}
	d := c.page.Dictionary()
	if d != nil {
		codes := c.values.Int32()[value : value+m]
		if err := c.dictionary(d); err != nil {
			return v, err
		}
		limit := uint32(c.dict.Values.Len)
		us := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(codes))), len(codes))
		for _, x := range us {
			if x >= limit {
				return v, corrupt(c.file.path, fmt.Errorf("a dictionary code %d of column %s lies beyond its %d values", x, c.field.Name, limit))
			}
		}
		v.Enc, v.Dict, v.Data = columnar.Dict, c.dict, columnar.BytesOf(us)
		c.spread(&v, row, 4, m, s)
		if !c.field.Type.IsBytes() {
			return gather(&v, s), nil
		}
		return v, nil
	}
	if err := c.plain(&v, value, m, s); err != nil {
		return v, err
	}
	if v.Type.Kind == columnar.Bool {
		c.spreadBits(&v, row, s)
		return v, nil
	}
	if v.Type.IsBytes() {
		c.spreadBytes(&v, row, m, s)
		return v, nil
	}
	c.spread(&v, row, int(v.Width), m, s)
	return v, nil
}

// gather replaces codes of fixed-width values by the values.
func gather(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	d := &v.Dict.Values
	out := columnar.Vector{Type: v.Type, Width: d.Width, Len: v.Len, Valid: v.Valid}
	codes := v.Codes()
	if v.Type.Kind == columnar.Bool {
		out.Data = s.Bytes(columnar.BitmapBytes(v.Len))
		for i, c := range codes {
			columnar.Bitmap(out.Data).SetTo(i, d.Bits().Get(int(c)))
		}
		return out
	}
	out.Data = s.Bytes(v.Len * int(d.Width))
	switch d.Width {
	case 1:
		pick[uint8](out.Data, d, codes)
	case 2:
		pick[uint16](out.Data, d, codes)
	case 4:
		pick[uint32](out.Data, d, codes)
	case 8:
		pick[uint64](out.Data, d, codes)
	case 16:
		pick[columnar.Int128](out.Data, d, codes)
	}
	return out
}

func pick[T columnar.Fixed](dst []byte, d *columnar.Vector, codes []uint32) {
	out, src := columnar.View[T](dst, len(codes)), columnar.Values[T](d)
	for i, c := range codes {
		out[i] = src[c]
	}
}

// dictionary converts a chunk's dictionary once, into memory of its own.
func (c *column) dictionary(d pq.Dictionary) error {
	if c.source == d && c.dict != nil {
		return nil
	}
	n := d.Len()
	data := d.Page().Data()
	v := columnar.Vector{Type: c.field.Type, Len: n}
	sub := &column{file: c.file, field: c.field, values: data}
	if n > 0 {
		if err := sub.plain(&v, 0, n, nil); err != nil {
			return err
		}
	} else {
		return c.emptyDictionary(d)
	}
	v.Data = append(make([]byte, 0, len(v.Data)+8), v.Data...)
	v.Bytes = append([]byte{}, v.Bytes...)
	v.Stable = true
	c.source, c.dict = d, &columnar.Dictionary{Values: v, Unique: true}
	return nil
}

// emptyDictionary stands for one without values, of a chunk that is all null.
func (c *column) emptyDictionary(d pq.Dictionary) error {
	v := columnar.Vector{Type: c.field.Type, Len: 1, Width: uint8(c.field.Type.FixedWidth()), Data: make([]byte, 16), Stable: true}
	c.source, c.dict = d, &columnar.Dictionary{Values: v, Unique: true}
	return nil
}

// plain reads m values from the page's own layout into v.
func (c *column) plain(v *columnar.Vector, from, m int, s *memory.Scratch) error {
	t := c.field.Type
	bad := func() error {
		return corrupt(c.file.path, fmt.Errorf("column %s is stored as %v, which does not fit %s", c.field.Name, c.values.Kind(), t))
	}
	switch c.values.Kind() {
	case encoding.Boolean:
		if t.Kind != columnar.Bool {
			return bad()
		}
		src := columnar.Bitmap(c.values.Boolean())
		dst := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(m)))
		for i := range m {
			dst.SetTo(i, src.Get(from+i))
		}
		v.Data = dst
	case encoding.Int32:
		xs := c.values.Int32()[from : from+m]
		switch {
		case t.Kind == columnar.Decimal || t.Kind == columnar.Int64:
			out := memory.Slice[int64](s, m)
			for i, x := range xs {
				out[i] = int64(x)
				if t.Kind == columnar.Int64 { // an unsigned 32-bit integer
					out[i] = int64(uint32(x))
				}
			}
			v.Width, v.Data = 8, columnar.BytesOf(out)
		case t.FixedWidth() == 4:
			v.Width, v.Data = 4, columnar.BytesOf(xs)
		case t.FixedWidth() == 2:
			out := memory.Slice[int16](s, m)
			for i, x := range xs {
				out[i] = int16(x)
			}
			v.Width, v.Data = 2, columnar.BytesOf(out)
		case t.FixedWidth() == 1:
			out := memory.Slice[int8](s, m)
			for i, x := range xs {
				out[i] = int8(x)
			}
			v.Width, v.Data = 1, columnar.BytesOf(out)
		default:
			return bad()
		}
	case encoding.Int64:
		xs := c.values.Int64()[from : from+m]
		switch {
		case t.Kind == columnar.Decimal && t.Precision == 20 && t.Scale == 0: // may be an unsigned 64-bit integer
			v.Width, v.Data = 8, columnar.BytesOf(xs)
		case t.FixedWidth() == 8 || t.Kind == columnar.Decimal:
			v.Width, v.Data = 8, columnar.BytesOf(xs)
			if k := c.unit(); k != 1 {
				out := memory.Slice[int64](s, m)
				for i, x := range xs {
					if k > 0 {
						out[i] = x * k
					} else {
						out[i] = x / -k
					}
				}
				v.Data = columnar.BytesOf(out)
			}
		default:
			return bad()
		}
	case encoding.Float:
		v.Width, v.Data = 4, columnar.BytesOf(c.values.Float()[from:from+m])
	case encoding.Double:
		v.Width, v.Data = 8, columnar.BytesOf(c.values.Double()[from:from+m])
	case encoding.Int96:
		out := memory.Slice[int64](s, m)
		for i, x := range c.values.Int96()[from : from+m] {
			out[i] = int96(x)
		}
		v.Width, v.Data = 8, columnar.BytesOf(out)
	case encoding.ByteArray:
		data, off := c.values.ByteArray()
		off = off[from : from+m+1]
		if t.Kind == columnar.Decimal {
			xs := make([]columnar.Int128, m)
			for i := range xs {
				xs[i] = bigEndian(data[off[i]:off[i+1]])
			}
			v.Width, v.Data = decimals(xs)
			return nil
		}
		if !t.IsBytes() {
			return bad()
		}
		v.Data, v.Bytes = columnar.BytesOf(off), data
	case encoding.FixedLenByteArray:
		data, size := c.values.FixedLenByteArray()
		data = data[from*size : (from+m)*size]
		if t.Kind == columnar.Decimal {
			xs := make([]columnar.Int128, m)
			for i := range xs {
				xs[i] = bigEndian(data[i*size : (i+1)*size])
			}
			v.Width, v.Data = decimals(xs)
			return nil
		}
		off := memory.Slice[int32](s, m+1)
		for i := range off {
			off[i] = int32(i * size)
		}
		v.Data, v.Bytes = columnar.BytesOf(off), data
	default:
		return bad()
	}
	if c.field.Type.IsBytes() != (v.Width == 0 && v.Type.Kind != columnar.Bool) {
		return bad()
	}
	return nil
}

// unit returns by what timestamps are multiplied (or, negative, divided) to give
// microseconds.
func (c *column) unit() int64 {
	if c.field.Type.Kind != columnar.Timestamp && c.field.Type.Kind != columnar.TimestampNTZ || c.chunk == nil {
		return 1
	}
	l := c.chunk.Type().LogicalType()
	if l == nil {
		if ct := c.chunk.Type().ConvertedType(); ct != nil && *ct == deprecated.TimestampMillis {
			return 1000
		}
		return 1
	}
	switch {
	case contains(l.String(), "MILLIS"):
		return 1000
	case contains(l.String(), "NANOS"):
		return -1000
	}
	return 1
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func int96(x deprecated.Int96) int64 {
	nanos := int64(x[0]) | int64(x[1])<<32
	days := int64(x[2]) - 2440588
	return days*86400_000_000 + nanos/1000
}

func bigEndian(b []byte) (x columnar.Int128) {
	for len(b) > 16 {
		b = b[1:]
	}
	var buf [16]byte
	if len(b) > 0 && b[0]&0x80 != 0 {
		for i := range buf {
			buf[i] = 0xff
		}
	}
	copy(buf[16-len(b):], b)
	return columnar.Int128{Hi: int64(binary.BigEndian.Uint64(buf[:8])), Lo: binary.BigEndian.Uint64(buf[8:])}
}

func decimals(xs []columnar.Int128) (uint8, []byte) {
	for _, x := range xs {
		if !x.FitsInt64() {
			return 16, columnar.BytesOf(xs)
		}
	}
	ys := make([]int64, len(xs))
	for i, x := range xs {
		ys[i] = int64(x.Lo)
	}
	return 8, columnar.BytesOf(ys)
}

func (c *column) validity(row, n int, s *memory.Scratch) columnar.Bitmap {
	b := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
	clear(b)
	for i, l := range c.levels[row : row+n] {
		b[i>>3] |= (l & 1) << (i & 7)
	}
	return b
}

// spread moves m values of a width to the rows that are not null.
func (c *column) spread(v *columnar.Vector, row, width, m int, s *memory.Scratch) {
	if c.levels == nil {
		return
	}
	v.Valid = c.validity(row, v.Len, s)
	src := v.Data
	v.Data = s.Bytes(v.Len * width)
	clear(v.Data)
	k := 0
	for i := range v.Len {
		if c.levels[row+i] != 0 {
			copy(v.Data[i*width:(i+1)*width], src[k*width:(k+1)*width])
			k++
		}
	}
}

func (c *column) spreadBits(v *columnar.Vector, row int, s *memory.Scratch) {
	if c.levels == nil {
		return
	}
	v.Valid = c.validity(row, v.Len, s)
	src := v.Bits()
	dst := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(v.Len)))
	clear(dst)
	k := 0
	for i := range v.Len {
		if c.levels[row+i] != 0 {
			dst.SetTo(i, src.Get(k))
			k++
		}
	}
	v.Data = dst
}

func (c *column) spreadBytes(v *columnar.Vector, row, m int, s *memory.Scratch) {
	if c.levels == nil {
		return
	}
	v.Valid = c.validity(row, v.Len, s)
	src := columnar.View[int32](v.Data, m+1)
	off := memory.Slice[int32](s, v.Len+1)
	off[0] = src[0]
	k := 0
	for i := range v.Len {
		if c.levels[row+i] != 0 {
			k++
		}
		off[i+1] = src[k]
	}
	v.Data = columnar.BytesOf(off)
}

// join puts the parts of a batch that spans pages together.
func join(parts []columnar.Vector, n int, s *memory.Scratch) columnar.Vector {
	first := parts[0]
	out := columnar.Vector{Type: first.Type, Width: first.Width, Len: n, Enc: first.Enc, Dict: first.Dict}
	same := true
	for _, p := range parts {
		if p.Width > out.Width {
			out.Width = p.Width
		}
		same = same && p.Enc == first.Enc && p.Dict == first.Dict
		if p.Valid != nil && out.Valid == nil {
			out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
			out.Valid.Fill(n, true)
		}
	}
	if out.Valid != nil {
		at := 0
		for _, p := range parts {
			for i := range p.Len {
				if p.Valid != nil && !p.Valid.Get(i) {
					out.Valid.Clear(at + i)
				}
			}
			at += p.Len
		}
	}
	switch {
	case same && out.Enc == columnar.Dict:
		out.Data = s.Bytes(4 * n)
		at := 0
		for _, p := range parts {
			at += copy(out.Data[at:], p.Data[:4*p.Len])
		}
	case out.Type.IsBytes():
		out.Enc, out.Dict = columnar.Flat, nil
		off := memory.Slice[int32](s, n+1)
		off[0] = 0
		var b []byte
		at := 0
		for i := range parts {
			p := &parts[i]
			for k := range p.Len {
				if p.Valid == nil || p.Valid.Get(k) {
					b = append(b, p.BytesAt(k)...)
				}
				at++
				off[at] = int32(len(b))
			}
		}
		out.Data, out.Bytes = columnar.BytesOf(off), b
	case out.Type.Kind == columnar.Bool:
		b := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
		at := 0
		for _, p := range parts {
			for i := range p.Len {
				b.SetTo(at+i, p.Bits().Get(i))
			}
			at += p.Len
		}
		out.Data = b
	default:
		w := int(out.Width)
		out.Data = s.Bytes(n * w)
		at := 0
		for i := range parts {
			p := &parts[i]
			if p.Width == out.Width {
				at += copy(out.Data[at:], p.Data[:w*p.Len])
				continue
			}
			for k := range p.Len { // decimals of both widths
				columnar.View[columnar.Int128](out.Data, n)[at/16] = p.Int128At(k)
				at += 16
			}
		}
	}
	return out
}
