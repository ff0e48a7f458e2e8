package join

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/eval"
)

// table is an index over build rows that are in memory. Rows are numbered from
// 0; in the arrays below a row stands as its number + 1, and 0 is none.
//
//	direct    first[key − lo] ─► row ─► next[row] ─► …       one integer key, close together
//	by hash   dir[hash & mask] = tags | row ─► words[row] equal? ─► next[row] ─► …
//
// Rows of a chain ascend. It is immutable but for marks.
type table struct {
	rows    int
	columns []columnar.Vector      // the child's columns, then computed keys
	dicts   []*columnar.Dictionary // of flat string columns: the values themselves (J3)
	keys    []columnar.Vector

	lo, span uint64   // direct: keys are lo … lo+span−1
	first    []uint32 // direct: span+1 rows, the last is 0
	dir      []uint64 // by hash: 32 tag bits over a row; a power of two of them
	words    []uint64 // by hash: key word (exact) or hash of a row
	next     []uint32 // nil: no chain has two rows

	marks marks // where the kind needs them
}

// indexBytes returns at least what index takes for n rows.
func indexBytes(n int) int64 { return int64(8*directorySize(n)) + int64(12*n) + int64(n/8) + 64 }

func directorySize(n int) int { return 1 << max(6, bits.Len(uint(n))) }

// slotTag returns the tag bit of a hash: bits that neither slots nor partitions
// use.
func slotTag(h uint64) uint64 { return 1 << (32 + h>>40&31) }

// newTable returns a table over columns that hold all rows, without an index.
func newTable(s *shape, rows int, columns []columnar.Vector) *table {
	t := &table{rows: rows, columns: columns, dicts: make([]*columnar.Dictionary, len(columns))}
	for _, at := range s.keyAt {
		t.keys = append(t.keys, columns[at])
	}
	for i := range columns {
		if v := &columns[i]; v.Enc == columnar.Flat && v.Type.IsBytes() && rows > 0 {
			plain := *v
			plain.Valid = nil
			plain.Stable = len(v.Bytes)+4*rows <= keptDictionary
			t.dicts[i] = &columnar.Dictionary{Values: plain}
		}
	}
	if s.marks {
		t.marks = newMarks(rows)
	}
	return t
}

// keptDictionary is the size up to which strings of a build side may be referred
// to by what outlives the join; larger ones would keep much memory for a few
// rows.
const keptDictionary = 256 << 10

// seek starts the chains of probe rows: row[k] is a row of the batch that may
// match build row at[k]−1. Both have room for all rows.
func (t *table) seek(words, hashes []uint64, rows []uint16, row, at []uint32) int {
	switch {
	case t.rows == 0:
		return 0
	case t.first != nil:
		return t.seekDirect(words, rows, row, at)
	}
	return t.seekHash(hashes, rows, row, at)
}

func (t *table) seekDirect(words []uint64, rows []uint16, row, at []uint32) int {
	n, first, lo, span := 0, t.first, t.lo, t.span
	row, at = row[:len(rows)], at[:len(rows)]
	for _, r := range rows {
		e := first[min(words[r]-lo, span)]
		row[n], at[n] = uint32(r), e
		if e != 0 {
			n++
		}
	}
	return n
}

func (t *table) seekHash(hashes []uint64, rows []uint16, row, at []uint32) int {
	n, dir := 0, t.dir
	mask := uint64(len(dir) - 1)
	row, at = row[:len(rows)], at[:len(rows)]
	for _, r := range rows {
		h := hashes[r]
		d := dir[h&mask]
		row[n], at[n] = uint32(r), uint32(d)
		n += int(d >> (32 + h>>40&31) & 1)
	}
	return n
}

// match writes the pairs of the given chains whose words are equal, at most one
// a chain, and returns how many.
func (t *table) match(words []uint64, row, at, probe, build []uint32) int {
	if t.first != nil {
		copy(probe, row)
		build = build[:len(at)]
		for i, e := range at {
			build[i] = e - 1
		}
		return len(at)
	}
	n, own := 0, t.words
	probe, build, row = probe[:len(at)], build[:len(at)], row[:len(at)]
	for i, e := range at {
		r, b := row[i], e-1
		probe[n], build[n] = r, b
		if own[b] == words[r] {
			n++
		}
	}
	return n
}

// advance moves the chains on and returns how many have not ended.
func (t *table) advance(row, at []uint32) int {
	if t.next == nil {
		return 0
	}
	n, next := 0, t.next
	row = row[:len(at)]
	for i, e := range at {
		nx := next[e-1]
		row[n], at[n] = row[i], nx
		if nx != 0 {
			n++
		}
	}
	return n
}

// take returns build column c at the given rows; missing tells that NullRow may
// be among them.
func (t *table) take(c int, rows []uint32, missing bool, s *memory.Scratch) columnar.Vector {
	v := &t.columns[c]
	switch d := t.dicts[c]; {
	case t.rows == 0:
		return kernel.Nulls(v.Type, len(rows))
	case d == nil && missing:
		return kernel.TakeNull(v, rows, s)
	case d == nil:
		return kernel.Take(v, rows, s)
	case missing || v.Valid != nil:
		return kernel.IndirectTo(d, v.Valid, rows, s)
	default:
		return columnar.Vector{Type: v.Type, Enc: columnar.Dict, Len: len(rows), Data: columnar.BytesOf(rows), Dict: d}
	}
}

func hashWords(words, out []uint64) {
	out = out[:len(words)]
	for i, w := range words {
		out[i] = kernel.HashWord(w)
	}
}

// hashKeys writes the hash of each row's keys.
func hashKeys(keys []columnar.Vector, out []uint64) {
	for i := range keys {
		kernel.HashVector(&keys[i], out, i > 0)
	}
}

func nulls(t columnar.Type, n int) columnar.Vector { return eval.Constant(nil, t, n) }
