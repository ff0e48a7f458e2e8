package row

import (
	"cmp"
	"math/bits"
	"slices"
)

// Sort returns the rows in order; equal ones keep theirs.
//
// The words are packed first: of each word only the bits that tell rows apart
// are kept, so that most orders fit into one 64-bit word, which is sorted by
// radix. Where they do not, rows that are equal so far are compared.
func (k *Keys) Sort() []uint32 {
	if k.n < 2 {
		return make([]uint32, k.n)
	}
	p := k.pack()
	switch {
	case p.exact && p.bits == 0:
		return identity(k.n)
	case p.exact && p.bits+bits.Len(uint(k.n-1)) <= 64:
		return sortPacked(p)
	}
	items := make([]item, k.n)
	for i, w := range p.words {
		items[i] = item{w, uint32(i)}
	}
	items = sortItems(items, p.bits)
	if !p.exact {
		k.settle(items)
	}
	out := make([]uint32, k.n)
	for i, it := range items {
		out[i] = it.row
	}
	return out
}

func identity(n int) []uint32 {
	out := make([]uint32, n)
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
}

// pack squeezes as many bits of the keys as fit into a word per row, from the
// most significant on.
func (k *Keys) pack() packed {
	p := packed{words: make([]uint64, k.n), exact: true}
	t := 0
	for w := range k.stride {
		least, most := k.words[w], k.words[w]
		for at := w; at < len(k.words); at += k.stride {
			least, most = min(least, k.words[at]), max(most, k.words[at])
		}
		if need := bits.Len64(most - least); need > 0 {
			drop := max(0, p.bits+need-64)
			keep := need - drop
			if keep > 0 {
				for i, at := 0, w; i < k.n; i, at = i+1, at+k.stride {
					p.words[i] = p.words[i]<<keep | (k.words[at]-least)>>drop
				}
			}
			p.bits += keep
			if drop > 0 {
				p.exact = false
				return p
			}
		}
		if t < len(k.tails) && k.tails[t].last == w {
			if k.open(t) {
				p.exact = false
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
	flip := uint64(0)
	if tail.desc {
		flip = ^flip
	}
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
func sortPacked(p packed) []uint32 {
	n := len(p.words)
	low := bits.Len(uint(n - 1))
	for i, w := range p.words {
		p.words[i] = w<<low | uint64(i)
	}
	ws := p.words
	if n < radixLeast {
		slices.Sort(ws)
	} else {
		ws = radix(ws, low, p.bits)
	}
	out := make([]uint32, n)
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

// sortItems sorts rows by the low bits of their word; equal ones keep their
// order.
func sortItems(items []item, bits int) []item {
	if len(items) < radixLeast {
		slices.SortFunc(items, func(a, b item) int {
			if c := cmp.Compare(a.word, b.word); c != 0 {
				return c
			}
			return cmp.Compare(a.row, b.row)
		})
		return items
	}
	return radixItems(items, bits)
}

// settle orders runs of rows with equal words by comparing their keys.
func (k *Keys) settle(items []item) {
	for from := 0; from < len(items); {
		to := from + 1
		for to < len(items) && items[to].word == items[from].word {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(items[from:to], func(a, b item) int {
				if c := Compare(k, int(a.row), k, int(b.row)); c != 0 {
					return c
				}
				return cmp.Compare(a.row, b.row)
			})
		}
		from = to
	}
}
