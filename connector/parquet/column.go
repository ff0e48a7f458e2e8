package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"unsafe"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// column decodes one column chunk, front to back.
type column struct {
	file  *file
	chunk pq.ColumnChunk
	meta  *format.ColumnMetaData
	field columnar.Field
	leaf  leaf
	bytes *int64

	pages  pq.Pages
	page   pq.Page
	levels []byte // definition levels of the page; nil: no nulls
	values encoding.Values
	row    int   // next row of the page
	value  int   // next value of the page (nulls have none)
	inPage int   // rows of the page
	at     int64 // next row of the chunk
	end    int64 // first row of the next page to read
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

// skip passes n rows. Pages that hold none of the rows that are read later are
// not looked at when the file has an index of them.
func (c *column) skip(n int64) {
	c.at += n
	if c.page == nil {
		return
	}
	if n <= int64(c.inPage-c.row) {
		c.step(int(n))
		return
	}
	c.old = append(c.old, c.page)
	c.page = nil
}

// seek moves to the page of row at, as far as the file's index tells.
func (c *column) seek() error {
	f, ok := c.chunk.(*pq.FileColumnChunk)
	if !ok {
		return nil
	}
	index, err := f.OffsetIndex()
	if err != nil || index == nil {
		return nil // pages are read and dropped instead
	}
	i := sort.Search(index.NumPages(), func(i int) bool { return index.FirstRowIndex(i) > c.at }) - 1
	if i < 0 || index.FirstRowIndex(i) <= c.end {
		return nil
	}
	c.end = index.FirstRowIndex(i)
	return c.pages.SeekToRow(c.end)
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
		if c.end < c.at {
			if err := c.seek(); err != nil {
				return corrupt(c.file.path, err)
			}
		}
		p, err := c.pages.ReadPage()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("a column has fewer values than its row group has rows")
			}
			return corrupt(c.file.path, err)
		}
		from := c.end
		if c.end += p.NumRows(); c.end <= c.at { // all of it was skipped
			pq.Release(p)
			continue
		}
		c.page, c.row, c.value = p, 0, 0
		c.inPage = int(p.NumRows())
		c.values = p.Data()
		c.levels = p.DefinitionLevels()
		if c.levels != nil && p.NumNulls() == 0 {
			c.levels = nil
		}
		*c.bytes += p.Size()
		c.step(int(c.at - from))
	}
	return nil
}

// next decodes n rows.
func (c *column) next(n int, s *memory.Scratch) (columnar.Vector, error) {
	if err := c.load(); err != nil {
		return columnar.Vector{}, err
	}
	if n <= c.inPage-c.row {
		c.at += int64(n)
		return c.take(n, s)
	}
	var parts []columnar.Vector
	for left := n; left > 0; {
		if err := c.load(); err != nil {
			return columnar.Vector{}, err
		}
		k := min(left, c.inPage-c.row)
		c.at += int64(k)
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
	sub := &column{file: c.file, field: c.field, leaf: c.leaf, values: data}
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
	c.source, c.dict = d, &columnar.Dictionary{Values: v}
	if v.Type.IsBytes() {
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
		case t.Kind == columnar.Decimal || t.Kind == columnar.Int64 || t.Kind == columnar.Time:
			out := memory.Slice[int64](s, m)
			for i, x := range xs {
				out[i] = int64(x)
			}
			if c.leaf.unsigned {
				for i, x := range xs {
					out[i] = int64(uint32(x))
				}
			}
			if c.leaf.scale != 0 && !rescaleAll(out, out, c.leaf.scale) {
				return c.tooFar()
			}
			v.Width, v.Data = 8, columnar.BytesOf(out)
		case t.Kind == columnar.Int32 || t.Kind == columnar.Date:
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
		case c.leaf.unsigned && anyNegative(xs):
			out := memory.Slice[columnar.Int128](s, m)
			for i, x := range xs {
				out[i] = columnar.Int128{Lo: uint64(x)}
			}
			v.Width, v.Data = 16, columnar.BytesOf(out)
		case t.FixedWidth() == 8 && !t.IsFloat() || t.Kind == columnar.Decimal:
			v.Width, v.Data = 8, columnar.BytesOf(xs)
			if c.leaf.scale != 0 {
				out := memory.Slice[int64](s, m)
				if !rescaleAll(out, xs, c.leaf.scale) {
					return c.tooFar()
				}
				v.Data = columnar.BytesOf(out)
			}
		default:
			return bad()
		}
	case encoding.Float:
		if t.Kind != columnar.Float32 {
			return bad()
		}
		v.Width, v.Data = 4, columnar.BytesOf(c.values.Float()[from:from+m])
	case encoding.Double:
		if t.Kind != columnar.Float64 {
			return bad()
		}
		v.Width, v.Data = 8, columnar.BytesOf(c.values.Double()[from:from+m])
	case encoding.Int96:
		if t.Kind != columnar.Timestamp {
			return bad()
		}
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
		if c.leaf.half {
			out := memory.Slice[float32](s, m)
			for i := range out {
				out[i] = halfFloat(binary.LittleEndian.Uint16(data[2*i:]))
			}
			v.Width, v.Data = 4, columnar.BytesOf(out)
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

// tooFar is the error of a time beyond what µs in 64 bits can tell.
func (c *column) tooFar() error {
	return diag.New(diag.DatetimeOverflow, "column %s of %s holds a time that does not fit into 64 bits of microseconds", c.field.Name, c.file.path).
		WithPath(c.file.path).WithRemedy("select the other columns by name")
}

// rescaleAll turns stored times into µs; false: one does not fit.
func rescaleAll(dst, src []int64, scale int64) bool {
	all := true
	for i, x := range src {
		y, ok := rescale(x, scale)
		dst[i] = y
		all = all && ok
	}
	return all
}

func anyNegative(xs []int64) bool {
	var all int64
	for _, x := range xs {
		all |= x
	}
	return all < 0
}

// halfFloat widens an IEEE 754 number of 16 bits.
func halfFloat(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero and subnormal: frac × 2⁻²⁴
		x := float32(frac) / (1 << 24)
		return math.Float32frombits(math.Float32bits(x) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
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
