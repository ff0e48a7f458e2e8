package cells

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
)

// plainEnd is the first cell that is not Plain.
const plainEnd = Cell(1) << 60

// integers reads a column of integers. Like the other readers it takes plain
// cells that are not as long as the null text by words, everything else exactly.
func integers[T int8 | int16 | int32 | int64](c *column) []byte {
	out := memory.Slice[T](c.mem, c.sheet.Rows)
	t, cells, w, k, never := c.sheet.Text, c.sheet.Cells, c.sheet.Width, c.k, len(c.Null)
	t = t[: len(t)+text.Pad : len(t)+text.Pad]
	for _, r := range c.rows {
		x := cells[int(r)*w+k]
		begin, end := x.Span()
		n := end - begin
		if uint(n-1) < 8 && x < plainEnd && n != never {
			if v, ok := text.Digits(t[begin:], n); ok && uint64(T(v)) == v && T(v) >= 0 {
				out[r] = T(v)
				continue
			}
		}
		out[r] = T(c.integer(r, 8*int(unsafe.Sizeof(out[0]))))
	}
	return columnar.BytesOf(out)
}

// integer reads one cell as Java reads integers: no spaces, no fraction.
func (c *column) integer(row int32, bits int) int64 {
	s, ok := c.text(row)
	if !ok {
		return 0
	}
	v, err := text.ParseInt(s, bits)
	if err != nil || len(text.Trim(s)) != len(s) {
		c.bad(row)
		return 0
	}
	return v
}

// decimals reads a column of decimals, 8 bytes wide if all values are (I6 of
// columnar).
func (c *column) decimals() (data []byte, width uint8) {
	out := memory.Slice[int64](c.mem, c.sheet.Rows)
	t, cells, w, k, never := c.sheet.Text, c.sheet.Cells, c.sheet.Width, c.k, len(c.Null)
	t = t[: len(t)+text.Pad : len(t)+text.Pad]
	scale, limit := int(c.t.Scale), int64(math.MaxInt64)
	if c.t.Precision <= 18 {
		limit = int64(text.Pow10[c.t.Precision]) - 1
	}
	for _, r := range c.rows {
		x := cells[int(r)*w+k]
		begin, end := x.Span()
		if end-begin != never && x < plainEnd {
			if v, ok := text.FastDecimal(t[begin:], end-begin, scale); ok && v <= limit && v >= -limit {
				out[r] = v
				continue
			}
		}
		v, ok := c.decimal(r)
		if ok && !v.FitsInt64() {
			return c.wideDecimals(), 16
		}
		out[r] = int64(v.Lo)
	}
	return columnar.BytesOf(out), 8
}

func (c *column) wideDecimals() []byte {
	out := memory.Slice[columnar.Int128](c.mem, c.sheet.Rows)
	for _, r := range c.rows {
		out[r], _ = c.decimal(r)
	}
	return columnar.BytesOf(out)
}

// decimal reads one cell as Java reads decimals, commas between digits aside.
func (c *column) decimal(row int32) (columnar.Int128, bool) {
	s, ok := c.text(row)
	if !ok {
		return columnar.Int128{}, false
	}
	var short [64]byte
	b := short[:0]
	for _, x := range s {
		if x != ',' {
			b = append(b, x)
		}
	}
	v, err := text.ParseDecimalTo(b, int(c.t.Precision), int(c.t.Scale))
	if err != nil || len(text.Trim(s)) != len(s) {
		c.bad(row)
		return columnar.Int128{}, false
	}
	return v, true
}

// floats reads a column of doubles or floats.
func floats[T float32 | float64](c *column) []byte {
	out := memory.Slice[T](c.mem, c.sheet.Rows)
	t, cells, w, k, never := c.sheet.Text, c.sheet.Cells, c.sheet.Width, c.k, len(c.Null)
	t = t[: len(t)+text.Pad : len(t)+text.Pad]
	bits := 8 * int(unsafe.Sizeof(out[0]))
	for _, r := range c.rows {
		x := cells[int(r)*w+k]
		begin, end := x.Span()
		if end-begin != never && x < plainEnd && bits == 64 {
			if v, ok := text.FastFloat(t[begin:], end-begin); ok {
				out[r] = T(v)
				continue
			}
		}
		out[r] = T(c.float(r, bits))
	}
	return columnar.BytesOf(out)
}

// float reads one cell as Java reads doubles, or one of the special names.
func (c *column) float(row int32, bits int) float64 {
	s, ok := c.text(row)
	if !ok {
		return 0
	}
	v, ok := c.ParseFloat(s, bits)
	if !ok {
		c.bad(row)
	}
	return v
}

// ParseFloat reads a double as Java does, or one of the special names.
func (r *Rules) ParseFloat(s []byte, bits int) (float64, bool) {
	switch string(s) {
	case r.NaN:
		return math.NaN(), r.NaN != ""
	case r.Inf:
		return math.Inf(1), r.Inf != ""
	case r.Neg:
		return math.Inf(-1), r.Neg != ""
	}
	s = text.Trim(s)
	body := s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		body = s[1:]
	}
	switch {
	case len(body) == 0:
		return 0, false
	case body[0]|0x20 == 'n' || body[0]|0x20 == 'i': // Java knows these two spellings only
		if string(body) != "NaN" && string(body) != "Infinity" {
			return 0, false
		}
	case len(body) > 2 && body[1]|0x20 == 'x':
		return hexFloat(s, bits)
	}
	v, err := text.ParseFloat(s, bits)
	if string(body) == "NaN" {
		return math.NaN(), true
	}
	return v, err == nil
}

// hexFloat reads 0x1.8p3.
func hexFloat(s []byte, bits int) (float64, bool) {
	for _, c := range s {
		if c == '_' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(s), bits)
	return v, err == nil || math.IsInf(v, 0)
}
