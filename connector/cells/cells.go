// Package cells turns the cells of text records into vectors: what CSV and JSON
// share.
//
//	text    1,abc,2.50\n2,,7.00\n           Sheet: cells of Rows × Width,
//	cells   [0,1)[2,5)[6,10) [11,12)[12,12)[13,17)      row by row
//	vector  column 2 of the rows that count ──► decimal 250, 700
//
// Common spellings are read word by word from the text (columnar/text's fast
// functions); whatever those do not take goes to one exact reader per type, which
// decides between a value, a null and a cell that is bad.
//
// Invariants:
//
//   - E1 A vector lies in the scratch memory given; it is valid until its Reset.
//   - E2 Rows that are not asked for have readable values that mean nothing.
//   - E3 A bad cell is null, and its row is noted in the sheet.
//   - E4 Pad bytes behind the text are readable.
//
// It imports columnar and the standard library. It is tested through the formats
// and by comparing the fast readers with the exact ones.
package cells

import (
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
)

// Cell is a piece of text and what kind of cell it is.
//
//	63…60  59 … 30  29 … 0
//	kind   begin    end
type Cell uint64

// Kind says how the text of a cell is to be taken.
type Kind uint8

// Plain text is the value as it stands. A Missing cell is null. An Empty cell is
// an empty string that was written as such. The text of a Coded cell is decoded
// first. Quoted and QuotedCoded are strings for a format to make one of the others
// of, depending on the column's type. A Foreign cell has no value of that type. The
// text of an Epoch cell counts the seconds since 1970.
const (
	Plain Kind = iota
	Missing
	Empty
	Coded
	Quoted
	QuotedCoded
	Foreign
	Epoch
)

// MaxText is the largest text that cells can lie in.
const MaxText = 1<<30 - 1

// Make returns a cell.
func Make(k Kind, begin, end int) Cell { return Cell(k)<<60 | Cell(begin)<<30 | Cell(end) }

// Kind returns the kind.
func (c Cell) Kind() Kind { return Kind(c >> 60) }

// Span returns where the text begins and ends.
func (c Cell) Span() (begin, end int) { return int(c >> 30 & MaxText), int(c & MaxText) }

// Sheet is some records cut into cells. Row r of column k is Cells[r*Width+k].
type Sheet struct {
	Text  []byte
	Cells []Cell
	Width int
	Rows  int
	// Bad tells which rows have a cell that is no value of its column; nil: none.
	Bad columnar.Bitmap
	// FirstRow and FirstColumn are the first of the bad cells by row, if there is
	// one.
	FirstRow, FirstColumn int
}

// Clear forgets the rows and keeps the memory.
func (s *Sheet) Clear() { s.Cells, s.Rows, s.Bad = s.Cells[:0], 0, nil }

// Flag notes that a row is bad because of a column; −1 is the record as a whole.
func (s *Sheet) Flag(row, column int) {
	first := s.Bad == nil
	if first {
		s.Bad = columnar.NewBitmap(max(s.Rows, columnar.MaxRows))
	}
	if first || row < s.FirstRow || row == s.FirstRow && column < s.FirstColumn {
		s.FirstRow, s.FirstColumn = row, column
	}
	s.Bad.Set(row)
}

// Rules say how texts become values. The zero value reads what Spark reads by
// default, an empty text as null.
type Rules struct {
	Null          string // a text that is null
	KeepEmpty     bool   // an empty plain text is a value, not a null
	Empty         []byte // what an Empty cell is
	NaN, Inf, Neg string // further names of the special doubles
	Date, Stamp   *text.Pattern
	StampNTZ      *text.Pattern
	Zone          *time.Location // of timestamps that name none; nil is UTC
	// Decode appends the value of a Coded cell; ok is false if it has none.
	Decode func(dst, raw []byte) (value []byte, ok bool)
}

// column is one column on its way to a vector.
type column struct {
	*Rules
	sheet *Sheet
	k     int // of the sheet
	t     columnar.Type
	rows  []int32
	mem   *memory.Scratch
	valid columnar.Bitmap
	buf   *[]byte // for decoding
}

// everyRow lists the rows of a batch, for columns that are wanted whole.
var everyRow = func() (rows [columnar.MaxRows]int32) {
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}()

// list returns the rows as the readers want them: all n of them if rows is nil.
func list(rows []uint16, n int, mem *memory.Scratch) []int32 {
	if rows == nil && n <= len(everyRow) {
		return everyRow[:n]
	}
	if rows == nil {
		out := memory.Slice[int32](mem, n)
		for i := range out {
			out[i] = int32(i)
		}
		return out
	}
	out := memory.Slice[int32](mem, len(rows))
	for i, r := range rows {
		out[i] = int32(r)
	}
	return out
}

// Supported reports the types that vectors are made of.
func Supported(t columnar.Type) bool {
	switch t.Kind {
	case columnar.Bool, columnar.Float32, columnar.Float64, columnar.Decimal, columnar.Date, columnar.Timestamp, columnar.TimestampNTZ,
		columnar.Time, columnar.DayTimeInterval, columnar.YearMonthInterval, columnar.String, columnar.Binary, columnar.Null:
		return true
	}
	return t.IsSignedInteger()
}

// Vector makes column k of a sheet a vector of type t with a value for each of
// the rows (nil: all). buf is memory for decoding, kept between calls.
func (r *Rules) Vector(s *Sheet, k int, t columnar.Type, rows []uint16, mem *memory.Scratch, buf *[]byte) columnar.Vector {
	c := &column{Rules: r, sheet: s, k: k, t: t, rows: list(rows, s.Rows, mem), mem: mem, buf: buf}
	v := columnar.Vector{Type: t, Len: s.Rows, Width: uint8(t.FixedWidth())}
	switch t.Kind {
	case columnar.Null:
		return v
	case columnar.String, columnar.Binary:
		v.Data, v.Bytes = c.strings()
	case columnar.Bool:
		bits := columnar.Bitmap(mem.Bytes(columnar.BitmapBytes(s.Rows)))
		c.bools(bits)
		v.Data = bits
	case columnar.Int8:
		v.Data = integers[int8](c)
	case columnar.Int16:
		v.Data = integers[int16](c)
	case columnar.Int32:
		v.Data = integers[int32](c)
	case columnar.Int64:
		v.Data = integers[int64](c)
	case columnar.Float32:
		v.Data = floats[float32](c)
	case columnar.Float64:
		v.Data = floats[float64](c)
	case columnar.Decimal:
		v.Data, v.Width = c.decimals()
	case columnar.Date:
		v.Data = c.dates()
	case columnar.YearMonthInterval:
		v.Data = others[int32](c)
	default:
		v.Data = others[int64](c)
	}
	v.Valid = c.valid
	return v
}

// null notes that a row is null.
func (c *column) null(row int32) {
	if c.valid == nil {
		c.valid = columnar.Bitmap(c.mem.Bytes(columnar.BitmapBytes(c.sheet.Rows)))
		c.valid.Fill(c.sheet.Rows, true)
	}
	c.valid.Clear(int(row))
}

// bad notes that a row has no value of the column's type.
func (c *column) bad(row int32) {
	c.null(row)
	c.sheet.Flag(int(row), c.k)
}

// text returns the text of a cell that the fast readers left; ok is false if the
// row is null, which is noted.
func (c *column) text(row int32) (s []byte, ok bool) {
	x := c.sheet.Cells[int(row)*c.sheet.Width+c.k]
	begin, end := x.Span()
	s = c.sheet.Text[begin:end]
	switch x.Kind() {
	case Plain:
		if len(s) == 0 && !c.KeepEmpty {
			c.null(row)
			return nil, false
		}
	case Missing:
		c.null(row)
		return nil, false
	case Empty:
		s = c.Empty
	case Coded:
		if *c.buf, ok = c.Decode((*c.buf)[:0], s); !ok {
			c.bad(row)
			return nil, false
		}
		s = *c.buf
	case Foreign, Quoted, QuotedCoded:
		c.bad(row)
		return nil, false
	}
	if !c.KeepEmpty && string(s) == c.Null {
		c.null(row)
		return nil, false
	}
	return s, true
}
