package dbgen

import (
	"context"
	"io"
	"strconv"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
)

// WriteTBL writes part of a table in the official generator's text form: values
// that each end in |, one line a row. It writes once a batch, about 1 MB.
func WriteTBL(ctx context.Context, w io.Writer, table string, sf float64, part, parts int) error {
	var buf []byte
	return Generate(ctx, table, sf, part, parts, func(b *columnar.Batch) error {
		buf = AppendTBL(buf[:0], b)
		_, err := w.Write(buf)
		return err
	})
}

// AppendTBL appends a batch that Generate made as lines.
func AppendTBL(dst []byte, b *columnar.Batch) []byte {
	cells := make([]cell, len(b.Cols))
	for i := range cells {
		cells[i] = newCell(&b.Cols[i], b.Schema.Fields[i].Name == "l_quantity")
	}
	for row := range b.Rows {
		for i := range cells {
			dst = append(cells[i].append(dst, row), '|')
		}
		dst = append(dst, '\n')
	}
	return dst
}

// AppendCSV appends a batch that Generate made as lines of values separated by
// commas, strings in double quotes where they contain commas: no text of TPC-H
// contains quotes or line ends.
func AppendCSV(dst []byte, b *columnar.Batch) []byte {
	cells := make([]cell, len(b.Cols))
	for i := range cells {
		cells[i] = newCell(&b.Cols[i], false)
	}
	for row := range b.Rows {
		for i := range cells {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = cells[i].quoted(dst, row)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// cell renders the values of one column, whose shape is looked up once.
type cell struct {
	kind  columnar.Kind
	whole bool // a decimal without its two decimals
	wide  []int64
	small []int32 // integers, days, codes, or offsets
	bytes []byte
	ends  []int32 // offsets of a dictionary's values
}

func newCell(v *columnar.Vector, whole bool) cell {
	c := cell{kind: v.Type.Kind, whole: whole}
	switch {
	case v.Enc == columnar.Dict:
		c.small = columnar.View[int32](v.Data, v.Len)
		c.ends, c.bytes = v.Dict.Values.Offsets(), v.Dict.Values.Bytes
	case v.Type.IsBytes():
		c.small, c.bytes = v.Offsets(), v.Bytes
	case v.Width == 4:
		c.small = columnar.Values[int32](v)
	default:
		c.wide = columnar.Values[int64](v)
	}
	return c
}

func (c *cell) string(row int) []byte {
	if c.ends != nil {
		code := c.small[row]
		return c.bytes[c.ends[code]:c.ends[code+1]]
	}
	return c.bytes[c.small[row]:c.small[row+1]]
}

func (c *cell) append(dst []byte, row int) []byte {
	switch c.kind {
	case columnar.String:
		return append(dst, c.string(row)...)
	case columnar.Date:
		return append(dst, dates()[c.small[row]-startDay][:]...)
	case columnar.Int32:
		return strconv.AppendInt(dst, int64(c.small[row]), 10)
	case columnar.Decimal:
		x := c.wide[row]
		if x < 0 {
			dst, x = append(dst, '-'), -x
		}
		dst = strconv.AppendInt(dst, x/100, 10)
		if c.whole {
			return dst
		}
		return append(dst, '.', byte('0'+x/10%10), byte('0'+x%10))
	}
	return strconv.AppendInt(dst, c.wide[row], 10)
}

func (c *cell) quoted(dst []byte, row int) []byte {
	if c.kind != columnar.String {
		return c.append(dst, row)
	}
	s := c.string(row)
	for _, x := range s {
		if x == ',' {
			return append(append(append(dst, '"'), s...), '"')
		}
	}
	return append(dst, s...)
}

// dates are the days that occur, from startDay on, as text.
var dates = sync.OnceValue(func() [][10]byte {
	d := make([][10]byte, orderDays+maxShipDays+maxReceiptDays)
	for i := range d {
		copy(d[i][:], columnar.FormatDate(int32(startDay+i)))
	}
	return d
})
