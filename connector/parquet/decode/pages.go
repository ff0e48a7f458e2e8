package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/parquet/snappy"
)

// Encodings, as the format numbers them.
const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encDeltaBinary     = 5
	encDeltaLength     = 6
	encDeltaBytes      = 7
	encRLEDictionary   = 8
	encByteStreamSplit = 9
)

const (
	maxPage   = 256 << 20    // bytes of a page's body, compressed or not
	maxHeader = 1 << 20      // bytes of a page's header
	window    = 512 << 10    // bytes read from the file at once, if memory has room
	least     = 64 << 10     // if it has not
	slack     = snappy.Slack // bytes behind a body that may be overwritten
)

// usualPage is what writers make of a page at most, as a rule: where the index of
// pages was not read nothing tells before the page itself.
const usualPage = 1 << 20

// Least returns about the least memory that reading a chunk takes: a stored page and
// a decompressed one. Larger pages are counted when they come.
func Least(c format.CompressionCodec, stored, raw int64) int64 {
	n := max(0, min(stored, usualPage))
	if c != format.Uncompressed {
		n += max(0, min(raw, usualPage))
	}
	return n
}

// ErrTooLarge is the error of a page that may be sound but is not read.
var ErrTooLarge = fmt.Errorf("a page is larger than %d MiB", maxPage>>20)

// Chunk says where a column chunk lies and how it is stored.
type Chunk struct {
	File      io.ReaderAt
	From, To  int64 // its bytes in the file
	Codec     format.CompressionCodec
	Physical  format.Type
	Width     int   // bytes of a fixed-length byte array
	Rows      int64 // of flat columns; the levels of nested ones, which count as rows here
	MaxDef    int   // greatest definition level: 1 for a flat column with nulls
	MaxRep    int   // greatest repetition level
	Reserve   memory.Reservation
	ReadBytes *int64 // counts what is read from the file
}

// Page is a data page.
type Page struct {
	Row    int64 // first row
	Rows   int
	levels Hybrid // definition levels, if MaxDef is not 0
	reps   Hybrid // repetition levels, if MaxRep is not 0
	none   bool   // flat: all rows have values
	coded  bool   // values are codes of the dictionary
	body   []byte
	codes  Hybrid
	values values
}

// Pages reads the pages of a chunk from front to back. It is used by one
// goroutine; Close gives its memory back.
type Pages struct {
	c      Chunk
	at     int64 // next page
	row    int64 // its first row
	win    []byte
	winAt  int64
	buf    []byte   // the decompressed page
	old    [][]byte // buffers that batches may still refer to
	held   int64
	dict   []byte // plain values
	dictN  int
	looked bool // the first page was read
}

// Open prepares to read a chunk. Nothing is read yet.
func Open(c Chunk) (*Pages, error) {
	if c.From < 0 || c.To < c.From {
		return nil, errors.New("a column chunk lies outside of the file")
	}
	return &Pages{c: c, at: c.From}, nil
}

// alloc returns a slab and counts it.
func (p *Pages) alloc(n int) []byte {
	p.Charge(int64(memory.SlabSize(n)))
	return memory.AllocSlab(n)
}

func (p *Pages) free(b []byte) {
	n := int64(cap(b))
	memory.FreeSlab(b)
	if p.c.Reserve != nil {
		p.held -= n
		p.c.Reserve.Return(n)
	}
}

// Charge counts n bytes that stay until Close.
func (p *Pages) Charge(n int64) {
	if p.c.Reserve != nil {
		p.held += n
		p.c.Reserve.Take(n)
	}
}

// Free gives back the buffers of pages before the current one (D3).
func (p *Pages) Free() {
	for i, b := range p.old {
		p.free(b)
		p.old[i] = nil
	}
	p.old = p.old[:0]
}

// Close gives back all memory. What was returned is gone.
func (p *Pages) Close() {
	p.retire(&p.buf)
	p.retire(&p.win)
	p.Free()
	if p.held > 0 {
		p.c.Reserve.Return(p.held)
		p.held = 0
	}
}

// retire keeps a buffer until Free.
func (p *Pages) retire(b *[]byte) {
	if *b != nil {
		p.old = append(p.old, *b)
		*b = nil
	}
}

// bytes returns up to n bytes of the file from off on, fewer only at the chunk's
// end.
func (p *Pages) bytes(off int64, n int) ([]byte, error) {
	if left := p.c.To - off; int64(n) > left {
		n = int(left)
	}
	if from := off - p.winAt; from >= 0 && from+int64(n) <= int64(len(p.win)) {
		return p.win[from : from+int64(n)], nil
	}
	ahead := window
	if !memory.Room(p.c.Reserve, window) {
		ahead = least
	}
	size := int(min(int64(max(n, ahead)), p.c.To-off))
	fresh := p.alloc(size)
	read, err := p.c.File.ReadAt(fresh, off)
	*p.c.ReadBytes += int64(read)
	if read < n {
		p.free(fresh)
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("a column chunk ends behind the file")
		}
		return nil, err
	}
	p.retire(&p.win)
	p.win, p.winAt = fresh[:read], off
	return p.win[:n], nil
}

// header reads the header of the next page.
func (p *Pages) header() (h header, n int, err error) {
	for size := 256; ; size *= 4 {
		b, err := p.bytes(p.at, size)
		if err != nil {
			return h, 0, err
		}
		h, n, err = parseHeader(b)
		if !errors.Is(err, errShort) || len(b) < size || size >= maxHeader {
			switch {
			case err != nil:
			case int64(h.stored) > p.c.To-p.at-int64(n):
				err = fmt.Errorf("a page claims %d bytes, %d uncompressed", h.stored, h.raw)
			case h.raw > maxPage || h.stored > maxPage:
				err = ErrTooLarge
			}
			return h, n, err
		}
	}
}

// Jump moves to a page by the file's index of pages: its offset and first row.
// The dictionary is read first.
func (p *Pages) Jump(offset, row int64) error {
	if err := p.first(); err != nil {
		return err
	}
	if offset < p.at || offset > p.c.To || row < p.row {
		return errors.New("the page index does not fit the pages")
	}
	p.at, p.row = offset, row
	return nil
}

// first reads the dictionary, if the chunk begins with one.
func (p *Pages) first() error {
	if p.looked {
		return nil
	}
	p.looked = true
	h, n, err := p.header()
	if err != nil || h.kind != pageDictionary {
		return err
	}
	if h.encoding != encPlain && h.encoding != encPlainDictionary {
		return fmt.Errorf("a dictionary is stored in encoding %d", h.encoding)
	}
	body, err := p.body(h, n, 0)
	if err != nil {
		return err
	}
	p.at += int64(n) + int64(h.stored)
	p.Charge(int64(len(body) + slack))
	p.dict = append(make([]byte, 0, len(body)+slack), body...)
	p.dictN = h.values
	return nil
}

// Next returns the page that holds row skipTo, the next one if that is behind it.
// io.EOF means that there is none. The page is valid until the call after the
// next, see D3.
func (p *Pages) Next(skipTo int64) (*Page, error) {
	if err := p.first(); err != nil {
		return nil, err
	}
	for {
		if p.at >= p.c.To || p.row >= p.c.Rows {
			return nil, io.EOF
		}
		h, n, err := p.header()
		if err != nil {
			return nil, err
		}
		end := p.at + int64(n) + int64(h.stored)
		switch h.kind {
		case pageData, pageDataV2:
		case pageDictionary:
			return nil, errors.New("a second dictionary page")
		default:
			p.at = end
			continue
		}
		if int64(h.values) > p.c.Rows-p.row {
			return nil, errors.New("the pages have more rows than the row group")
		}
		if p.row+int64(h.values) <= skipTo || h.values == 0 {
			p.at, p.row = end, p.row+int64(h.values)
			continue
		}
		pg, err := p.page(h, n)
		if err != nil {
			return nil, err
		}
		p.at, p.row = end, p.row+int64(h.values)
		return pg, nil
	}
}

// body returns a page's body, decompressed but for the first keep bytes, which
// never are.
func (p *Pages) body(h header, at, keep int) ([]byte, error) {
	b, err := p.bytes(p.at+int64(at), h.stored)
	if err != nil {
		return nil, err
	}
	if h.checked && crc32.ChecksumIEEE(b) != h.crc {
		return nil, errors.New("the checksum of a page does not agree")
	}
	if p.c.Codec == format.Uncompressed || h.kind == pageDataV2 && !h.compressed {
		if h.raw != h.stored {
			return nil, fmt.Errorf("a page of %d bytes claims %d", h.stored, h.raw)
		}
		return b, nil
	}
	if keep > h.stored || keep > h.raw {
		return nil, errLevels
	}
	if h.raw-keep > expansion(p.c.Codec, h.stored-keep) {
		return nil, fmt.Errorf("a page claims %d bytes, %d uncompressed", h.stored, h.raw)
	}
	p.retire(&p.buf)
	p.buf = p.alloc(h.raw + slack)
	out := p.buf[:h.raw]
	copy(out, b[:keep])
	return out, decompress(p.c.Codec, out[keep:], b[keep:])
}

var errLevels = errors.New("the levels of a page are longer than the page")

// cutLevels takes levels up to most, behind their length, off a page's body.
func cutLevels(b []byte, most, encoding int) (Hybrid, []byte, error) {
	switch {
	case most == 0:
		return Hybrid{}, b, nil
	case encoding != encRLE:
		return Hybrid{}, b, fmt.Errorf("levels are stored in encoding %d", encoding)
	case len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4):
		return Hybrid{}, b, errLevels
	}
	n := 4 + int(binary.LittleEndian.Uint32(b))
	return newHybrid(b[4:n], bits.Len(uint(most))), b[n:], nil
}

// page decodes the outer layer of a data page.
func (p *Pages) page(h header, at int) (*Page, error) {
	levels := 0
	if h.kind == pageDataV2 {
		levels = h.defBytes + h.repBytes
	}
	b, err := p.body(h, at, levels)
	if err != nil {
		return nil, err
	}
	if levels > len(b) {
		return nil, errLevels
	}
	pg := &Page{Row: p.row, Rows: h.values, none: p.c.MaxDef == 0}
	if h.kind == pageDataV2 {
		if pg.reps, pg.levels = newHybrid(b[:h.repBytes], bits.Len(uint(p.c.MaxRep))), newHybrid(b[h.repBytes:levels], bits.Len(uint(p.c.MaxDef))); levels > 0 {
			b = b[levels:]
		}
	} else {
		if pg.reps, b, err = cutLevels(b, p.c.MaxRep, h.repLevels); err != nil {
			return nil, err
		}
		if pg.levels, b, err = cutLevels(b, p.c.MaxDef, h.levels); err != nil {
			return nil, err
		}
	}
	if p.c.MaxDef == 1 && p.c.MaxRep == 0 && pg.levels.AllOnes(h.values) {
		pg.none = true
	}
	pg.body = b
	switch h.encoding {
	case encPlainDictionary, encRLEDictionary:
		if p.dict == nil {
			return nil, errors.New("a page refers to a dictionary that is not there")
		}
		pg.coded = true
		if len(b) == 0 { // a page without values
			return pg, nil
		}
		if b[0] > 32 {
			return nil, fmt.Errorf("codes of %d bits", b[0])
		}
		pg.codes = newHybrid(b[1:], int(b[0]))
		return pg, nil
	}
	pg.values, err = newValues(p.c.Physical, p.c.Width, h.encoding, b)
	return pg, err
}

// Behind reports whether a row lies behind the next page's first row.
func (p *Pages) Behind(row int64) bool { return row > p.row }

// DictionaryPage returns the dictionary as a page of values, and how many there
// are. It is read once.
func (p *Pages) DictionaryPage(t format.Type, length int) (*Page, int, error) {
	v, err := newValues(t, length, encPlain, p.dict)
	least := 8 * v.width // bits of a value
	switch {
	case t == format.Boolean:
		least = 1
	case t == format.ByteArray:
		least = 32
	}
	if int64(p.dictN)*int64(least) > 8*int64(len(p.dict)) {
		return nil, 0, errValues
	}
	return &Page{Rows: p.dictN, none: true, values: v}, p.dictN, err
}
