package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
)

// appendBytes adds strings. Codes of a stable dictionary stay codes while
// nothing else came.
func appendBytes[I index](c *column, v *columnar.Vector, at int, p span[I]) error {
	if v.Enc == columnar.Dict && v.Dict.Values.Stable && (c.dict == v.Dict || c.dict == nil && at == 0) {
		c.dict = v.Dict
		c.room(4)
		c.data = grow(c.data, 4*p.n)
		dst := columnar.View[uint32](c.data, at+p.n)[at:]
		if p.rows == nil {
			copy(dst, v.Codes()[p.from:p.from+p.n])
		} else {
			gather(dst, v.Codes(), p.rows)
		}
		return nil
	}
	if c.dict != nil {
		if err := c.spell(at); err != nil {
			return err
		}
	}
	c.shape()
	switch v.Enc {
	case columnar.Const:
		one := v.BytesAt(0)
		if len(c.bytes)+len(one)*p.n > maxColumnBytes {
			return tooLong()
		}
		from := len(c.bytes)
		c.bytes = grow(c.bytes, len(one)*p.n)
		repeat(c.bytes[from:], one)
		for range p.n {
			from += len(one)
			c.off = append(c.off, int32(from))
		}
		return nil
	case columnar.Dict:
		codes := v.Codes()
		if p.rows == nil {
			return addStrings(c, &v.Dict.Values, at, codes[p.from:p.from+p.n])
		}
		picked := make([]uint32, p.n)
		gather(picked, codes, p.rows)
		return addStrings(c, &v.Dict.Values, at, picked)
	}
	if p.rows != nil {
		return addStrings(c, v, at, p.rows)
	}
	off := v.Offsets()[p.from : p.from+p.n+1]
	first := off[0]
	n := int(off[p.n] - first)
	if len(c.bytes)+n > maxColumnBytes {
		return tooLong()
	}
	base := int32(len(c.bytes)) - first
	c.bytes = grow(c.bytes, n)
	copy(c.bytes[len(c.bytes)-n:], v.Bytes[first:off[p.n]])
	c.off = grow(c.off, p.n)
	dst := c.off[at+1:]
	for i, o := range off[1:] {
		dst[i] = base + o
	}
	return nil
}

// addStrings adds the given strings of a flat vector.
func addStrings[I index](c *column, v *columnar.Vector, at int, rows []I) error {
	off := v.Offsets()
	c.off = grow(c.off, len(rows))
	dst := c.off[at+1:][:len(rows)]
	start := len(c.bytes)
	end := start
	for i, r := range rows {
		end += int(off[int(r)+1] - off[r])
		dst[i] = int32(end)
	}
	if end > maxColumnBytes {
		return tooLong()
	}
	c.bytes = grow(c.bytes, end-start+slack)
	copyStrings(c.bytes, start, v.Bytes, off, rows)
	c.bytes = c.bytes[:end]
	return nil
}

// spell replaces the codes of at rows by the strings they stand for.
func (c *column) spell(at int) error {
	codes, d := columnar.View[uint32](c.data, at), c.dict
	c.dict, c.data = nil, nil
	c.shape()
	return addStrings(c, &d.Values, 0, codes)
}

// appendNested adds lists, maps and structs by adding their children.
func appendNested[I index](c *column, v *columnar.Vector, at int, p span[I]) error {
	if v.Enc != columnar.Flat {
		f := Flatten(v, nil)
		v = &f
	}
	c.shape()
	if c.typ.Kind == columnar.Struct {
		for i := range c.kids {
			if err := appendTo(&c.kids[i], &v.Kids[i], p); err != nil {
				return err
			}
		}
		return nil
	}
	off := v.Offsets()
	last := int64(c.off[at])
	var inner span[uint32]
	if p.rows == nil {
		inner.from, inner.n = int(off[p.from]), int(off[p.from+p.n]-off[p.from])
		for _, o := range off[p.from+1 : p.from+p.n+1] {
			c.off = append(c.off, int32(last)+o-off[p.from])
		}
		last += int64(inner.n)
	} else {
		inner.rows = []uint32{}
		for _, r := range p.rows {
			for k := off[r]; k < off[int(r)+1]; k++ {
				inner.rows = append(inner.rows, uint32(k))
			}
			last += int64(off[int(r)+1] - off[r])
			c.off = append(c.off, int32(last))
		}
		inner.n = len(inner.rows)
	}
	if last > maxColumnBytes {
		return tooLong()
	}
	if inner.n == 0 {
		return nil
	}
	for i := range c.kids {
		if err := appendTo(&c.kids[i], &v.Kids[i], inner); err != nil {
			return err
		}
	}
	return nil
}
