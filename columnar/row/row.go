// Package row turns sort keys into words whose unsigned order is the order of
// the rows.
//
//	per key: [null word] [value word | 2 words | first 8 bytes of a string]
//
// Strings longer than their word are compared in full when the words are equal.
// Descending keys are inverted; NaN is greatest, −0.0 equals 0.0.
package row

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
)

// Key is one key of an ordering.
type Key struct {
	Desc      bool
	NullsLast bool
}

// Keys are the encoded keys of some rows. They refer to the vectors that they
// were made of.
type Keys struct {
	n      int
	stride int
	words  []uint64
	long   []long // string keys
}

type long struct {
	at   int // its word
	v    columnar.Vector
	desc bool
}

// Encode encodes the keys of all n rows of the given vectors, one per key.
func Encode(keys []Key, cols []columnar.Vector, n int) *Keys {
	k := &Keys{n: n}
	starts := make([]int, len(keys))
	for i := range keys {
		starts[i] = k.stride
		k.stride += 2
		if t := cols[i].Type; t.Kind == columnar.Decimal && t.Precision > 18 {
			k.stride++
		}
	}
	k.words = make([]uint64, n*k.stride)
	for i, key := range keys {
		k.column(key, &cols[i], starts[i])
	}
	return k
}

func (k *Keys) column(key Key, v *columnar.Vector, at int) {
	first, second := uint64(0), uint64(1) // the null word: nulls first unless told otherwise
	if key.NullsLast {
		first, second = 1, 0
	}
	flip := uint64(0)
	if key.Desc {
		flip = ^uint64(0)
	}
	if v.Type.IsBytes() {
		k.long = append(k.long, long{at + 1, *v, key.Desc})
	}
	wide := v.Type.Kind == columnar.Decimal && v.Type.Precision > 18
	for i := range k.n {
		w := k.words[i*k.stride+at:]
		if v.NullAt(i) {
			w[0] = first
			continue
		}
		w[0] = second
		switch {
		case v.Type.IsBytes():
			w[1] = prefix(v.BytesAt(i)) ^ flip
		case v.Type.IsFloat():
			w[1] = floatWord(v.Float64At(i)) ^ flip
		case wide:
			x := v.Int128At(i)
			w[1], w[2] = (uint64(x.Hi)^1<<63)^flip, x.Lo^flip
		case v.Type.Kind == columnar.Decimal:
			w[1] = (v.Int128At(i).Lo ^ 1<<63) ^ flip
		case v.Type.Kind == columnar.Uint64:
			w[1] = uint64(v.Int64At(i)) ^ flip
		default:
			w[1] = (uint64(v.Int64At(i)) ^ 1<<63) ^ flip
		}
	}
}

func prefix(b []byte) (w uint64) {
	n := min(len(b), 8)
	for i := range n {
		w |= uint64(b[i]) << (56 - 8*i)
	}
	return w
}

func floatWord(x float64) uint64 {
	if x == 0 {
		x = 0
	}
	if x != x {
		return ^uint64(0)
	}
	b := math.Float64bits(x)
	if x == 0 {
		b = 0
	}
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

// Compare orders row i of a and row j of b, which have the same keys.
func Compare(a *Keys, i int, b *Keys, j int) int {
	x, y := a.words[i*a.stride:(i+1)*a.stride], b.words[j*b.stride:(j+1)*b.stride]
	if len(a.long) == 0 {
		for w := range x {
			if x[w] != y[w] {
				return cmp.Compare(x[w], y[w])
			}
		}
		return 0
	}
	l := 0
	for w := range x {
		if x[w] != y[w] {
			return cmp.Compare(x[w], y[w])
		}
		if l < len(a.long) && a.long[l].at == w {
			p, q := &a.long[l], &b.long[l]
			l++
			if p.v.NullAt(i) {
				continue
			}
			if c := bytes.Compare(p.v.BytesAt(i), q.v.BytesAt(j)); c != 0 {
				if p.desc {
					return -c
				}
				return c
			}
		}
	}
	return 0
}

// Sort returns the rows in order; equal ones keep theirs.
func (k *Keys) Sort() []uint32 {
	idx := make([]uint32, k.n)
	for i := range idx {
		idx[i] = uint32(i)
	}
	slices.SortFunc(idx, func(a, b uint32) int {
		if c := Compare(k, int(a), k, int(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return idx
}
