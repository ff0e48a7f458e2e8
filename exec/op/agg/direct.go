package agg

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

const (
	// mostDirect bounds what is addressed directly: codes, products of codes,
	// ranges of integers.
	mostDirect = 64 << 10
	// misfits is how many batches of integers may lie too far apart before direct
	// addressing is given up.
	misfits = 4
)

// direct addresses groups by small numbers instead of the hash: by dictionary
// codes, or by integers that lie close together. Rows that find no group there
// go through the table once.
type direct struct {
	group  []uint32
	dicts  []*columnar.Dictionary
	ints   bool // group is by integer − base
	base   int64
	failed int
	misses []uint16
}

func (d *direct) reset() {
	clear(d.group)
	if d.ints {
		d.group = d.group[:0]
	}
	clear(d.dicts)
	d.ints, d.failed = false, 0
}

// assignCodes serves keys that are all dictionary columns with few values. It
// reports whether it did.
func (t *table) assignCodes(keys []*columnar.Vector, rows int, sel []uint16, out []uint32, hash func() []uint64, s *memory.Scratch) bool {
	size := 1
	for _, v := range keys {
		if v.Enc != columnar.Dict || v.Valid != nil && !t.single {
			return false
		}
		if size *= v.Dict.Values.Len; size > mostDirect {
			return false
		}
	}
	d := &t.direct
	fresh := d.ints || len(d.dicts) != len(keys) || len(d.group) != size
	for c := 0; c < len(keys) && !fresh; c++ {
		fresh = d.dicts[c] != keys[c].Dict
	}
	if fresh {
		if size > 4*rows && (len(d.dicts) == 0 || d.dicts[0] != keys[0].Dict) { // clearing is not for nothing only if it comes again
			d.dicts = append(d.dicts[:0], keys[0].Dict)
			d.group = d.group[:0]
			return false
		}
		if cap(d.group) < size {
			d.group = make([]uint32, size)
		}
		d.group = d.group[:size]
		clear(d.group)
		d.ints, d.dicts = false, d.dicts[:0]
		for _, v := range keys {
			d.dicts = append(d.dicts, v.Dict)
		}
	}
	group := d.group
	at := keys[0].Codes()[:rows]
	if len(keys) > 1 {
		sum := memory.Slice[uint32](s, rows)
		copy(sum, at)
		for _, v := range keys[1:] {
			m := uint32(v.Dict.Values.Len)
			for i, c := range v.Codes()[:rows] {
				sum[i] = sum[i]*m + c
			}
		}
		at = sum
	}
	d.misses = d.misses[:0]
	if sel == nil {
		least := ^uint32(0)
		for i, c := range at {
			g := group[c]
			out[i] = g
			least = min(least, g)
		}
		if least > 0 {
			return true
		}
		for i, g := range out {
			if g == 0 {
				d.misses = append(d.misses, uint16(i))
			}
		}
	} else {
		for _, i := range sel {
			if out[i] = group[at[i]]; out[i] == 0 {
				d.misses = append(d.misses, i)
			}
		}
	}
	if len(d.misses) > 0 {
		t.lookup(rows, firsts(d.misses, at, group), out, hash(), s)
		for _, i := range d.misses {
			if g := out[i]; g != 0 {
				group[at[i]] = g
			}
		}
		for _, i := range d.misses {
			out[i] = group[at[i]]
		}
	}
	return true
}

// firsts keeps of rows the first of each place, which it marks in group until
// the groups are known.
func firsts(rows []uint16, at []uint32, group []uint32) []uint16 {
	var out []uint16
	for _, i := range rows {
		if group[at[i]] == 0 {
			group[at[i]] = 1
			out = append(out, i)
		}
	}
	for _, i := range out {
		group[at[i]] = 0
	}
	return out
}

// assignInts serves one integer key whose values lie close together. It reports
// whether it did.
func (t *table) assignInts(v *columnar.Vector, rows int, sel []uint16, out []uint32, hash func() []uint64, s *memory.Scratch) bool {
	d := &t.direct
	if d.failed > misfits || v.Enc != columnar.Flat {
		return false
	}
	switch v.Type.Kind {
	case columnar.Int64, columnar.Timestamp, columnar.TimestampNTZ, columnar.Time, columnar.DayTimeInterval:
		return assignRange(t, columnar.Values[int64](v), rows, sel, out, hash, s)
	case columnar.Decimal:
		if v.Width == 8 {
			return assignRange(t, columnar.Values[int64](v), rows, sel, out, hash, s)
		}
	case columnar.Int32, columnar.Date, columnar.YearMonthInterval:
		return assignRange(t, columnar.Values[int32](v), rows, sel, out, hash, s)
	case columnar.Int16:
		return assignRange(t, columnar.Values[int16](v), rows, sel, out, hash, s)
	case columnar.Int8:
		return assignRange(t, columnar.Values[int8](v), rows, sel, out, hash, s)
	}
	return false
}

func assignRange[T int8 | int16 | int32 | int64](t *table, vs []T, rows int, sel []uint16, out []uint32, hash func() []uint64, s *memory.Scratch) bool {
	d := &t.direct
	vs = vs[:rows]
	var least, most T
	if sel == nil {
		least, most = vs[0], vs[0]
		for _, x := range vs {
			least, most = min(least, x), max(most, x)
		}
	} else {
		least, most = vs[sel[0]], vs[sel[0]]
		for _, i := range sel {
			least, most = min(least, vs[i]), max(most, vs[i])
		}
	}
	if !t.cover(int64(least), int64(most)) {
		d.failed++
		return false
	}
	group, base := d.group, d.base
	d.misses = d.misses[:0]
	if sel == nil {
		lowest := ^uint32(0)
		for i, x := range vs {
			g := group[uint64(int64(x)-base)]
			out[i] = g
			lowest = min(lowest, g)
		}
		if lowest > 0 {
			return true
		}
		for i, g := range out {
			if g == 0 {
				d.misses = append(d.misses, uint16(i))
			}
		}
	} else {
		for _, i := range sel {
			if out[i] = group[uint64(int64(vs[i])-base)]; out[i] == 0 {
				d.misses = append(d.misses, i)
			}
		}
	}
	if len(d.misses) > 0 {
		t.lookup(rows, d.misses, out, hash(), s)
		for _, i := range d.misses {
			group[uint64(int64(vs[i])-base)] = out[i]
		}
	}
	return true
}

// cover makes the window of directly addressed integers reach from least to
// most, unless that is too wide.
func (t *table) cover(least, most int64) bool {
	d := &t.direct
	if d.ints && len(d.group) > 0 {
		last := d.base + int64(len(d.group)-1)
		if least >= d.base && most <= last {
			return true
		}
		least, most = min(least, d.base), max(most, last)
	}
	width := uint64(most-least) + 1 // the difference of int64 fits uint64
	if width-1 >= mostDirect {
		return false
	}
	size := 1024
	for uint64(size) < width {
		size *= 2
	}
	if least > 1<<62 { // so that the window's end can be computed
		return false
	}
	d.ints, d.base, d.dicts = true, least, d.dicts[:0]
	d.group = make([]uint32, size)
	k := &t.columns[0]
	for g := 1; g < t.n; g++ {
		if uint32(g) == t.nullGroup {
			continue
		}
		x := int64(t.words[g*t.stride+k.word])
		if k.bits > 0 {
			x = x << (64 - k.bits) >> (64 - k.bits) // one key alone begins at bit 0
		}
		if x >= least && x-least < int64(size) {
			d.group[x-least] = uint32(g)
		}
	}
	return true
}
