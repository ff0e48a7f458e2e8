package kernel

import (
	"slices"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// column is a growing column. Buffers hold n rows; data of a fixed width is
// width bytes a row, or codes while there is a dictionary.
type column struct {
	typ   columnar.Type
	n     int
	width int
	dict  *columnar.Dictionary
	data  []byte  // values, codes or bits
	off   []int32 // strings, lists and maps: n+1
	bytes []byte
	valid columnar.Bitmap // nil: no null so far
	kids  []column

	// What the column took the last time it was filled: room is made for as much
	// when it is filled again.
	usualRows, usualBytes int
}

// span names n rows of a vector: the given ones, or those from from on.
type span[I index] struct {
	from, n int
	rows    []I
}

// room makes room for the usual rows of w bytes, before the first one.
func (c *column) room(w int) {
	if c.usualRows > 0 && c.data == nil {
		c.data = slices.Grow(c.data, c.usualRows*w)
	}
}

// again returns an empty column like c. One that was filled with a batch's rows
// will be so again; how long a run or a table gets is another matter each time.
func (c *column) again() column {
	switch {
	case c.n < leastUsual:
		return column{typ: c.typ, usualRows: c.usualRows, usualBytes: c.usualBytes}
	case c.n > columnar.MaxRows:
		return column{typ: c.typ}
	}
	return column{typ: c.typ, usualRows: c.n, usualBytes: len(c.bytes)}
}

// leastUsual is the rows from which on it pays to make room beforehand.
const leastUsual = 1024

// trim gives back room that was made for more rows than came.
func (c *column) trim() {
	if 2*c.n < c.usualRows {
		c.data, c.off, c.bytes = slices.Clone(c.data), slices.Clone(c.off), slices.Clone(c.bytes)
	}
}

// grow lengthens a slice by n elements of arbitrary content, geometrically.
func grow[T any](s []T, n int) []T {
	if cap(s)-len(s) < n {
		s = slices.Grow(s, max(n, len(s), 32)) // doubles at least
	}
	return s[:len(s)+n]
}

// growBits lengthens a bitmap of at bits by n.
func growBits(b columnar.Bitmap, at, n int) columnar.Bitmap {
	return grow(b, columnar.BitmapBytes(at+n)-len(b))
}

// reset empties the column but keeps its buffers.
func (c *column) reset() {
	invariants.Poison(c.data)
	invariants.Poison(columnar.BytesOf(c.off))
	invariants.Poison(c.bytes)
	*c = column{typ: c.typ, data: c.data[:0], off: c.off[:0], bytes: c.bytes[:0], kids: c.kids}
	if c.off != nil {
		c.off = append(c.off, 0)
	}
	for i := range c.kids {
		c.kids[i].reset()
	}
}

// size returns the bytes that the column's buffers take.
func (c *column) size() int64 {
	n := int64(cap(c.data) + 4*cap(c.off) + cap(c.bytes) + cap(c.valid))
	for i := range c.kids {
		n += c.kids[i].size()
	}
	return n
}

// growing is Appender.Growing for a column.
func (c *column) growing(n int) int64 {
	b := doubling(c.data, c.n, n) + doubling(c.off, c.n, n) + doubling(c.bytes, c.n, n) + doubling(c.valid, c.n, n)
	for i := range c.kids {
		b += c.kids[i].growing(n)
	}
	return b
}

// doubling returns the bytes of the buffer that a buffer of some rows is copied into
// when n more come, 0 if it has room for them, and for a quarter more.
func doubling[T byte | int32](s []T, rows, n int) int64 {
	if rows == 0 || cap(s)-len(s) >= int(int64(len(s))*int64(n)/int64(rows)*5/4) {
		return 0
	}
	var z T
	return 2 * int64(cap(s)) * int64(unsafe.Sizeof(z))
}

// appendTo adds rows of a vector of the column's type, or of nulls.
func appendTo[I index](c *column, v *columnar.Vector, p span[I]) error {
	appendValid(c, v, p)
	at := c.n
	c.n += p.n
	switch {
	case c.typ.Kind == columnar.Null:
		return nil
	case v.Type.Kind == columnar.Null || v.Enc == columnar.Const && v.NullAt(0):
		c.addBlank(at, p.n)
		return nil
	case c.typ.IsBytes():
		return appendBytes(c, v, at, p)
	case c.typ.IsNested():
		return appendNested(c, v, at, p)
	case c.typ.Kind == columnar.Bool:
		appendBits(c, v, at, p)
		return nil
	}
	width := int(v.Width)
	if v.Enc == columnar.Dict {
		width = int(v.Dict.Values.Width)
	}
	c.settleWidth(width, at)
	w := c.width
	c.room(w)
	c.data = grow(c.data, p.n*w)
	dst := c.data[at*w:]
	switch {
	case w != width:
		appendWide(columnar.View[columnar.Int128](dst, p.n), v, p)
	case w == 8:
		appendValues(columnar.View[uint64](dst, p.n), v, p)
	case w == 4:
		appendValues(columnar.View[uint32](dst, p.n), v, p)
	case w == 16:
		appendValues(columnar.View[columnar.Int128](dst, p.n), v, p)
	case w == 2:
		appendValues(columnar.View[uint16](dst, p.n), v, p)
	default:
		appendValues(columnar.View[uint8](dst, p.n), v, p)
	}
	return nil
}

func appendValid[I index](c *column, v *columnar.Vector, p span[I]) {
	if c.typ.Kind == columnar.Null {
		return
	}
	nulls := v.HasNulls()
	if !nulls && c.valid == nil {
		return
	}
	if c.valid == nil {
		c.valid = columnar.Bitmap(make([]byte, columnar.BitmapBytes(c.n+p.n)))
		c.valid.Fill(c.n, true)
	} else {
		c.valid = growBits(c.valid, c.n, p.n)
	}
	switch {
	case !nulls:
		FillBits(c.valid, c.n, p.n, true)
	case v.Type.Kind == columnar.Null || v.Enc == columnar.Const:
		FillBits(c.valid, c.n, p.n, !v.NullAt(0))
	case p.rows == nil:
		CopyBits(c.valid, c.n, v.Valid, p.from, p.n)
	default:
		gatherBits(c.valid, c.n, v.Valid, p.rows)
	}
}

// addBlank adds n rows that are null: any value will do.
func (c *column) addBlank(at, n int) {
	switch {
	case c.dict != nil: // code 0
		c.data = grow(c.data, 4*n)
		clear(c.data[4*at:])
	case c.typ.Kind == columnar.Bool:
		c.data = growBits(c.data, at, n)
	case c.typ.Kind == columnar.Struct:
		c.shape()
		for i := range c.kids {
			k := &c.kids[i]
			null := Nulls(k.typ, n)
			_ = appendTo(k, &null, span[uint16]{n: n}) // nulls do not fail
		}
	case c.typ.IsBytes() || c.typ.IsNested():
		c.shape()
		last := c.off[len(c.off)-1]
		for range n {
			c.off = append(c.off, last)
		}
	default:
		if c.width == 0 {
			c.width = c.typ.FixedWidth()
			if c.typ.Kind == columnar.Decimal {
				c.width = 8
			}
		}
		c.data = grow(c.data, n*c.width)
		clear(c.data[at*c.width:])
	}
}

// shape makes what an empty column of offsets or children has.
func (c *column) shape() {
	if c.typ.Kind != columnar.Struct && c.off == nil {
		c.off = append(make([]int32, 0, max(32, c.usualRows+1)), 0)
		c.bytes = slices.Grow(c.bytes, c.usualBytes)
	}
	if c.kids != nil || !c.typ.IsNested() {
		return
	}
	switch c.typ.Kind {
	case columnar.List:
		c.kids = []column{{typ: c.typ.Nested.Fields[0].Type}}
	case columnar.Map:
		c.kids = []column{{typ: columnar.StructType(c.typ.Nested.Fields...)}}
	case columnar.Struct:
		c.kids = make([]column, len(c.typ.Nested.Fields))
		for i, f := range c.typ.Nested.Fields {
			c.kids[i].typ = f.Type
		}
	}
}

// settleWidth prepares for values w bytes wide: the at values so far are widened
// for wider decimals (I6).
func (c *column) settleWidth(w, at int) {
	switch {
	case c.width == 0:
		c.width = w
	case c.width == 8 && w == 16:
		wide := make([]columnar.Int128, at, 2*at+32)
		for i, x := range columnar.View[int64](c.data, at) {
			wide[i] = columnar.Int128Of(x)
		}
		c.data = columnar.BytesOf(wide[:cap(wide)])[:16*at]
		c.width = 16
	}
}

// appendValues writes rows of a vector that is as wide as T.
func appendValues[T columnar.Fixed, I index](dst []T, v *columnar.Vector, p span[I]) {
	switch {
	case v.Enc == columnar.Const:
		x := columnar.View[T](v.Data, 1)[0]
		for i := range dst {
			dst[i] = x
		}
	case v.Enc == columnar.Dict:
		values, codes := columnar.View[T](v.Dict.Values.Data, v.Dict.Values.Len), v.Codes()
		if p.rows == nil {
			gather(dst, values, codes[p.from:p.from+p.n])
			return
		}
		dst = dst[:len(p.rows)]
		for i, r := range p.rows {
			dst[i] = values[codes[r]]
		}
	case p.rows == nil:
		copy(dst, columnar.View[T](v.Data, p.from+p.n)[p.from:])
	default:
		gather(dst, columnar.View[T](v.Data, v.Len), p.rows)
	}
}

// appendWide is appendValues for decimals of 8 bytes that are to have 16.
func appendWide[I index](dst []columnar.Int128, v *columnar.Vector, p span[I]) {
	narrow := make([]int64, p.n)
	appendValues(narrow, v, p)
	for i, x := range narrow {
		dst[i] = columnar.Int128Of(x)
	}
}

func appendBits[I index](c *column, v *columnar.Vector, at int, p span[I]) {
	c.data = growBits(c.data, at, p.n)
	dst := columnar.Bitmap(c.data)
	switch {
	case v.Enc == columnar.Const:
		FillBits(dst, at, p.n, v.Bits().Get(0))
	case v.Enc == columnar.Dict:
		bits, codes := v.Dict.Values.Bits(), v.Codes()
		if p.rows == nil {
			gatherBits(dst, at, bits, codes[p.from:p.from+p.n])
			return
		}
		for i, r := range p.rows {
			dst.SetTo(at+i, bits.Get(int(codes[r])))
		}
	case p.rows == nil:
		CopyBits(dst, at, v.Bits(), p.from, p.n)
	default:
		gatherBits(dst, at, v.Bits(), p.rows)
	}
}

// vector returns the column as it is now.
func (c *column) vector() columnar.Vector {
	v := columnar.Vector{Type: c.typ, Width: uint8(c.width), Len: c.n, Valid: c.valid, Data: c.data, Stable: true}
	switch {
	case c.dict != nil:
		v.Enc, v.Dict, v.Width = columnar.Dict, c.dict, 0
	case c.typ.IsBytes() || c.typ.IsNested():
		c.shape()
		v.Width = 0
		if c.typ.Kind != columnar.Struct {
			v.Data, v.Bytes = columnar.BytesOf(c.off), c.bytes
		}
		for i := range c.kids {
			v.Kids = append(v.Kids, c.kids[i].vector())
		}
	case c.width == 0:
		v.Width = uint8(c.typ.FixedWidth())
	}
	return v
}
