package encode

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Physical types.
const (
	typeBoolean   = 0
	typeInt32     = 1
	typeInt64     = 2
	typeFloat     = 4
	typeDouble    = 5
	typeByteArray = 6
	typeFixed     = 7
)

// column buffers one column's values of the row group. Values are dense: nulls
// have none.
type column struct {
	field    columnar.Field
	physical int32
	width    int // bytes of a stored value; 0: bits or bytes

	rows  int
	nulls int
	valid columnar.Bitmap // of the rows; maintained once there is a null

	fixed []byte // fixed-width values, little-endian; decimals of 16 bytes as columnar.Int128
	bits  columnar.Bitmap
	n     int // values

	// Byte strings: codes while there is a dictionary, else offsets and text.
	dict  *dictionary
	codes []uint32
	off   []int
	text  []byte

	plain bool // the row group before was better without dictionary

	// The first row group decides for all whether compression pays: readers
	// exist that take a column's codec from there.
	decided bool
	raw     bool
	from    *columnar.Dictionary
	remap   []uint32 // codes of from in dict, plus one
}

// storage maps a type to how it is stored.
func storage(f columnar.Field) (physical int32, width int, err error) {
	switch t := f.Type; t.Kind {
	case columnar.Bool:
		return typeBoolean, 0, nil
	case columnar.Null, columnar.Int8, columnar.Int16, columnar.Int32, columnar.Uint8, columnar.Uint16, columnar.Uint32, columnar.Date:
		return typeInt32, 4, nil
	case columnar.Int64, columnar.Uint64, columnar.Time, columnar.Timestamp, columnar.TimestampNTZ:
		return typeInt64, 8, nil
	case columnar.Float32:
		return typeFloat, 4, nil
	case columnar.Float64:
		return typeDouble, 8, nil
	case columnar.Decimal:
		switch {
		case t.Precision <= 9:
			return typeInt32, 4, nil
		case t.Precision <= 18:
			return typeInt64, 8, nil
		}
		return typeFixed, 16, nil
	case columnar.String, columnar.Binary:
		return typeByteArray, 0, nil
	}
	return 0, 0, diag.New(diag.Unsupported, "column %s of type %s cannot be written to Parquet yet", f.Name, f.Type).WithRemedy("cast it to string, or select its parts")
}

// reset forgets the values of the row group.
func (c *column) reset() {
	c.rows, c.nulls, c.n = 0, 0, 0
	c.fixed, c.text, c.codes, c.off = c.fixed[:0], c.text[:0], c.codes[:0], c.off[:0]
	c.from = nil
	if c.physical == typeByteArray {
		c.off = append(c.off, 0)
		c.dict = nil
		if !c.plain {
			c.dict = newDictionary()
		}
	}
}

// add appends the rows sel of v, all if sel is nil.
func (c *column) add(v columnar.Vector, sel []uint16, s *memory.Scratch) error {
	if sel != nil {
		v = kernel.TakeSel(&v, sel, s)
	}
	if v.Type.Kind == columnar.Null || v.Enc != columnar.Flat && !(v.Enc == columnar.Dict && c.physical == typeByteArray) {
		if v.Type.Kind == columnar.Null || v.Enc == columnar.Const && v.NullAt(0) {
			return c.addNulls(v.Len)
		}
		v = kernel.Flatten(&v, s)
	}
	n := v.Len
	nulls := 0
	if v.Valid != nil {
		nulls = n - v.Valid.Count(n)
	}
	if nulls == n && n > 0 {
		return c.addNulls(n)
	}
	if err := c.note(n, nulls, v.Valid); err != nil {
		return err
	}
	valid := v.Valid
	if nulls == 0 {
		valid = nil
	}
	c.n += n - nulls
	switch {
	case c.physical == typeBoolean:
		c.addBits(v.Bits(), valid, n)
	case c.physical == typeByteArray:
		return c.addBytes(&v, valid)
	default:
		c.addFixed(&v, valid)
	}
	return nil
}

// note records which of the next n rows are valid.
func (c *column) note(n, nulls int, valid columnar.Bitmap) error {
	if nulls > 0 && !c.field.Nullable {
		return diag.New(diag.Internal, "column %s has a null, though its type says that it has none", c.field.Name)
	}
	if need := columnar.BitmapBytes(c.rows + n); c.field.Nullable && len(c.valid) < need {
		grownTo := make(columnar.Bitmap, max(need, 2*len(c.valid)))
		copy(grownTo, c.valid)
		c.valid = grownTo
	}
	if c.field.Nullable {
		switch {
		case nulls == 0:
			kernel.FillBits(c.valid, c.rows, n, true)
		case nulls == n:
			kernel.FillBits(c.valid, c.rows, n, false)
		default:
			kernel.CopyBits(c.valid, c.rows, valid, 0, n)
		}
	}
	c.rows += n
	c.nulls += nulls
	return nil
}

func (c *column) addNulls(n int) error { return c.note(n, n, nil) }

func (c *column) addBits(bits, valid columnar.Bitmap, n int) {
	at := c.n
	if valid != nil {
		at -= valid.Count(n)
	} else {
		at -= n
	}
	if need := columnar.BitmapBytes(c.n); len(c.bits) < need {
		b := make(columnar.Bitmap, max(need, 2*len(c.bits)))
		copy(b, c.bits)
		c.bits = b
	}
	if valid == nil {
		kernel.CopyBits(c.bits, at, bits, 0, n)
		return
	}
	for i := range n {
		if valid.Get(i) {
			c.bits.SetTo(at, bits.Get(i))
			at++
		}
	}
}

// addFixed appends fixed-width values in their stored width.
func (c *column) addFixed(v *columnar.Vector, valid columnar.Bitmap) {
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case int(v.Width) == c.width:
		switch c.width {
		case 4:
			c.fixed = extend[uint32, uint32](c.fixed, v, valid)
		case 8:
			c.fixed = extend[uint64, uint64](c.fixed, v, valid)
		default:
			at := len(c.fixed)
			c.fixed = grown(c.fixed, 16*v.Len)
			out := columnar.View[columnar.Int128](c.fixed[at:cap(c.fixed)], v.Len)
			k := 0
			for i, x := range columnar.Values[columnar.Int128](v) {
				if valid == nil || valid.Get(i) {
					out[k] = x
					k++
				}
			}
			c.fixed = c.fixed[:at+16*k]
		}
	case c.width == 16: // decimals that are narrow in memory
		at := len(c.fixed)
		c.fixed = grown(c.fixed, 16*v.Len)
		out := columnar.View[columnar.Int128](c.fixed[at:cap(c.fixed)], v.Len)
		k := 0
		for i, x := range columnar.Values[int64](v) {
			if valid == nil || valid.Get(i) {
				out[k] = columnar.Int128Of(x)
				k++
			}
		}
		c.fixed = c.fixed[:at+16*k]
	case v.Width == 16: // decimals that are wide in memory
		at := len(c.fixed)
		c.fixed = grown(c.fixed, c.width*v.Len)
		k := at
		for i, x := range columnar.Values[columnar.Int128](v) {
			if valid == nil || valid.Get(i) {
				put(c.fixed[k:cap(c.fixed)], c.width, x.Lo)
				k += c.width
			}
		}
		c.fixed = c.fixed[:k]
	case v.Width == 8:
		c.fixed = extend[int32, int64](c.fixed, v, valid)
	case v.Width == 2 && unsigned:
		c.fixed = extend[int32, uint16](c.fixed, v, valid)
	case v.Width == 2:
		c.fixed = extend[int32, int16](c.fixed, v, valid)
	case unsigned:
		c.fixed = extend[int32, uint8](c.fixed, v, valid)
	default:
		c.fixed = extend[int32, int8](c.fixed, v, valid)
	}
}

func put(b []byte, width int, x uint64) {
	for i := range width {
		b[i] = byte(x >> (8 * i))
	}
}

// number is what addFixed converts between.
type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func extend[D, S number](b []byte, v *columnar.Vector, valid columnar.Bitmap) []byte {
	src := columnar.Values[S](v)
	var d D
	w := len(columnar.BytesOf([]D{d}))
	at := len(b)
	b = grown(b, w*len(src))
	out := columnar.View[D](b[at:cap(b)], len(src))
	if valid == nil {
		for i, x := range src {
			out[i] = D(x)
		}
		return b[:at+w*len(src)]
	}
	k := 0
	for i, x := range src {
		out[k] = D(x)
		k += int(valid[i>>3] >> (i & 7) & 1)
		if k == len(out) {
			break
		}
	}
	return b[:at+w*k]
}

// addBytes appends byte strings: as codes as long as the dictionary pays.
func (c *column) addBytes(v *columnar.Vector, valid columnar.Bitmap) error {
	if c.dict != nil && v.Enc == columnar.Dict {
		c.translate(v, valid)
	} else if c.dict != nil {
		off := v.Offsets()
		for i := range v.Len {
			if valid == nil || valid.Get(i) {
				c.codes = append(c.codes, c.dict.code(v.Bytes[off[i]:off[i+1]]))
			}
		}
	} else if v.Enc == columnar.Dict {
		for i := range v.Len {
			if valid == nil || valid.Get(i) {
				c.text = append(c.text, v.BytesAt(i)...)
				c.off = append(c.off, len(c.text))
			}
		}
	} else {
		off := v.Offsets()
		for i := range v.Len {
			if valid == nil || valid.Get(i) {
				c.text = append(c.text, v.Bytes[off[i]:off[i+1]]...)
				c.off = append(c.off, len(c.text))
			}
		}
	}
	if c.dict != nil && c.dict.pointless(len(c.codes)) {
		c.spell()
	}
	return nil
}

// translate appends a dictionary vector's codes, each of its values looked up
// once.
func (c *column) translate(v *columnar.Vector, valid columnar.Bitmap) {
	if c.from != v.Dict {
		c.from = v.Dict
		c.remap = append(c.remap[:0], make([]uint32, v.Dict.Values.Len)...)
	}
	for i, x := range v.Codes() {
		if valid != nil && !valid.Get(i) {
			continue
		}
		k := c.remap[x]
		if k == 0 {
			k = c.dict.code(v.Dict.Values.BytesAt(int(x))) + 1
			c.remap[x] = k
		}
		c.codes = append(c.codes, k-1)
	}
}

// spell gives the dictionary up: codes become text.
func (c *column) spell() {
	for _, x := range c.codes {
		c.text = append(c.text, c.dict.value(x)...)
		c.off = append(c.off, len(c.text))
	}
	c.codes, c.dict = c.codes[:0], nil
}

// memory returns about how many bytes the column holds.
func (c *column) memory() int {
	n := len(c.fixed) + len(c.text) + 4*len(c.codes) + 8*len(c.off)
	if c.dict != nil {
		n += len(c.dict.text)
	}
	return n
}
