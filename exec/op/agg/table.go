package agg

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// maxDirect bounds the product of dictionary sizes that are addressed directly.
const maxDirect = 8 << 10

// table maps key tuples to group numbers from 1; 0 is the bin (A1).
type table struct {
	keys     []*keyColumn
	nullable []bool
	hasNulls bool // the words from nulls on hold null bits
	nulls    int
	stride   int

	words []uint64 // stride words per group, group 0 included
	slots []uint64 // hash tag<<32 | group
	mask  uint32
	n     int // groups, the bin included

	direct  []uint32 // group by combined codes
	dicts   []*columnar.Dictionary
	scratch []uint64
	out     []uint32
}

func newTable(fields []columnar.Field) *table {
	t := &table{}
	for _, f := range fields {
		k := newKeyColumn(f.Type, t.stride)
		t.keys = append(t.keys, k)
		t.nullable = append(t.nullable, f.Nullable || f.Type.Kind == columnar.Null)
		t.hasNulls = t.hasNulls || f.Nullable || f.Type.Kind == columnar.Null
		t.stride += k.words
	}
	t.nulls = t.stride
	if t.hasNulls {
		for c, k := range t.keys {
			k.nullWord, k.nullBit = t.nulls+c/64, uint(c%64)
		}
		t.stride += (len(t.keys) + 63) / 64
	}
	t.dicts = make([]*columnar.Dictionary, len(fields))
	t.out = make([]uint32, columnar.MaxRows)
	t.reset()
	return t
}

func (t *table) reset() {
	if len(t.slots) == 0 {
		t.slots = make([]uint64, 1024)
		t.mask = 1023
	} else {
		clear(t.slots)
	}
	t.n = 1
	t.words = append(t.words[:0], make([]uint64, t.stride)...)
	clear(t.direct)
	for _, k := range t.keys {
		k.reset()
	}
	if len(t.keys) == 0 {
		t.n = 2 // without keys there is one group
	}
}

func (t *table) groups() int { return t.n - 1 }

func (t *table) bytes() int64 {
	n := int64(8*cap(t.words) + 8*len(t.slots) + 4*len(t.direct))
	for _, k := range t.keys {
		n += k.bytes()
	}
	return n
}

// assign returns the group of every row, the bin for unselected ones. The slice
// is valid until the next call.
func (t *table) assign(keys []*columnar.Vector, rows int, sel []uint16, s *memory.Scratch) []uint32 {
	out := t.out[:rows]
	if sel != nil {
		clear(out)
	}
	if len(keys) == 0 {
		if sel == nil {
			for i := range out {
				out[i] = 1
			}
		} else {
			for _, i := range sel {
				out[i] = 1
			}
		}
		return out
	}
	if t.assignDirect(keys, rows, sel, out, s) {
		return out
	}
	n := rows * t.stride
	if cap(t.scratch) < n {
		t.scratch = make([]uint64, max(n, columnar.MaxRows*t.stride))
	}
	w := t.scratch[:n]
	if t.hasNulls {
		for i := 0; i < n; i += t.stride {
			clear(w[i+t.nulls : i+t.stride])
		}
	}
	for c, v := range keys {
		t.keys[c].fill(v, rows, w, t.stride, sel, s)
	}
	t.find(w, sel, out)
	return out
}

func (t *table) find(w []uint64, sel []uint16, out []uint32) {
	if t.stride == 1 {
		if sel == nil {
			for i, x := range w {
				out[i] = t.find1(x)
			}
			return
		}
		for _, i := range sel {
			out[i] = t.find1(w[i])
		}
		return
	}
	k := t.stride
	if sel == nil {
		for i := range out {
			out[i] = t.findN(w[i*k : i*k+k])
		}
		return
	}
	for _, i := range sel {
		out[i] = t.findN(w[int(i)*k : int(i)*k+k])
	}
}

func (t *table) find1(x uint64) uint32 {
	h := fold(x^mix0, mix1)
	tag := h >> 32 << 32
	i := uint32(h) & t.mask
	for {
		s := t.slots[i]
		if s == 0 {
			return t.insert(h, i, nil, x)
		}
		if s&^0xffffffff == tag && t.words[uint32(s)] == x {
			return uint32(s)
		}
		i = (i + 1) & t.mask
	}
}

func hashWords(w []uint64) uint64 {
	h := uint64(mix0)
	for _, x := range w {
		h = fold(h^x, mix1)
	}
	return fold(h, mix0)
}

func (t *table) findN(w []uint64) uint32 {
	h := hashWords(w)
	tag := h >> 32 << 32
	i := uint32(h) & t.mask
probe:
	for {
		s := t.slots[i]
		if s == 0 {
			return t.insert(h, i, w, 0)
		}
		if s&^0xffffffff == tag {
			g := t.words[int(uint32(s))*t.stride:][:len(w)]
			for j, x := range w {
				if g[j] != x {
					i = (i + 1) & t.mask
					continue probe
				}
			}
			return uint32(s)
		}
		i = (i + 1) & t.mask
	}
}

// insert adds a group at a free slot.
func (t *table) insert(h uint64, slot uint32, w []uint64, x uint64) uint32 {
	g := uint32(t.n)
	t.n++
	if w == nil {
		t.words = append(t.words, x)
	} else {
		t.words = append(t.words, w...)
	}
	t.slots[slot] = h>>32<<32 | uint64(g)
	if t.n*2 > len(t.slots) {
		t.grow()
	}
	return g
}

func (t *table) grow() {
	t.slots = make([]uint64, 4*len(t.slots))
	t.mask = uint32(len(t.slots) - 1)
	for g := 1; g < t.n; g++ {
		var h uint64
		if t.stride == 1 {
			h = fold(t.words[g]^mix0, mix1)
		} else {
			h = hashWords(t.words[g*t.stride : (g+1)*t.stride])
		}
		i := uint32(h) & t.mask
		for t.slots[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = h>>32<<32 | uint64(g)
	}
}

// assignDirect serves keys that are all dictionary columns with few values: the
// codes address a small array, and only the first row of each combination goes
// through the table.
func (t *table) assignDirect(keys []*columnar.Vector, rows int, sel []uint16, out []uint32, s *memory.Scratch) bool {
	size := 1
	fresh := false
	for c, v := range keys {
		if v.Enc != columnar.Dict || v.Valid != nil {
			return false
		}
		if size *= v.Dict.Values.Len; size > maxDirect {
			return false
		}
		if t.dicts[c] != v.Dict {
			fresh = true
		}
	}
	if fresh || len(t.direct) != size {
		if cap(t.direct) < size {
			t.direct = make([]uint32, size)
		}
		t.direct = t.direct[:size]
		clear(t.direct)
		for c, v := range keys {
			t.dicts[c] = v.Dict
		}
	}
	direct := t.direct
	var misses []uint16
	a := keys[0].Codes()[:rows]
	missed := false
	switch {
	case len(keys) == 1 && sel == nil:
		for i, c := range a {
			g := direct[c]
			out[i] = g
			missed = missed || g == 0
		}
	case len(keys) == 2 && sel == nil:
		b := keys[1].Codes()[:rows]
		m := uint32(keys[1].Dict.Values.Len)
		for i, c := range a {
			g := direct[c*m+b[i]]
			out[i] = g
			missed = missed || g == 0
		}
	default:
		missed = true
	}
	at := func(i int) uint32 {
		x := uint32(0)
		for _, v := range keys {
			x = x*uint32(v.Dict.Values.Len) + v.Codes()[i]
		}
		return x
	}
	add := func(i int) {
		if out[i] = direct[at(i)]; out[i] == 0 {
			misses = append(misses, uint16(i))
		}
	}
	if missed && sel == nil {
		for i := range rows {
			add(i)
		}
	}
	for _, i := range sel {
		add(int(i))
	}
	if len(misses) == 0 {
		return true
	}
	w := make([]uint64, t.stride)
	for _, i := range misses {
		clear(w)
		for c, v := range keys {
			one := columnar.Vector{Type: v.Type, Enc: columnar.Dict, Len: 1, Data: v.Data[4*int(i) : 4*int(i)+4], Dict: v.Dict}
			t.keys[c].fill(&one, 1, w, t.stride, nil, s)
		}
		d := at(int(i))
		if direct[d] == 0 {
			if t.stride == 1 {
				direct[d] = t.find1(w[0])
			} else {
				direct[d] = t.findN(w)
			}
		}
		out[i] = direct[d]
	}
	return true
}

// columns returns the key columns of groups [from, from+n).
func (t *table) columns(from, n int, out []columnar.Vector) []columnar.Vector {
	for c, k := range t.keys {
		out = append(out, k.column(t.words, t.stride, from, n, t.nullable[c]))
	}
	return out
}
