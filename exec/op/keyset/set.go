package keyset

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
)

// Set is the keys that some rows have. The zero value is the set of no rows.
type Set struct {
	Range
	keys []uint64 // ascending, each once: values, of ordered types as int64, else hashes
	many bool     // too many to be listed: keys is nil
}

// Keys returns the number of keys, −1 when they are not listed.
func (s *Set) Keys() int {
	if s.many {
		return -1
	}
	return len(s.keys)
}

// Unite returns the set of the keys of all sets, which are of one column's parts.
// More than MaxKeys are not listed.
func Unite(sets []*Set) *Set {
	out := &Set{}
	lists := make([][]uint64, 0, len(sets))
	total := 0
	for i, s := range sets {
		if i == 0 {
			out.Range = s.Range
		}
		out.lo, out.hi = min(out.lo, s.lo), max(out.hi, s.hi)
		out.many = out.many || s.many
		if len(s.keys) > 0 {
			lists = append(lists, s.keys)
			total += len(s.keys)
		}
	}
	for !out.many && len(lists) > 1 { // the sizes halve: linear in each round
		for i := 0; i+1 < len(lists); i += 2 {
			lists[i/2] = merge(lists[i], lists[i+1], out.flip())
		}
		if len(lists)%2 == 1 {
			lists[len(lists)/2] = lists[len(lists)-1]
		}
		lists = lists[:(len(lists)+1)/2]
	}
	if len(lists) == 1 {
		out.keys = lists[0]
	}
	if out.many || len(out.keys) > MaxKeys {
		out.keys, out.many = nil, true
	}
	return out
}

// merge merges two ascending lists, dropping doubles.
func merge(a, b []uint64, flip uint64) []uint64 {
	out := make([]uint64, 0, len(a)+len(b))
	i, k := 0, 0
	for i < len(a) && k < len(b) {
		x, y := a[i], b[k]
		switch {
		case x == y:
			out = append(out, x)
			i, k = i+1, k+1
		case x^flip < y^flip:
			out = append(out, x)
			i++
		default:
			out = append(out, y)
			k++
		}
	}
	return append(append(out, a[i:]...), b[k:]...)
}

// Filter makes the filter of a set, nil if that would tell nothing. What it takes
// is charged to r.
func (s *Set) Filter(r memory.Reservation) op.RuntimeFilter {
	f := &filter{Range: s.Range}
	n := len(s.keys)
	switch {
	case s.many:
		return s.Range.Filter()
	case n == 0 && !s.ordered:
		return nil
	case n == 0: // nothing passes
		f.lo, f.hi = 1, 0
	case f.dense(n):
		if f.grow(r) {
			for _, w := range s.keys {
				f.set(w)
			}
		}
	default:
		size := bloomWords(n)
		if !r.TryGrow(int64(8 * size)) {
			return s.Range.Filter()
		}
		f.bloom = make([]uint64, size)
		for _, h := range s.keys {
			if s.ordered {
				h = kernel.HashWord(h)
			}
			f.add(h)
		}
	}
	return f
}

// An encoded set, varints: version, flags, then lo and hi of ordered ones, then of
// listed ones their number and the steps from each to the next, the first from 0
// or, of ordered ones, from lo.
const (
	setVersion = 1
	setOrdered = 1 << 0
	setMany    = 1 << 1
)

// maxSetBytes bounds an encoded set.
const maxSetBytes = 10*MaxKeys + 64

// Append encodes a set.
func (s *Set) Append(b []byte) []byte {
	flags, last := uint64(0), uint64(0)
	if s.ordered {
		flags |= setOrdered
	}
	if s.many {
		flags |= setMany
	}
	b = binary.AppendUvarint(append(b, setVersion), flags)
	if s.ordered {
		b = binary.AppendVarint(binary.AppendVarint(b, s.lo), s.hi)
		last = uint64(s.lo)
	}
	if s.many {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(s.keys)))
	for _, k := range s.keys {
		b = binary.AppendUvarint(b, k-last)
		last = k
	}
	return b
}

// ErrMalformed is wrapped by every failure of Decode.
var ErrMalformed = errors.New("malformed set of keys")

// Decode reads what Append made.
func Decode(b []byte) (*Set, error) {
	if len(b) < 2 || len(b) > maxSetBytes || b[0] != setVersion {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	r := &reader{b: b[1:]}
	flags := r.unsigned()
	s := &Set{many: flags&setMany != 0}
	last := uint64(0)
	if s.ordered = flags&setOrdered != 0; s.ordered {
		s.lo, s.hi = r.signed(), r.signed()
		last = uint64(s.lo)
	}
	if flags > setOrdered|setMany {
		r.bad = true
	}
	if !s.many && !r.bad {
		n := r.unsigned()
		if n > uint64(len(r.b)) || n > MaxKeys { // each takes a byte
			return nil, fmt.Errorf("%w: %d keys in %d bytes", ErrMalformed, n, len(r.b))
		}
		s.keys = make([]uint64, n)
		for i := range s.keys {
			last += r.unsigned()
			s.keys[i] = last
		}
	}
	if r.bad || len(r.b) > 0 || !s.sound() {
		return nil, ErrMalformed
	}
	return s, nil
}

// sound reports whether the keys ascend, and fill the range.
func (s *Set) sound() bool {
	flip := s.flip()
	for i := 1; i < len(s.keys); i++ {
		if s.keys[i]^flip <= s.keys[i-1]^flip {
			return false
		}
	}
	n := len(s.keys)
	return !s.ordered || n == 0 || s.lo == int64(s.keys[0]) && s.hi == int64(s.keys[n-1])
}

// flip is what makes keys compare as unsigned numbers.
func (s *Set) flip() uint64 {
	if s.ordered {
		return 1 << 63
	}
	return 0
}

// reader reads until something is wrong; then everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) unsigned() uint64 {
	v, n := binary.Uvarint(r.b)
	return uint64(take(r, int64(v), n))
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.b)
	return take(r, v, n)
}

func take(r *reader, v int64, n int) int64 {
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}
