package row

import (
	"math/bits"
	"slices"

	"github.com/millrace-engine/millrace/columnar/memory"
)

// Sort returns the rows in order; equal ones keep theirs. What it takes is in s,
// the result included; nil stands for the heap.
//
// The words are packed first: of each word only the bits that tell rows apart
// are kept, so that most orders fit into one 64-bit word, which is sorted by
// radix. Where they do not, rows are sorted by the first bits, and those that are
// equal so far by what comes next, packed anew.
func (k *Keys) Sort(s *memory.Scratch) []uint32 {
	if k.n < 2 {
		return make([]uint32, k.n)
	}
	p := k.pack(64, memory.Slice[uint64](s, k.n))
	switch {
	case p.exact && p.bits == 0:
		return identity(memory.Slice[uint32](s, k.n))
	case p.exact && p.bits+bits.Len(uint(k.n-1)) <= 64:
		return sortPacked(p, s)
	case p.bits > packBits(k.n):
		p = k.pack(packBits(k.n), p.words)
	}
	r := refiner{keys: k, items: memory.Slice[item](s, k.n), spare: memory.Slice[item](s, k.n)}
	for i, w := range p.words {
		r.items[i] = item{w, uint32(i)}
	}
	r.words = p.words
	r.sort(0, k.n, p.bits)
	if !p.exact {
		r.settle(0, k.n, p.next)
	}
	out := memory.Slice[uint32](s, k.n)
	for i, it := range r.items {
		out[i] = it.row
	}
	return out
}

func identity(out []uint32) []uint32 {
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// packed holds one word per row whose order is that of the rows, up to equal
// words if not exact.
type packed struct {
	words []uint64
	bits  int // the low ones in use
	exact bool
	next  place // unless exact, what comes behind the bits
}

// place is how far rows are known to be equal: in all words before one, all tails
// before one, and, inside of that tail, the bytes of strings before one.
type place struct{ word, tail, byte int }

// pack squeezes up to most bits of the keys into the given words, one per row, from
// the most significant on.
func (k *Keys) pack(most int, words []uint64) packed {
	clear(words)
	p := packed{words: words, exact: true}
	t := 0
	for w := range k.stride {
		lo, hi := k.words[w], k.words[w]
		for at := w; at < len(k.words); at += k.stride {
			lo, hi = min(lo, k.words[at]), max(hi, k.words[at])
		}
		if need := bits.Len64(hi - lo); need > 0 {
			drop := max(0, p.bits+need-most)
			keep := need - drop
			if keep > 0 {
				for i, at := 0, w; i < k.n; i, at = i+1, at+k.stride {
					p.words[i] = p.words[i]<<keep | (k.words[at]-lo)>>drop
				}
			}
			p.bits += keep
			if drop > 0 {
				p.exact, p.next = false, place{w, t, 0}
				return p
			}
		}
		if t < len(k.tails) && k.tails[t].last == w {
			if k.open(t) {
				p.exact, p.next = false, place{w, t, inWords}
				return p
			}
			t++
		}
	}
	return p
}

// open reports whether a key's words leave open how some rows compare.
func (k *Keys) open(t int) bool {
	tail := &k.tails[t]
	if !tail.v.Type.IsBytes() {
		return true
	}
	flip := tail.flip()
	for at := tail.last; at < len(k.words); at += k.stride {
		if (k.words[at]^flip)&0xff == long {
			return true
		}
	}
	return false
}

// radixBits is how many bits one pass of a radix sort looks at.
const radixBits = 11

// radixLeast is the number of rows from which on a radix sort is faster.
const radixLeast = 512

// sortPacked sorts rows by their word with the row's number in its low bits.
func sortPacked(p packed, s *memory.Scratch) []uint32 {
	n := len(p.words)
	low := bits.Len(uint(n - 1))
	for i, w := range p.words {
		p.words[i] = w<<low | uint64(i)
	}
	ws := p.words
	if n < radixLeast {
		slices.Sort(ws)
	} else {
		ws = radix(ws, memory.Slice[uint64](s, n), low, p.bits)
	}
	out := memory.Slice[uint32](s, n)
	mask := uint64(1)<<low - 1
	for i, w := range ws {
		out[i] = uint32(w & mask)
	}
	return out
}

// item is a row with its word.
type item struct {
	word uint64
	row  uint32
}
