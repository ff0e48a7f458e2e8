package cells

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
)

// dates reads a column of dates.
func (c *column) dates() []byte {
	out := memory.Slice[int32](c.mem, c.sheet.Rows)
	t, cells, w, k, never := c.sheet.Text, c.sheet.Cells, c.sheet.Width, c.k, len(c.Null)
	t = t[: len(t)+text.Pad : len(t)+text.Pad]
	for _, r := range c.rows {
		x := cells[int(r)*w+k]
		begin, end := x.Span()
		if end-begin == 10 && x < plainEnd && never != 10 && c.Date == nil {
			if v, ok := text.FastDate(t[begin:]); ok {
				out[r] = v
				continue
			}
		}
		out[r] = c.date(r)
	}
	return columnar.BytesOf(out)
}

func (c *column) date(row int32) int32 {
	s, ok := c.text(row)
	if !ok {
		return 0
	}
	var v int32
	var err error
	if c.Date != nil {
		v, err = c.Date.ParseDate(s)
	} else {
		v, err = text.ParseDate(s)
	}
	if err != nil {
		c.bad(row)
	}
	return v
}

// others reads a column of one of the types that are 4 or 8 bytes wide and have
// no column reader of their own: timestamps, times and intervals.
func others[T int32 | int64](c *column) []byte {
	out := memory.Slice[T](c.mem, c.sheet.Rows)
	for _, r := range c.rows {
		s, ok := c.text(r)
		if !ok {
			continue
		}
		v, err := c.other(s, c.sheet.Cells[int(r)*c.sheet.Width+c.k].Kind() == Epoch)
		if err != nil {
			c.bad(r)
		}
		out[r] = T(v)
	}
	return columnar.BytesOf(out)
}

func (c *column) other(s []byte, seconds bool) (int64, error) {
	switch c.t.Kind {
	case columnar.Timestamp:
		if seconds {
			v, err := text.ParseInt(s, 64)
			if err == nil && (v > math.MaxInt64/1_000_000 || v < math.MinInt64/1_000_000) {
				err = text.ErrRange
			}
			return v * 1_000_000, err
		}
		return c.ParseTimestamp(s)
	case columnar.TimestampNTZ:
		return c.ParseTimestampNTZ(s)
	case columnar.Time:
		return text.ParseTime(s)
	}
	return text.ParseInterval(s, c.t)
}

// ParseTimestamp reads µs since the epoch.
func (r *Rules) ParseTimestamp(s []byte) (int64, error) {
	if r.Stamp != nil {
		return r.Stamp.ParseTimestamp(s, r.Zone)
	}
	return text.ParseTimestamp(s, r.Zone)
}

// ParseTimestampNTZ reads µs of a wall clock; a zone in the text is an error.
func (r *Rules) ParseTimestampNTZ(s []byte) (v int64, err error) {
	var zoned bool
	if r.StampNTZ != nil {
		v, zoned, err = r.StampNTZ.Parse(s)
	} else {
		v, zoned, err = text.ParseTimestampNTZ(s)
	}
	if err == nil && zoned {
		err = text.ErrSyntax
	}
	return v, err
}

// ZoneOf returns the zone of a name; "" is UTC.
func ZoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	return text.ParseZone(name)
}

// bools reads a column of true and false.
func (c *column) bools(out columnar.Bitmap) {
	clear(out)
	for _, r := range c.rows {
		s, ok := c.text(r)
		switch {
		case !ok:
		case text.EqualFold(s, "true"):
			out.Set(int(r))
		case !text.EqualFold(s, "false"):
			c.bad(r)
		}
	}
}

// strings copies a column of texts: short ones by two words, whatever their
// length.
func (c *column) strings() (offsets, data []byte) {
	n := c.sheet.Rows
	off := memory.Slice[int32](c.mem, n+1)
	t, cells, w, k, never := c.sheet.Text, c.sheet.Cells, c.sheet.Width, c.k, len(c.Null)
	t = t[: len(t)+text.Pad : len(t)+text.Pad]
	size := 0
	for _, r := range c.rows {
		begin, end := cells[int(r)*w+k].Span()
		size += max(end-begin, len(c.Empty))
	}
	data = c.mem.Bytes(size + 16)
	at, next := 0, 0 // next is the first row without an offset
	for _, r := range c.rows {
		for ; next <= int(r); next++ {
			off[next] = int32(at)
		}
		x := cells[int(r)*w+k]
		begin, end := x.Span()
		if x < plainEnd && end-begin != never && end > begin {
			if m := end - begin; m <= 16 {
				src, dst := t[begin:begin+16], data[at:at+16]
				binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
				binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:]))
				at += m
			} else {
				at += copy(data[at:], t[begin:end])
			}
			continue
		}
		if s, ok := c.text(r); ok {
			at += copy(data[at:size], s)
		}
	}
	for ; next <= n; next++ {
		off[next] = int32(at)
	}
	return columnar.BytesOf(off), data[:at]
}
