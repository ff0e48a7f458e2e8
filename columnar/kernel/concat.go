package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
)

// Concat returns column at of the selected rows of all batches, in their order,
// as one stable vector on the Go heap. Its buffers are made in the size that
// ConcatBytes tells. A string column that has the same stable dictionary in
// every batch keeps it. It fails where strings exceed 2 GiB.
func Concat(t columnar.Type, batches []*columnar.Batch, at int) (columnar.Vector, error) {
	rows, strings := concatSize(t, batches, at)
	c := column{typ: t}
	switch {
	case t.Kind == columnar.Null || t.IsNested():
	case sameDictionary(batches, at):
		c.data = make([]byte, 0, 4*rows)
	case t.IsBytes():
		c.shape()
		c.off = append(make([]int32, 0, rows+1), 0)
		c.bytes = make([]byte, 0, strings+slack)
	case t.Kind == columnar.Bool:
		c.data = make([]byte, 0, columnar.BitmapBytes(rows))
	default:
		c.data = make([]byte, 0, rows*widest(t, batches, at))
	}
	for _, b := range batches {
		if b.Cols[at].HasNulls() && t.Kind != columnar.Null {
			c.valid = make(columnar.Bitmap, 0, columnar.BitmapBytes(rows))
			break
		}
	}
	for _, b := range batches {
		p := span[uint16]{n: b.Selected(), rows: b.Sel}
		if p.n == 0 {
			continue
		}
		if err := appendTo(&c, &b.Cols[at], p); err != nil {
			return columnar.Vector{}, err
		}
	}
	return c.vector(), nil
}

// ConcatBytes returns about the bytes that Concat takes: for nested types, a
// guess by the bytes of the batches.
func ConcatBytes(t columnar.Type, batches []*columnar.Batch, at int) int64 {
	rows, strings := concatSize(t, batches, at)
	n := int64(columnar.BitmapBytes(rows))
	switch {
	case t.Kind == columnar.Null:
		return 0
	case t.IsNested():
		for _, b := range batches {
			n += b.Cols[at].MemoryBytes()
		}
		return n
	case sameDictionary(batches, at):
		return n + 4*int64(rows)
	case t.IsBytes():
		return n + 4*int64(rows+1) + strings + slack
	case t.Kind == columnar.Bool:
		return 2 * n
	}
	return n + int64(rows)*int64(widest(t, batches, at))
}

// concatSize returns the selected rows of the batches and the bytes of their
// strings in a column.
func concatSize(t columnar.Type, batches []*columnar.Batch, at int) (rows int, strings int64) {
	for _, b := range batches {
		n := b.Selected()
		rows += n
		if !t.IsBytes() || n == 0 {
			continue
		}
		v := &b.Cols[at]
		switch {
		case v.Type.Kind == columnar.Null:
		case v.Enc == columnar.Const:
			if !v.NullAt(0) {
				strings += int64(n) * int64(len(v.BytesAt(0)))
			}
		case v.Enc == columnar.Dict:
			off, codes := v.Dict.Values.Offsets(), v.Codes()
			for i := range n {
				c := codes[b.RowAt(i)]
				strings += int64(off[c+1] - off[c])
			}
		case b.Sel == nil:
			off := v.Offsets()
			strings += int64(off[n] - off[0])
		default:
			off := v.Offsets()
			for _, r := range b.Sel {
				strings += int64(off[int(r)+1] - off[r])
			}
		}
	}
	return rows, strings
}

// widest returns the width of the widest values of a fixed-width column:
// decimals come in two.
func widest(t columnar.Type, batches []*columnar.Batch, at int) int {
	w := 0
	for _, b := range batches {
		v := &b.Cols[at]
		if v.Enc == columnar.Dict {
			v = &v.Dict.Values
		}
		w = max(w, int(v.Width))
	}
	if w == 0 {
		w = t.FixedWidth()
	}
	return w
}

// sameDictionary reports whether a string column comes with one stable
// dictionary.
func sameDictionary(batches []*columnar.Batch, at int) bool {
	var d *columnar.Dictionary
	for _, b := range batches {
		v := &b.Cols[at]
		if b.Selected() == 0 {
			continue
		}
		if v.Enc != columnar.Dict || !v.Type.IsBytes() || !v.Dict.Values.Stable || d != nil && d != v.Dict {
			return false
		}
		d = v.Dict
	}
	return d != nil
}
