package parquet

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// physical is how the column is stored.
func (c *column) physical() format.Type { return c.leaf.physical }

// unfit is the error of a column that is stored as its type cannot be.
func (c *column) unfit() error {
	return corrupt(c.file.path, fmt.Errorf("column %s is stored as %v, which does not fit %s", c.field.Name, c.physical(), c.field.Type))
}

// fromStrings makes m byte arrays, given by m+1 offsets, values of the column.
func (c *column) fromStrings(v *columnar.Vector, off []int32, b []byte) error {
	switch {
	case v.Type.Kind == columnar.Decimal:
		xs := make([]columnar.Int128, len(off)-1)
		for i := range xs {
			xs[i] = bigEndian(b[off[i]:off[i+1]])
		}
		v.Width, v.Data = decimals(xs)
	case v.Type.IsBytes():
		v.Data, v.Bytes = columnar.BytesOf(off), b
	default:
		return c.unfit()
	}
	return nil
}

// fromFixed makes m values in plain layout values of the column: in place where
// both have one layout.
func (c *column) fromFixed(v *columnar.Vector, raw []byte, m int, s *memory.Scratch) error {
	t := v.Type
	switch c.physical() {
	case format.Int32:
		xs := columnar.View[int32](raw, m)
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
			v.Width, v.Data = 4, raw
		case t.FixedWidth() == 2 && t.IsSignedInteger():
			out := memory.Slice[int16](s, m)
			for i, x := range xs {
				out[i] = int16(x)
			}
			v.Width, v.Data = 2, columnar.BytesOf(out)
		case t.FixedWidth() == 1 && t.IsSignedInteger():
			out := memory.Slice[int8](s, m)
			for i, x := range xs {
				out[i] = int8(x)
			}
			v.Width, v.Data = 1, columnar.BytesOf(out)
		default:
			return c.unfit()
		}
	case format.Int64:
		xs := columnar.View[int64](raw, m)
		switch {
		case c.leaf.unsigned && anyNegative(xs):
			out := memory.Slice[columnar.Int128](s, m)
			for i, x := range xs {
				out[i] = columnar.Int128{Lo: uint64(x)}
			}
			v.Width, v.Data = 16, columnar.BytesOf(out)
		case t.FixedWidth() == 8 && !t.IsFloat() || t.Kind == columnar.Decimal:
			v.Width, v.Data = 8, raw
			if c.leaf.scale != 0 {
				out := memory.Slice[int64](s, m)
				if !rescaleAll(out, xs, c.leaf.scale) {
					return c.tooFar()
				}
				v.Data = columnar.BytesOf(out)
			}
		default:
			return c.unfit()
		}
	case format.Float, format.Double:
		if c.physical() == format.Float && t.Kind != columnar.Float32 || c.physical() == format.Double && t.Kind != columnar.Float64 {
			return c.unfit()
		}
		v.Width, v.Data = uint8(t.FixedWidth()), raw
	case format.Int96:
		if t.Kind != columnar.Timestamp {
			return c.unfit()
		}
		out := memory.Slice[int64](s, m)
		for i := range out {
			nanos, day := binary.LittleEndian.Uint64(raw[12*i:]), binary.LittleEndian.Uint32(raw[12*i+8:])
			out[i] = (int64(day)-julian)*86400_000_000 + int64(nanos)/1000
		}
		v.Width, v.Data = 8, columnar.BytesOf(out)
	case format.FixedLenByteArray:
		return c.fromBlocks(v, raw, m, s)
	default:
		return c.unfit()
	}
	return nil
}

// julian is the Julian day of 1970-01-01.
const julian = 2440588

// fromBlocks is fromFixed for byte arrays of one length.
func (c *column) fromBlocks(v *columnar.Vector, raw []byte, m int, s *memory.Scratch) error {
	size := c.leaf.length
	switch {
	case v.Type.Kind == columnar.Decimal:
		xs := memory.Slice[columnar.Int128](s, m)
		for i := range xs {
			xs[i] = bigEndian(raw[i*size : (i+1)*size])
		}
		v.Width, v.Data = decimals(xs)
	case c.leaf.half:
		out := memory.Slice[float32](s, m)
		for i := range out {
			out[i] = halfFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		v.Width, v.Data = 4, columnar.BytesOf(out)
	case v.Type.IsBytes():
		if int64(m)*int64(size) > math.MaxInt32 {
			return c.corrupt(errLong)
		}
		off := memory.Slice[int32](s, m+1)
		for i := range off {
			off[i] = int32(i * size)
		}
		v.Data, v.Bytes = columnar.BytesOf(off), raw
	default:
		return c.unfit()
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

// decimals returns decimals as 64 bits each if all fit, in place.
func decimals(xs []columnar.Int128) (uint8, []byte) {
	for _, x := range xs {
		if !x.FitsInt64() {
			return 16, columnar.BytesOf(xs)
		}
	}
	ys := columnar.View[int64](columnar.BytesOf(xs), len(xs))
	for i, x := range xs {
		ys[i] = int64(x.Lo)
	}
	return 8, columnar.BytesOf(ys)[: 8*len(ys) : 8*len(ys)]
}
