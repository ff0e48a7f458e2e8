package agg

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// table maps key tuples to group numbers from 1; 0 is the bin (A1). Keys are
// encoded as words; of each group the table keeps the words and the key hash.
//
// Slots hold 32 bits of the remixed hash as a tag and the group. A block of rows
// is looked up at once: first all slots are read, then all words, so that the
// reads overlap; rows that do not find their group at their first slot are taken
// one by one.
type table struct {
	columns []keyColumn
	stride  int
	packed  bool // words hold several columns
	single  bool // there is one key: nulls have a group of their own
	texts   bool // some key is of strings

	words     []uint64 // stride words per group, group 0 included
	hashes    []uint64 // key hash per group
	slots     []uint64 // tag<<32 | group
	shift     uint
	n         int // groups, the bin included
	nullGroup uint32
	arena     arena

	direct direct
	keys   []*columnar.Vector // of the batch at hand
	wide   []uint64           // its words
	out    []uint32
	live   []uint16
}

const (
	leastSlots = 1 << 10
	mostFull   = 5 // of 8 slots
	// spread remixes the key hash: partitions of exchanges are its top bits.
	spread = 0x9e3779b97f4a7c15
	block  = 256
)

func newTable(fields []columnar.Field) *table {
	t := &table{single: len(fields) == 1, out: make([]uint32, columnar.MaxRows)}
	t.layout(fields)
	t.reset()
	return t
}

// reset forgets all groups but keeps the memory.
func (t *table) reset() {
	if t.slots == nil {
		t.slots = make([]uint64, leastSlots)
		t.shift = 54
	} else {
		clear(t.slots)
	}
	t.n, t.nullGroup = 1, 0
	t.words = append(t.words[:0], make([]uint64, t.stride)...)
	t.hashes = append(t.hashes[:0], 0)
	t.arena.reset()
	t.direct.reset()
	if len(t.columns) == 0 {
		t.n = 2 // without keys there is one group
		t.hashes = append(t.hashes, 0)
	}
}

// release gives the memory of the groups back.
func (t *table) release() {
	t.slots, t.words, t.hashes, t.arena, t.direct = nil, nil, nil, arena{}, direct{}
	t.reset()
}

func (t *table) groups() int { return t.n - 1 }

func (t *table) bytes() int64 {
	n := int64(8*cap(t.words) + 8*cap(t.hashes) + 8*len(t.slots) + 4*cap(t.direct.group))
	for i := range t.columns {
		n += int64(8 * cap(t.columns[i].spelt))
	}
	return n + t.arena.bytes()
}

// assign returns the group of every row, the bin for those that are not
// selected. hash yields the key hash of all rows when it is needed. The slice is
// valid until the next call.
func (t *table) assign(keys []*columnar.Vector, rows int, sel []uint16, hash func() []uint64, s *memory.Scratch) []uint32 {
	out := t.out[:rows]
	if sel != nil {
		clear(out)
	}
	if len(keys) == 0 {
		each(rows, sel, func(i int) { out[i] = 1 })
		return out
	}
	t.keys = keys
	if t.single && keys[0].HasNulls() {
		if sel = t.setNulls(keys[0], rows, sel, out); len(sel) == 0 {
			return out
		}
	}
	if t.assignCodes(keys, rows, sel, out, hash, s) || t.single && t.assignInts(keys[0], rows, sel, out, hash, s) {
		return out
	}
	t.lookup(rows, sel, out, hash(), s)
	return out
}

// lookup finds or adds the groups of the selected rows.
func (t *table) lookup(rows int, sel []uint16, out []uint32, hash []uint64, s *memory.Scratch) {
	w := t.encode(rows, sel, s)
	t.room(rows)
	if sel == nil {
		for from := 0; from < rows; from += block {
			t.findAll(w, hash, from, min(rows, from+block), out)
		}
		return
	}
	for from := 0; from < len(sel); from += block {
		t.findSome(w, hash, sel[from:min(len(sel), from+block)], out)
	}
}

// roomFor returns how many groups have room where n have: as many as slots take until
// their number is doubled. All that is kept by group grows in these steps, so that it
// is known before a batch whether anything will.
func roomFor(n int) int {
	slots := leastSlots
	for slots*mostFull/8 < n {
		slots *= 2
	}
	return slots * mostFull / 8
}

// room makes room for as many new groups as there are rows.
func (t *table) room(rows int) {
	if n := (t.n + rows) * t.stride; n > cap(t.words) {
		t.words = append(make([]uint64, 0, roomFor(t.n+rows)*t.stride), t.words...)
	}
	if n := t.n + rows; n > cap(t.hashes) {
		t.hashes = append(make([]uint64, 0, roomFor(n)), t.hashes...)
	}
}

// setNulls gives the rows whose only key is null their group and returns the
// selected others.
func (t *table) setNulls(v *columnar.Vector, rows int, sel []uint16, out []uint32) []uint16 {
	live := t.live[:0]
	each(rows, sel, func(i int) {
		if !v.NullAt(i) {
			live = append(live, uint16(i))
			return
		}
		if t.nullGroup == 0 {
			t.nullGroup = uint32(t.n)
			t.n++
			t.words = append(t.words, make([]uint64, t.stride)...)
			one := columnar.Vector{Type: v.Type, Len: 1, Enc: columnar.Const, Valid: columnar.NewBitmap(1), Width: v.Width}
			t.hashes = append(t.hashes, hashOne(&one))
		}
		out[i] = t.nullGroup
	})
	t.live = live
	return live
}

// findAll looks up rows from … to−1.
func (t *table) findAll(w, hash []uint64, from, to int, out []uint32) {
	var entry [block]uint64
	hash, out = hash[from:to], out[from:to]
	slots, shift := t.slots, t.shift
	for i, h := range hash {
		entry[i] = slots[h*spread>>shift]
	}
	var late [block]uint16
	n := 0
	words := t.words
	switch t.stride {
	case 1:
		w = w[from:to]
		for i, e := range entry[:len(hash)] {
			g := uint32(e)
			out[i] = g
			if words[g] != w[i] || g == 0 {
				late[n] = uint16(i)
				n++
			}
		}
	case 2:
		pairs := w[2*from : 2*to]
		for i, e := range entry[:len(hash)] {
			g := uint32(e)
			out[i] = g
			if words[2*g] == pairs[2*i] && words[2*g+1] == pairs[2*i+1] && g != 0 {
				continue
			}
			if !t.texts || uint32(e>>32) != uint32(hash[i]*spread) || g == 0 || !t.same(g, w, from+i) {
				late[n] = uint16(i)
				n++
			}
		}
	default:
		for i, e := range entry[:len(hash)] {
			g := uint32(e)
			out[i] = g
			if uint32(e>>32) != uint32(hash[i]*spread) || g == 0 || !t.same(g, w, from+i) {
				late[n] = uint16(i)
				n++
			}
		}
	}
	if t.stride > 1 {
		for _, i := range late[:n] {
			out[i] = t.find(w, hash[i], from+int(i), 0)
		}
		return
	}
	for _, i := range late[:n] {
		if i > 0 && w[i] == w[i-1] { // rows often come by their key
			out[i] = out[i-1]
			continue
		}
		out[i] = t.find(w, hash[i], from+int(i), from)
	}
}

// findSome is findAll for up to block selected rows.
func (t *table) findSome(w, hash []uint64, sel []uint16, out []uint32) {
	var entry [block]uint64
	slots, shift := t.slots, t.shift
	for i, r := range sel {
		entry[i] = slots[hash[r]*spread>>shift]
	}
	for i, r := range sel {
		e := entry[i]
		g := uint32(e)
		if uint32(e>>32) != uint32(hash[r]*spread) || g == 0 || !t.same(g, w, int(r)) {
			g = t.find(w, hash[r], int(r), 0)
		}
		out[r] = g
	}
}

// find looks up or adds one row. The words of a single-word table begin at row
// base.
func (t *table) find(w []uint64, h uint64, row, base int) uint32 {
	r := h * spread
	mask := uint64(len(t.slots) - 1)
	i := r >> t.shift
	for {
		e := t.slots[i]
		if e == 0 {
			return t.insert(w, h, row, base, i)
		}
		if uint32(e>>32) == uint32(r) {
			g := uint32(e)
			if t.stride == 1 {
				if t.words[g] == w[row-base] {
					return g
				}
			} else if t.same(g, w, row) {
				return g
			}
		}
		i = (i + 1) & mask
	}
}

// same reports whether a group has the key of a row.
func (t *table) same(g uint32, w []uint64, row int) bool {
	k := t.stride
	a, b := t.words[int(g)*k:int(g)*k+k], w[row*k:row*k+k]
	for j, x := range a {
		if x != b[j] {
			return t.texts && t.sameText(a, b, row)
		}
	}
	return true
}

// sameText is same where strings may be too long for their words.
func (t *table) sameText(a, b []uint64, row int) bool {
	for c := range t.columns {
		k := &t.columns[c]
		for j := k.word; j < k.word+k.words; j++ {
			if a[j] == b[j] {
				continue
			}
			if !k.text || j != k.word+1 || a[j-1] != b[j-1] || textLen(a[j-1]) <= inline {
				return false
			}
			if string(t.arena.get(a[j-1], a[j])) != string(t.keys[c].BytesAt(row)) {
				return false
			}
		}
	}
	return true
}

// insert adds a group at a free slot.
func (t *table) insert(w []uint64, h uint64, row, base int, slot uint64) uint32 {
	g := uint32(t.n)
	t.n++
	from := (row - base) * t.stride
	t.words = append(t.words, w[from:from+t.stride]...) // there is room
	t.hashes = append(t.hashes, h)
	if t.texts {
		t.keep(t.words[len(t.words)-t.stride:], row)
	}
	t.slots[slot] = h*spread<<32 | uint64(g)
	if t.n > len(t.slots)*mostFull/8 {
		t.grow()
	}
	return g
}

// keep copies the strings of a new group that do not fit their words.
func (t *table) keep(w []uint64, row int) {
	for c := range t.columns {
		if k := &t.columns[c]; k.text && textLen(w[k.word]) > inline {
			w[k.word+1] = t.arena.add(t.keys[c].BytesAt(row))
		}
	}
}

func (t *table) grow() {
	t.slots = make([]uint64, 2*len(t.slots))
	t.shift--
	mask := uint64(len(t.slots) - 1)
	for g := 1; g < t.n; g++ {
		if uint32(g) == t.nullGroup {
			continue
		}
		r := t.hashes[g] * spread
		i := r >> t.shift
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = r<<32 | uint64(g)
	}
}

// each calls f for the selected rows. It is for what is not hot.
func each(rows int, sel []uint16, f func(i int)) {
	if sel == nil {
		for i := range rows {
			f(i)
		}
		return
	}
	for _, i := range sel {
		f(int(i))
	}
}
