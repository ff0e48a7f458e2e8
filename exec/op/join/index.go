package join

import (
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec/op/keyset"
)

// maxDirect bounds the span of keys that are looked up directly, in values.
const maxDirect = 1 << 30

// index makes the table's index with the given number of goroutines. Each has a
// range of keys or slots of its own, so that nothing is shared but what is
// read; rows go in backwards, so that chains ascend.
func (t *table) index(s *shape, workers int) {
	if t.rows == 0 {
		return
	}
	if t.rows < 64<<10 {
		workers = 1
	}
	skip := t.unmatchable(s)
	if s.exact {
		words := keyset.Words(&t.keys[0], nil)
		if lo, hi, any := bounds(&t.keys[0], words, skip); !any || t.fitsDirect(lo, hi) {
			t.indexDirect(words, skip, lo, hi, any, workers)
			return
		}
		t.words = words
	} else {
		t.words = make([]uint64, t.rows)
		hashKeys(t.keys, t.words)
	}
	t.indexHash(skip, workers, s.exact)
}

// unmatchable returns the rows that no probe row equals since a key is null, nil
// if there are none.
func (t *table) unmatchable(s *shape) columnar.Bitmap {
	var skip columnar.Bitmap
	for i := range t.keys {
		k := &t.keys[i]
		if s.node.NullSafe[i] || !k.HasNulls() {
			continue
		}
		for r := range t.rows {
			if k.NullAt(r) {
				if skip == nil {
					skip = columnar.NewBitmap(t.rows)
				}
				skip.Set(r)
			}
		}
	}
	return skip
}

// bounds returns the least and the greatest word by the order of the key's type.
func bounds(key *columnar.Vector, words []uint64, skip columnar.Bitmap) (lo, hi int64, any bool) {
	if skip == nil {
		lo, hi = int64(words[0]), int64(words[0])
		for _, w := range words {
			lo, hi = min(lo, int64(w)), max(hi, int64(w))
		}
		return lo, hi, true
	}
	for i, w := range words {
		if skip.Get(i) {
			continue
		}
		x := int64(w)
		if !any {
			lo, hi, any = x, x, true
		}
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi, any
}

// fitsDirect reports whether looking keys up directly takes no more memory than
// a directory of hashes.
func (t *table) fitsDirect(lo, hi int64) bool {
	span := uint64(hi) - uint64(lo)
	return span < maxDirect && int64(4*span) <= indexBytes(t.rows)-int64(4*t.rows)
}

// parallel calls f for each of workers ranges that cover 0 … n−1.
func parallel(n uint64, workers int, f func(lo, hi uint64)) {
	workers = max(1, min(workers, 8))
	span := (n + uint64(workers) - 1) / uint64(workers)
	var wg sync.WaitGroup
	for w := uint64(1); w*span < n; w++ {
		wg.Go(func() { f(w*span, min(n, (w+1)*span)) })
	}
	f(0, min(n, span))
	wg.Wait()
}

func (t *table) indexDirect(words []uint64, skip columnar.Bitmap, lo, hi int64, any bool, workers int) {
	t.lo = uint64(lo)
	if any {
		t.span = uint64(hi) - uint64(lo) + 1
	}
	t.first = make([]uint32, t.span+1)
	next := make([]uint32, t.rows)
	var mu sync.Mutex
	chained := false
	parallel(t.span, workers, func(from, to uint64) {
		from, to = from+t.lo, to-from
		twice := uint32(0)
		first := t.first[from-t.lo:]
		for r := t.rows - 1; r >= 0; r-- {
			d := words[r] - from
			if d >= to || skip != nil && skip.Get(r) {
				continue
			}
			next[r] = first[d]
			twice |= first[d]
			first[d] = uint32(r) + 1
		}
		if twice != 0 {
			mu.Lock()
			chained = true
			mu.Unlock()
		}
	})
	if chained {
		t.next = next
	}
}

// indexHash builds the directory from t.words.
func (t *table) indexHash(skip columnar.Bitmap, workers int, exact bool) {
	size := directorySize(t.rows)
	t.dir = make([]uint64, size)
	t.next = make([]uint32, t.rows)
	mask := uint64(size - 1)
	parallel(uint64(size), workers, func(lo, hi uint64) {
		n := hi - lo
		for r := t.rows - 1; r >= 0; r-- {
			h := t.words[r]
			if exact {
				h = kernel.HashWord(h)
			}
			slot := h & mask
			if slot-lo >= n || skip != nil && skip.Get(r) {
				continue
			}
			d := t.dir[slot]
			t.next[r] = uint32(d)
			t.dir[slot] = d>>32<<32 | slotTag(h) | uint64(uint32(r)+1)
		}
	})
}
