package encode

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// Encodings.
const (
	encPlain         = 0
	encRLE           = 3
	encRLEDictionary = 8
)

// Rows of a page: multiples of a batch's. Pages of codes are small.
const (
	plainRows = 2 * columnar.MaxRows
	codedRows = 4 * columnar.MaxRows
	pageBytes = 1 << 20 // of plain strings
)

// chunk is what the footer says about a written column chunk.
type chunk struct {
	codec        Codec
	coded        bool
	values       int
	raw, stored  int64 // bytes with headers, before and after compression
	dictionary   int64 // offset, or −1
	data         int64
	bounds       bounds
	nulls        int
	pages        []page
	columnIndex  [2]int64 // offset and length
	offsetIndex  [2]int64
	dataPages    int
	dictionaries int
}

// page is one data page.
type page struct {
	row, rows    int
	nulls        int
	from, to     int // of the raw bytes
	bounds       bounds
	offset, size int64 // in the file, with header
}

// encoder turns buffered columns into bytes; its buffers are reused.
type encoder struct {
	codec  Codec
	raw    []byte // page bodies
	packed []byte
	out    []byte // pages with headers
	codes  []uint32
	seen   []bool
	head   thrift
}

// encode returns the column's pages as they are stored at an offset of the
// file. The bytes are valid until the next call.
func (e *encoder) encode(c *column, offset int64) (chunk, []byte, error) {
	ch := chunk{values: c.rows, nulls: c.nulls, dictionary: -1}
	e.raw = e.raw[:0]
	if c.dict != nil && c.n > 0 && c.dict.len() > c.n*3/4 {
		c.spell()
	}
	codes, dict := e.dictionary(c) // the dictionary page's body comes first in raw
	ch.coded = dict > 0
	dictEnd := len(e.raw)
	c.plain = c.physical == typeByteArray && c.dict == nil && c.n >= probation
	e.pages(c, &ch, codes, dict)

	ch.codec = e.codec
	bodies := make([][]byte, 0, len(ch.pages)+1)
	if ch.coded {
		bodies = append(bodies, e.raw[:dictEnd])
	}
	for i := range ch.pages {
		bodies = append(bodies, e.raw[ch.pages[i].from:ch.pages[i].to])
	}
	stored, err := e.squeeze(c, bodies, &ch)
	if err != nil {
		return ch, nil, err
	}
	e.out = e.out[:0]
	for i, body := range bodies {
		at := len(e.out)
		isDict := ch.coded && i == 0
		h := &e.head
		h.b, h.last = h.b[:0], 0
		if isDict {
			h.i32(1, 2)
		} else {
			h.i32(1, 0)
		}
		h.i32(2, int32(len(body)))
		h.i32(3, int32(len(stored[i])))
		h.i32(4, int32(crc32.ChecksumIEEE(stored[i])))
		if isDict {
			h.begin(7)
			h.i32(1, int32(dict))
			h.i32(2, encPlain)
			h.end()
			ch.dictionary = offset
			ch.dictionaries = 1
		} else {
			p := &ch.pages[len(ch.pages)-len(bodies)+i]
			h.begin(5)
			h.i32(1, int32(p.rows))
			if ch.coded {
				h.i32(2, encRLEDictionary)
			} else {
				h.i32(2, encPlain)
			}
			h.i32(3, encRLE)
			h.i32(4, encRLE)
			h.end()
			p.offset = offset + int64(at)
			if ch.dataPages == 0 {
				ch.data = p.offset
			}
			ch.dataPages++
		}
		h.b = append(h.b, 0)
		e.out = append(append(e.out, h.b...), stored[i]...)
		if !isDict {
			ch.pages[len(ch.pages)-len(bodies)+i].size = int64(len(e.out) - at)
		}
		ch.raw += int64(len(h.b) + len(body))
	}
	ch.stored = int64(len(e.out))
	return ch, e.out, nil
}

// worth is the share of its size that a chunk must lose for its compression to
// be kept: reading what is not compressed costs nothing.
const worth = 0.08

// squeeze compresses the bodies, or returns them as they are.
func (e *encoder) squeeze(c *column, bodies [][]byte, ch *chunk) ([][]byte, error) {
	if e.codec == None || c.raw {
		ch.codec = None
		return bodies, nil
	}
	e.packed = e.packed[:0]
	ends := make([]int, len(bodies))
	raw := 0
	for i, b := range bodies {
		var err error
		if e.packed, err = compress(e.codec, e.packed, b); err != nil {
			return nil, err
		}
		ends[i] = len(e.packed)
		raw += len(b)
		if !c.decided && raw > 64<<10 && float64(len(e.packed)) > (1-worth/2)*float64(raw) {
			c.raw = true // it will not get better
			break
		}
	}
	if !c.decided {
		c.decided = ch.values > 0
		c.raw = c.raw || float64(len(e.packed)) > (1-worth)*float64(raw)
		if c.raw {
			ch.codec = None
			return bodies, nil
		}
	}
	out := make([][]byte, len(bodies))
	at := 0
	for i, end := range ends {
		out[i] = e.packed[at:end]
		at = end
	}
	return out, nil
}

// dictionary writes the dictionary page's body to raw if codes pay, and returns
// the values' codes and the number of values; 0 for none.
func (e *encoder) dictionary(c *column) ([]uint32, int) {
	switch c.physical {
	case typeBoolean:
		return nil, 0
	case typeByteArray:
		if c.dict == nil || c.n == 0 {
			return nil, 0
		}
		for i := range c.dict.len() {
			b := c.dict.value(uint32(i))
			e.raw = append(binary.LittleEndian.AppendUint32(e.raw, uint32(len(b))), b...)
		}
		return c.codes, c.dict.len()
	}
	limit := min(c.n/3, maxDictionary/c.width)
	if limit == 0 {
		return nil, 0
	}
	var ok bool
	n := 0
	switch c.width {
	case 4:
		var d []uint32
		if d, e.codes, ok = codesOf(values[uint32](c, 0, c.n), limit, hash32, e.codes); ok {
			n = len(d)
			e.raw = append(e.raw, columnar.BytesOf(d)...)
		}
	case 8:
		var d []uint64
		if d, e.codes, ok = codesOf(values[uint64](c, 0, c.n), limit, hash64, e.codes); ok {
			n = len(d)
			e.raw = append(e.raw, columnar.BytesOf(d)...)
		}
	default:
		var d []columnar.Int128
		if d, e.codes, ok = codesOf(values[columnar.Int128](c, 0, c.n), limit, hash128, e.codes); ok {
			n = len(d)
			for _, x := range d {
				e.raw = appendBig(e.raw, x)
			}
		}
	}
	if !ok || n*c.width+c.n*bitsFor(n)/8 > c.n*c.width*3/4 {
		e.raw = e.raw[:0]
		return nil, 0
	}
	return e.codes, n
}

// pages writes the bodies of data pages to raw.
func (e *encoder) pages(c *column, ch *chunk, codes []uint32, dict int) {
	rows := plainRows
	switch {
	case dict > 0 || c.physical == typeBoolean:
		rows = codedRows
	case c.physical == typeByteArray && c.n > 0:
		for rows > 8 && rows*(len(c.text)/c.n+4) > pageBytes {
			rows /= 2
		}
	}
	if c.dict != nil {
		if n := c.dict.len(); cap(e.seen) < n {
			e.seen = make([]bool, n)
		} else {
			e.seen = e.seen[:n]
		}
	}
	width := bitsFor(dict)
	ch.bounds.ok = c.n > 0
	value := 0
	for row := 0; row < c.rows || row == 0; row += rows {
		n := min(rows, c.rows-row)
		p := page{row: row, rows: n, from: len(e.raw)}
		m := n
		if c.field.Nullable {
			if c.nulls > 0 {
				m = countBits(c.valid, row, n)
			}
			p.nulls = n - m
			e.raw = appendLevels(e.raw, c.valid, row, n, p.nulls)
		}
		switch {
		case dict > 0:
			e.raw = append(e.raw, byte(width))
			e.raw = appendCodes(e.raw, codes[value:value+m], width)
		case c.physical == typeBoolean:
			e.raw = grown(e.raw, columnar.BitmapBytes(m))
			at := len(e.raw)
			size := (m + 7) / 8
			b := e.raw[at : at+columnar.BitmapBytes(m)]
			clear(b)
			kernel.CopyBits(b, 0, c.bits, value, m)
			e.raw = e.raw[:at+size]
		case c.physical == typeByteArray:
			for i := value; i < value+m; i++ {
				b := c.text[c.off[i]:c.off[i+1]]
				e.raw = append(binary.LittleEndian.AppendUint32(e.raw, uint32(len(b))), b...)
			}
		case c.physical == typeFixed:
			for _, x := range values[columnar.Int128](c, value, value+m) {
				e.raw = appendBig(e.raw, x)
			}
		default:
			e.raw = append(e.raw, c.fixed[value*c.width:(value+m)*c.width]...)
		}
		p.to = len(e.raw)
		if c.physical == typeByteArray {
			p.bounds = c.byteBounds(value, value+m, e.seen)
		} else if m > 0 {
			p.bounds = c.bounds(value, value+m)
		}
		ch.pages = append(ch.pages, p)
		value += m
		if c.rows == 0 {
			break
		}
	}
	// The chunk's bounds: of all its values at once, for strings of its pages'.
	switch {
	case c.n == 0:
	case c.physical != typeByteArray:
		ch.bounds = c.bounds(0, c.n)
	default:
		for i, p := range ch.pages {
			if p.nulls == p.rows {
				continue
			}
			if !p.bounds.ok {
				ch.bounds.ok = false
				break
			}
			b := &ch.bounds
			if b.min == nil || string(p.bounds.min) < string(b.min) || i == 0 {
				b.min = p.bounds.min
			}
			if b.max == nil || string(p.bounds.max) > string(b.max) || i == 0 {
				b.max = p.bounds.max
			}
		}
	}
}

// countBits counts the set bits among n from bit at, a multiple of eight.
func countBits(b columnar.Bitmap, at, n int) int { return b[at/8:].Count(n) }
