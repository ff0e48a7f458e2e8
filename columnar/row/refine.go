package row

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	// inWords is how many bytes of a string its words hold.
	inWords = 14
	// mostCompared is up to how many rows that are equal so far are put in order by
	// comparing them.
	mostCompared = 24
)

// packBits is how many bits of their keys a number of rows is sorted by at once:
// three passes of a radix sort. Rows that are told apart by later bits only are few
// or alike, and packed anew.
func packBits(rows int) int {
	if rows < radixLeast {
		return 64
	}
	return 3 * radixBits
}

// refiner sorts rows by bits of their keys, and those that are equal in them by the
// bits that follow (a radix sort from the most significant digit, whose digits are
// what packing leaves of the words).
type refiner struct {
	keys  *Keys
	items []item
	spare []item   // as many
	words []uint64 // as many: the next word of rows that are packed
}

// sort orders rows by the low bits of their word; equal ones keep their order.
func (r *refiner) sort(from, to, n int) {
	items := r.items[from:to]
	if len(items) < radixLeast {
		slices.SortFunc(items, func(a, b item) int {
			if c := cmp.Compare(a.word, b.word); c != 0 {
				return c
			}
			return cmp.Compare(a.row, b.row)
		})
		return
	}
	if sorted := radixItems(items, r.spare[from:to], n); &sorted[0] != &items[0] {
		copy(items, sorted)
	}
}

// settle puts rows with equal words in order, by their keys from a place on.
func (r *refiner) settle(from, to int, p place) {
	for from < to {
		end := from + 1
		for end < to && r.items[end].word == r.items[from].word {
			end++
		}
		if end-from > 1 {
			r.refine(from, end, p)
		}
		from = end
	}
}

// refine orders rows that are equal up to a place.
func (r *refiner) refine(from, to int, p place) {
	if to-from > mostCompared {
		n, next, done := r.pack(from, to, p)
		if n > 0 {
			r.sort(from, to, n)
		}
		if done {
			return
		}
		if n > 0 {
			r.settle(from, to, next)
			return
		}
	}
	k := r.keys
	slices.SortFunc(r.items[from:to], func(a, b item) int {
		if c := Compare(k, int(a.row), k, int(b.row)); c != 0 {
			return c
		}
		return cmp.Compare(a.row, b.row)
	})
}

// pack makes words of what follows a place up to which rows are equal. It returns
// how many bits tell them apart, and where they end; or that nothing follows. No
// bits and not done: the rows must be compared.
func (r *refiner) pack(from, to int, p place) (used int, next place, done bool) {
	k, items := r.keys, r.items[from:to]
	most := packBits(len(items))
	for i := range items {
		items[i].word = 0
	}
	for {
		more := false // some row has bytes behind these
		switch {
		case p.byte == 0 && p.word == k.stride:
			return used, p, true
		case p.byte == 0:
			r.word(items, p.word)
			if p.tail < len(k.tails) && k.tails[p.tail].last == p.word {
				more = r.long(p, len(items))
			}
		case !k.tails[p.tail].v.Type.IsBytes():
			return used, p, false
		case p.byte == inWords && !r.long(p, r.word(items[:1], p.word)),
			p.byte > inWords && len(k.tails[p.tail].v.BytesAt(int(items[0].row))) <= p.byte: // they ended, all of them
			p = place{p.word + 1, p.tail + 1, 0}
			continue
		default:
			more = r.piece(items, p)
		}
		words := r.words[:len(items)]
		lo, hi := slices.Min(words), slices.Max(words)
		need := bits.Len64(hi - lo)
		if need > 0 {
			drop := max(0, used+need-most)
			if keep := need - drop; keep > 0 {
				for i, w := range words {
					items[i].word = items[i].word<<keep | (w-lo)>>drop
				}
				used += keep
			}
			if drop > 0 {
				return used, p, false
			}
		}
		tail := p.byte > 0 || p.tail < len(k.tails) && k.tails[p.tail].last == p.word
		switch {
		case !tail:
			p.word++
		case !more:
			p = place{p.word + 1, p.tail + 1, 0}
		case p.byte == 0:
			p.byte = inWords
		default:
			p.byte += 7
		}
		if more && need > 0 { // what follows counts between equal rows only
			return used, p, false
		}
	}
}

// word reads a word of rows. It returns their number.
func (r *refiner) word(items []item, w int) int {
	for i := range items {
		r.words[i] = r.keys.words[int(items[i].row)*r.keys.stride+w]
	}
	return len(items)
}

// long reports whether a tail decides between some of n rows whose last word before
// it was read.
func (r *refiner) long(p place, n int) bool {
	t := &r.keys.tails[p.tail]
	if !t.v.Type.IsBytes() {
		return true
	}
	flip := t.flip()
	for _, w := range r.words[:n] {
		if (w^flip)&0xff == long {
			return true
		}
	}
	return false
}

// piece reads the 7 bytes of strings from a place on, with how many there are: 8 if
// more follow, which it reports.
func (r *refiner) piece(items []item, p place) (more bool) {
	t := &r.keys.tails[p.tail]
	flip := t.flip()
	for i := range items {
		b := t.v.BytesAt(int(items[i].row))[p.byte:]
		if len(b) > 7 {
			more = true
		}
		r.words[i] = (tail7(b)<<8 | uint64(min(len(b), 8))) ^ flip
	}
	return more
}
