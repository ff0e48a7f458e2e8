package agg

import (
	"math"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// keyColumn turns one key column's values into words, and back.
type keyColumn struct {
	typ   columnar.Type
	at    int // first word
	words int // 1, or 2 for wide decimals

	nullWord int // word that holds the null bit
	nullBit  uint

	strings *interner // bytes kinds: words are ids
	dict    *columnar.Dictionary
	codes   []uint32 // id+1 per code of dict, 0 = not looked up yet
}

func newKeyColumn(t columnar.Type, at int) *keyColumn {
	k := &keyColumn{typ: t, at: at, words: 1}
	switch {
	case t.IsBytes():
		k.strings = newInterner()
	case t.Kind == columnar.Decimal && t.Precision > 18:
		k.words = 2
	}
	return k
}

// fill writes the words of all rows of a vector into out, stride words a row;
// nulls give zero words and set the column's null bit.
func (k *keyColumn) fill(v *columnar.Vector, n int, out []uint64, stride int, sel []uint16, s *memory.Scratch) {
	if v.Type.Kind == columnar.Null {
		for i := range n {
			out[i*stride+k.nullWord] |= 1 << k.nullBit
		}
		return
	}
	if k.strings != nil {
		k.fillStrings(v, n, out, stride, sel, s)
	} else {
		f := v
		if v.Enc != columnar.Flat {
			flat := kernel.Flatten(v, s)
			f = &flat
		}
		k.fillFixed(f, n, out[k.at:], stride)
	}
	if v.Valid != nil {
		for i := range n {
			if v.NullAt(i) {
				row := out[i*stride : i*stride+stride]
				for w := range k.words {
					row[k.at+w] = 0
				}
				row[k.nullWord] |= 1 << k.nullBit
			}
		}
	}
}

func spread[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](vs []T, out []uint64, stride int) {
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

func (k *keyColumn) fillFixed(v *columnar.Vector, n int, out []uint64, stride int) {
	switch {
	case v.Type.Kind == columnar.Bool:
		b := v.Bits()
		for i := range n {
			out[i*stride] = uint64(b[i>>3]>>(i&7)) & 1
		}
	case v.Type.Kind == columnar.Float64:
		for i, x := range columnar.Values[float64](v) {
			out[i*stride] = canonical(x)
		}
	case v.Type.Kind == columnar.Float32:
		for i, x := range columnar.Values[float32](v) {
			out[i*stride] = canonical(float64(x))
		}
	case v.Type.Kind == columnar.Decimal:
		if v.Width == 16 {
			for i, x := range columnar.Values[columnar.Int128](v) {
				out[i*stride] = x.Lo
				if k.words == 2 {
					out[i*stride+1] = uint64(x.Hi)
				}
			}
			return
		}
		for i, x := range columnar.Values[int64](v) {
			out[i*stride] = uint64(x)
			if k.words == 2 {
				out[i*stride+1] = uint64(x >> 63)
			}
		}
	case v.Width == 1:
		spread(columnar.Values[int8](v), out, stride)
	case v.Width == 2:
		spread(columnar.Values[int16](v), out, stride)
	case v.Width == 4:
		spread(columnar.Values[int32](v), out, stride)
	default:
		spread(columnar.Values[int64](v), out, stride)
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

func (k *keyColumn) fillStrings(v *columnar.Vector, n int, out []uint64, stride int, sel []uint16, s *memory.Scratch) {
	out = out[k.at:]
	switch v.Enc {
	case columnar.Const:
		if v.NullAt(0) {
			return
		}
		id := uint64(k.strings.id(v.BytesAt(0)))
		for i := range n {
			out[i*stride] = id
		}
	case columnar.Dict:
		ids := k.lookup(v.Dict)
		codes := v.Codes()
		each := func(i int) {
			c := codes[i]
			id := ids[c]
			if id == 0 {
				id = k.strings.id(v.Dict.Values.BytesAt(int(c))) + 1
				ids[c] = id
			}
			out[i*stride] = uint64(id - 1)
		}
		if sel != nil {
			for _, i := range sel {
				each(int(i))
			}
			return
		}
		for i := range n {
			each(i)
		}
	default:
		off := v.Offsets()
		each := func(i int) {
			if v.Valid == nil || v.Valid.Get(i) {
				out[i*stride] = uint64(k.strings.id(v.Bytes[off[i]:off[i+1]]))
			}
		}
		if sel != nil {
			for _, i := range sel {
				each(int(i))
			}
			return
		}
		for i := range n {
			each(i)
		}
	}
}

// lookup returns the ids of a dictionary's codes known so far.
func (k *keyColumn) lookup(d *columnar.Dictionary) []uint32 {
	if k.dict == d {
		return k.codes
	}
	n := d.Values.Len
	if cap(k.codes) < n {
		k.codes = make([]uint32, n)
	} else {
		k.codes = k.codes[:n]
		clear(k.codes)
	}
	k.dict = d
	return k.codes
}

func (k *keyColumn) bytes() int64 {
	n := int64(4 * cap(k.codes))
	if k.strings != nil {
		n += k.strings.bytes()
	}
	return n
}

func (k *keyColumn) reset() {
	if k.strings != nil {
		k.strings.reset()
		k.dict = nil
	}
}

// column builds the vector of groups [from, from+n) out of their words.
func (k *keyColumn) column(words []uint64, stride, from, n int, nullable bool) columnar.Vector {
	v := columnar.Vector{Type: k.typ, Len: n}
	if nullable {
		for i := range n {
			if words[(from+i)*stride+k.nullWord]>>k.nullBit&1 != 0 {
				if v.Valid == nil {
					v.Valid = columnar.NewBitmap(n)
					v.Valid.Fill(n, true)
				}
				v.Valid.Clear(i)
			}
		}
	}
	at := func(i int) uint64 { return words[(from+i)*stride+k.at] }
	switch {
	case k.typ.Kind == columnar.Null:
		v.Valid = nil
	case k.strings != nil:
		k.strings.column(&v, n, at)
	case k.typ.Kind == columnar.Bool:
		b := columnar.NewBitmap(n)
		for i := range n {
			b.SetTo(i, at(i) != 0)
		}
		v.Data = b
	case k.typ.Kind == columnar.Float32:
		xs := make([]float32, n)
		for i := range xs {
			xs[i] = float32(math.Float64frombits(at(i)))
		}
		v.Width, v.Data = 4, columnar.BytesOf(xs)
	case k.words == 2:
		xs := make([]columnar.Int128, n)
		for i := range xs {
			xs[i] = columnar.Int128{Lo: at(i), Hi: int64(words[(from+i)*stride+k.at+1])}
		}
		v.Width, v.Data = decimals(xs)
	default:
		w := k.typ.FixedWidth()
		v.Width = uint8(w)
		switch w {
		case 1:
			v.Data = gather[uint8](n, at)
		case 2:
			v.Data = gather[uint16](n, at)
		case 4:
			v.Data = gather[uint32](n, at)
		default:
			v.Data = gather[uint64](n, at)
		}
	}
	return v
}

func gather[T uint8 | uint16 | uint32 | uint64](n int, at func(int) uint64) []byte {
	xs := make([]T, n)
	for i := range xs {
		xs[i] = T(at(i))
	}
	return columnar.BytesOf(xs)
}

// decimals stores values as narrow as they allow (I6).
func decimals(xs []columnar.Int128) (uint8, []byte) {
	for _, x := range xs {
		if x.Hi != int64(x.Lo)>>63 {
			return 16, columnar.BytesOf(xs)
		}
	}
	ys := make([]int64, len(xs))
	for i, x := range xs {
		ys[i] = int64(x.Lo)
	}
	return 8, columnar.BytesOf(ys)
}

// interner gives equal byte strings equal ids, dense from 0.
type interner struct {
	slots []uint64 // tag<<32 | id+1
	mask  uint32
	ends  []uint32 // end of each string in its page, by id
	pages [][]byte
	where []uint64 // page<<32 | start, by id
}

const pageBytes = 1 << 20

func newInterner() *interner { return &interner{slots: make([]uint64, 64), mask: 63} }

func (t *interner) reset() {
	clear(t.slots)
	t.ends, t.where = t.ends[:0], t.where[:0]
	if len(t.pages) > 1 {
		t.pages = t.pages[:1]
	}
	if len(t.pages) == 1 {
		t.pages[0] = t.pages[0][:0]
	}
}

func (t *interner) bytes() int64 {
	return int64(8*len(t.slots)+12*cap(t.where)) + int64(len(t.pages))*pageBytes
}

func (t *interner) get(id uint32) []byte {
	w := t.where[id]
	return t.pages[w>>32][uint32(w):t.ends[id]]
}

func (t *interner) id(b []byte) uint32 {
	h := hashBytes(b)
	tag := h >> 32 << 32
	i := uint32(h) & t.mask
	for {
		s := t.slots[i]
		if s == 0 {
			break
		}
		if s>>32<<32 == tag {
			id := uint32(s) - 1
			if string(t.get(id)) == string(b) {
				return id
			}
		}
		i = (i + 1) & t.mask
	}
	id := uint32(len(t.where))
	p := len(t.pages) - 1
	if p < 0 || cap(t.pages[p])-len(t.pages[p]) < len(b) {
		t.pages = append(t.pages, make([]byte, 0, max(pageBytes, len(b))))
		p++
	}
	start := len(t.pages[p])
	t.pages[p] = append(t.pages[p], b...)
	t.where = append(t.where, uint64(p)<<32|uint64(start))
	t.ends = append(t.ends, uint32(start+len(b)))
	t.slots[i] = tag | uint64(id+1)
	if len(t.where)*2 > len(t.slots) {
		t.grow()
	}
	return id
}

func (t *interner) grow() {
	t.slots = make([]uint64, 2*len(t.slots))
	t.mask = uint32(len(t.slots) - 1)
	for id := range t.where {
		h := hashBytes(t.get(uint32(id)))
		i := uint32(h) & t.mask
		for t.slots[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = h>>32<<32 | uint64(id+1)
	}
}

// column writes n strings, by their ids, as a flat vector.
func (t *interner) column(v *columnar.Vector, n int, at func(int) uint64) {
	off := make([]int32, n+1)
	total := 0
	for i := range n {
		if len(t.where) > 0 {
			total += len(t.get(uint32(at(i))))
		}
	}
	v.Bytes = make([]byte, 0, total)
	for i := range n {
		if v.Valid == nil || v.Valid.Get(i) {
			v.Bytes = append(v.Bytes, t.get(uint32(at(i)))...)
		}
		off[i+1] = int32(len(v.Bytes))
	}
	v.Data = columnar.BytesOf(off)
}

const (
	mix0 = 0x9e3779b97f4a7c15
	mix1 = 0xa0761d6478bd642f
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hashBytes is for tables of this package only; nothing stores it.
func hashBytes(b []byte) uint64 {
	h := uint64(len(b)) * mix0
	for len(b) >= 8 {
		h = fold(h^word(b), mix1)
		b = b[8:]
	}
	var w uint64
	for i, c := range b {
		w |= uint64(c) << (8 * i)
	}
	return fold(h^w, mix0)
}

func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
