package agg

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// keyColumn is where one key lies in a table's words: narrow ones share a word,
// wide decimals and strings have two.
type keyColumn struct {
	typ      columnar.Type
	nullable bool // there may be nulls, and a bit for them
	word     int
	words    int  // whole words; 0: bits of one
	shift    uint // of the bits
	bits     uint
	nullWord int
	nullBit  uint
	text     bool

	dict  *columnar.Dictionary // whose values spelt has, two words each
	spelt []uint64
	last  *columnar.Dictionary // seen with the previous batch
}

// layout places the keys: whole words first, then what is narrow, then null
// bits. One key alone needs none (see table.setNulls).
func (t *table) layout(fields []columnar.Field) {
	t.columns = make([]keyColumn, len(fields))
	for i, f := range fields {
		k := &t.columns[i]
		k.typ, k.nullable = f.Type, f.Nullable || f.Type.Kind == columnar.Null
		switch {
		case f.Type.IsBytes():
			k.words, k.text, t.texts = 2, true, true
		case f.Type.Kind == columnar.Decimal && f.Type.Precision > 18:
			k.words = 2
		case f.Type.Kind == columnar.Null:
		case f.Type.Kind == columnar.Bool:
			k.bits = 1
		case f.Type.FixedWidth() == 8:
			k.words = 1
		default:
			k.bits = uint(8 * f.Type.FixedWidth())
		}
		k.word = t.stride
		t.stride += k.words
	}
	free := uint(0) // bits of the last word
	place := func(bits uint) (word int, shift uint) {
		if free < bits {
			t.stride++
			free, t.packed = 64, true
		}
		shift = 64 - free
		free -= bits
		return t.stride - 1, shift
	}
	for i := range t.columns {
		if k := &t.columns[i]; k.bits > 0 {
			k.word, k.shift = place(k.bits)
		}
	}
	for i := range t.columns {
		if k := &t.columns[i]; k.nullable && !t.single {
			k.nullWord, k.nullBit = place(1)
		}
	}
	if t.single && t.stride == 0 { // a key of nulls
		t.stride = 1
	}
}

// encode returns the words of all rows of the batch's keys; those of rows that
// are not selected are arbitrary.
func (t *table) encode(rows int, sel []uint16, s *memory.Scratch) []uint64 {
	n := rows * t.stride
	if cap(t.wide) < n {
		t.wide = make([]uint64, max(n, columnar.MaxRows*t.stride))
	}
	w := t.wide[:n]
	if t.packed {
		clear(w)
	}
	for c := range t.columns {
		k, v := &t.columns[c], t.keys[c]
		if v.Type.Kind != columnar.Null {
			if k.text {
				k.encodeText(v, rows, w[k.word:], t.stride, sel)
			} else {
				f := v
				if v.Enc != columnar.Flat {
					flat := kernel.Flatten(v, s)
					f = &flat
				}
				k.encodeFixed(f, rows, w[k.word:], t.stride)
			}
		}
		if !t.single && v.HasNulls() {
			k.encodeNulls(v, rows, w, t.stride)
		}
	}
	return w
}

// encodeNulls clears the words of nulls and sets their bits.
func (k *keyColumn) encodeNulls(v *columnar.Vector, rows int, w []uint64, stride int) {
	for i := range rows {
		if !v.NullAt(i) {
			continue
		}
		row := w[i*stride : i*stride+stride]
		if k.bits > 0 {
			row[k.word] &^= (1<<k.bits - 1) << k.shift
		}
		clear(row[k.word : k.word+k.words])
		row[k.nullWord] |= 1 << k.nullBit
	}
}

// put writes whole words, one per row.
func put[T int64 | uint64](vs []T, out []uint64, stride int) {
	if stride == 1 {
		for i, x := range vs {
			out[i] = uint64(x)
		}
		return
	}
	j := 0
	for _, x := range vs {
		out[j] = uint64(x)
		j += stride
	}
}

// pack adds narrow values to their words.
func pack[T uint8 | uint16 | uint32](vs []T, out []uint64, stride int, shift uint) {
	j := 0
	for _, x := range vs {
		out[j] |= uint64(x) << shift
		j += stride
	}
}

func (k *keyColumn) encodeFixed(v *columnar.Vector, n int, out []uint64, stride int) {
	switch {
	case v.Type.Kind == columnar.Bool:
		b := v.Bits()
		for i := range n {
			out[i*stride] |= uint64(b[i>>3]>>(i&7)) & 1 << k.shift
		}
	case v.Type.Kind == columnar.Float64:
		for i, x := range columnar.Values[float64](v) {
			out[i*stride] = canonical(x)
		}
	case v.Type.Kind == columnar.Float32:
		for i, x := range columnar.Values[float32](v) {
			out[i*stride] |= uint64(math.Float32bits(float32(math.Float64frombits(canonical(float64(x)))))) << k.shift
		}
	case v.Width == 16:
		for i, x := range columnar.Values[columnar.Int128](v) {
			out[i*stride] = x.Lo
			if k.words == 2 {
				out[i*stride+1] = uint64(x.Hi)
			}
		}
	case k.words == 2: // a decimal whose values are narrow
		for i, x := range columnar.Values[int64](v) {
			out[i*stride], out[i*stride+1] = uint64(x), uint64(x>>63)
		}
	case v.Width == 1:
		pack(columnar.Values[uint8](v), out, stride, k.shift)
	case v.Width == 2:
		pack(columnar.Values[uint16](v), out, stride, k.shift)
	case v.Width == 4:
		pack(columnar.Values[uint32](v), out, stride, k.shift)
	default:
		put(columnar.Values[int64](v), out, stride)
	}
}

// canonical gives equal floats equal bits: −0.0 is 0.0, every NaN the same.
func canonical(x float64) uint64 {
	switch {
	case x == 0:
		return 0
	case x != x:
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(x)
}

// mostSpelt bounds the dictionaries whose values are encoded once for all rows.
const mostSpelt = 64 << 10

func (k *keyColumn) encodeText(v *columnar.Vector, rows int, out []uint64, stride int, sel []uint16) {
	switch v.Enc {
	case columnar.Const:
		if v.NullAt(0) {
			return
		}
		w0, w1 := textWords(v.BytesAt(0))
		for i := range rows {
			out[i*stride], out[i*stride+1] = w0, w1
		}
		return
	case columnar.Dict:
		if d := k.spell(v.Dict, rows); d != nil {
			j := 0
			for _, c := range v.Codes()[:rows] {
				out[j], out[j+1] = d[2*c], d[2*c+1]
				j += stride
			}
			return
		}
		off, codes := v.Dict.Values.Offsets(), v.Codes()
		each(rows, sel, func(i int) {
			c := codes[i]
			out[i*stride], out[i*stride+1] = textWords(v.Dict.Values.Bytes[off[c]:off[c+1]])
		})
		return
	}
	off := v.Offsets()
	if sel == nil {
		j := 0
		for i := range rows {
			out[j], out[j+1] = textWords(v.Bytes[off[i]:off[i+1]])
			j += stride
		}
		return
	}
	for _, i := range sel {
		j := int(i) * stride
		out[j], out[j+1] = textWords(v.Bytes[off[i]:off[i+1]])
	}
}

// spell returns the words of a dictionary's values, nil if it is not worth it:
// a large one must have been seen before.
func (k *keyColumn) spell(d *columnar.Dictionary, rows int) []uint64 {
	if k.dict == d {
		return k.spelt
	}
	n := d.Values.Len
	if n > rows && (n > mostSpelt || k.last != d) {
		k.last = d
		return nil
	}
	if cap(k.spelt) < 2*n {
		k.spelt = make([]uint64, 2*n)
	}
	k.spelt = k.spelt[:2*n]
	off := d.Values.Offsets()
	for i := range n {
		k.spelt[2*i], k.spelt[2*i+1] = textWords(d.Values.Bytes[off[i]:off[i+1]])
	}
	k.dict = d
	return k.spelt
}

// output appends the key columns of groups [from, from+n).
func (t *table) output(from, n int, out []columnar.Vector) []columnar.Vector {
	for c := range t.columns {
		out = append(out, t.column(&t.columns[c], from, n))
	}
	return out
}

func (t *table) column(k *keyColumn, from, n int) columnar.Vector {
	v := columnar.Vector{Type: k.typ, Len: n, Stable: true}
	if k.typ.Kind == columnar.Null {
		return v
	}
	words, stride := t.words[from*t.stride:(from+n)*t.stride], t.stride
	switch {
	case t.single:
		if g := int(t.nullGroup); g >= from && g < from+n {
			v.Valid = columnar.NewBitmap(n)
			v.Valid.Fill(n, true)
			v.Valid.Clear(g - from)
		}
	case k.nullable:
		v.Valid = valid(n, func(i int) bool { return words[i*stride+k.nullWord]>>k.nullBit&1 == 0 })
	}
	words = words[k.word:]
	switch {
	case k.text:
		off := make([]int32, n+1)
		total := 0
		for i := range n {
			total += textLen(words[i*stride])
		}
		v.Bytes = make([]byte, 0, total)
		for i := range n {
			v.Bytes = t.arena.appendText(v.Bytes, words[i*stride], words[i*stride+1])
			off[i+1] = int32(len(v.Bytes))
		}
		v.Data = columnar.BytesOf(off)
	case k.words == 2:
		xs := make([]columnar.Int128, n)
		for i := range xs {
			xs[i] = columnar.Int128{Lo: words[i*stride], Hi: int64(words[i*stride+1])}
		}
		v.Width, v.Data = decimals(xs)
	case k.words == 1:
		xs := make([]uint64, n)
		for i := range xs {
			xs[i] = words[i*stride]
		}
		v.Width, v.Data = 8, columnar.BytesOf(xs)
	case k.typ.Kind == columnar.Bool:
		b := columnar.NewBitmap(n)
		for i := range n {
			b.SetTo(i, words[i*stride]>>k.shift&1 != 0)
		}
		v.Data = b
	case k.bits == 8:
		v.Width, v.Data = 1, unpack[uint8](words, n, stride, k.shift)
	case k.bits == 16:
		v.Width, v.Data = 2, unpack[uint16](words, n, stride, k.shift)
	default:
		v.Width, v.Data = 4, unpack[uint32](words, n, stride, k.shift)
	}
	return v
}

func unpack[T uint8 | uint16 | uint32](words []uint64, n, stride int, shift uint) []byte {
	xs := make([]T, n)
	for i := range xs {
		xs[i] = T(words[i*stride] >> shift)
	}
	return columnar.BytesOf(xs)
}

func hashOne(v *columnar.Vector) uint64 {
	var h [1]uint64
	kernel.HashVector(v, h[:], false)
	return h[0]
}
