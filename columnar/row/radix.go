package row

// radix sorts words by bits from … from+n−1, least significant digits first. It
// returns the sorted words, in ws or in other, which is as long.
func radix(ws, other []uint64, from, n int) []uint64 {
	var counts [1 << radixBits]uint32
	for shift := from; shift < from+n; shift += radixBits {
		mask := uint64(1)<<min(radixBits, from+n-shift) - 1
		clear(counts[:])
		for _, w := range ws {
			counts[w>>shift&mask]++
		}
		if starts(counts[:mask+1], uint32(len(ws))) {
			continue
		}
		for _, w := range ws {
			c := &counts[w>>shift&mask]
			other[*c] = w
			*c++
		}
		ws, other = other, ws
	}
	return ws
}

// radixItems is radix for rows with their words.
func radixItems(items, other []item, n int) []item {
	var counts [1 << radixBits]uint32
	for shift := 0; shift < n; shift += radixBits {
		mask := uint64(1)<<min(radixBits, n-shift) - 1
		clear(counts[:])
		for i := range items {
			counts[items[i].word>>shift&mask]++
		}
		if starts(counts[:mask+1], uint32(len(items))) {
			continue
		}
		for _, it := range items {
			c := &counts[it.word>>shift&mask]
			other[*c] = it
			*c++
		}
		items, other = other, items
	}
	return items
}

// starts turns counts into starts. It reports that all n fall into one digit, so
// that the pass moves nothing.
func starts(counts []uint32, n uint32) bool {
	at := uint32(0)
	for i, c := range counts {
		if c == n {
			return true
		}
		counts[i] = at
		at += c
	}
	return false
}
