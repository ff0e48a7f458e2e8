// Package row turns sort keys into words whose unsigned order is the order of
// the rows, and sorts by them.
//
//	kinds up to 4 bytes   [null flag · value]
//	8 bytes               [null flag] [value]
//	wide decimals         [null flag] [high] [low]
//	strings, binaries     [null flag · bytes 0–6] [bytes 7–13 · length up to 15]
//	nested kinds          [null flag]
//
// The layout follows from the types and orders alone, so that keys of different
// batches compare. Signed values have their sign flipped, floats are ordered as
// numbers with NaN greatest and −0.0 equal to 0.0, descending keys are inverted.
// Strings longer than 14 bytes and nested values are compared in full where the
// words are equal.
//
// It imports columnar and memory. It is tested against a naive comparison.
package row

import (
	"bytes"
	"cmp"

	"github.com/millrace-engine/millrace/columnar"
)

// Key is one key of an ordering.
type Key struct {
	Desc      bool
	NullsLast bool
}

// Keys are the encoded keys of some rows. They refer to the vectors that they
// were made of and are valid as long as those.
type Keys struct {
	n      int
	stride int
	words  []uint64
	tails  []tail // keys whose words may not decide, by their last word
}

// tail is a key that is compared in full when its words are equal.
type tail struct {
	last int // the key's last word
	v    columnar.Vector
	desc bool
}

// flip is what the words of a key are inverted by.
func (t *tail) flip() uint64 {
	if t.desc {
		return ^uint64(0)
	}
	return 0
}

// Len returns the number of rows.
func (k *Keys) Len() int { return k.n }

// Head returns the first two words of a row's key, zero where it has fewer: rows
// are in their order as far as they differ. Whole says that they are all there is
// to compare.
func (k *Keys) Head(i int) (first, second uint64, whole bool) {
	at := i * k.stride
	switch k.stride {
	case 0:
		return 0, 0, true
	case 1:
		return k.words[at], 0, len(k.tails) == 0
	}
	return k.words[at], k.words[at+1], k.stride == 2 && len(k.tails) == 0
}

// Compare orders row i of a and row j of b, which have the same types and keys:
// −1, 0 or +1.
func Compare(a *Keys, i int, b *Keys, j int) int {
	x, y := a.words[i*a.stride:(i+1)*a.stride], b.words[j*b.stride:(j+1)*b.stride]
	if len(a.tails) == 0 {
		for w := range x {
			if x[w] != y[w] {
				return cmp.Compare(x[w], y[w])
			}
		}
		return 0
	}
	t := 0
	for w := range x {
		if x[w] != y[w] {
			return cmp.Compare(x[w], y[w])
		}
		if t < len(a.tails) && a.tails[t].last == w {
			if c := a.tails[t].compare(i, &b.tails[t], j, x[w]); c != 0 {
				return c
			}
			t++
		}
	}
	return 0
}

// compare compares what the words, the last of which is w on both sides, left
// open.
func (t *tail) compare(i int, o *tail, j int, w uint64) int {
	c := 0
	switch {
	case t.v.Type.IsBytes():
		if (w^t.flip())&0xff < long { // the words are the whole string, or the row is null
			return 0
		}
		c = bytes.Compare(t.v.BytesAt(i), o.v.BytesAt(j))
	case t.v.NullAt(i):
		return 0
	default:
		c = compareNested(&t.v, i, &o.v, j)
	}
	if t.desc {
		return -c
	}
	return c
}

// compareNested orders rows of nested vectors that are not null: structs field by
// field, lists element by element, a shorter one first. Nulls within come first.
func compareNested(a *columnar.Vector, i int, b *columnar.Vector, j int) int {
	n, m := 1, 1
	if a.Enc == columnar.Const {
		i = 0
	}
	if b.Enc == columnar.Const {
		j = 0
	}
	if a.Type.Kind != columnar.Struct {
		x, y := columnar.View[int32](a.Data, i+2), columnar.View[int32](b.Data, j+2)
		n, m = int(x[i+1]-x[i]), int(y[j+1]-y[j])
		i, j = int(x[i]), int(y[j])
	}
	for k := range min(n, m) {
		for f := range a.Kids {
			if c := compareAt(&a.Kids[f], i+k, &b.Kids[f], j+k); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(n, m)
}

// compareAt orders single rows of any type, nulls first.
func compareAt(a *columnar.Vector, i int, b *columnar.Vector, j int) int {
	switch x, y := a.NullAt(i), b.NullAt(j); {
	case x && y:
		return 0
	case x:
		return -1
	case y:
		return 1
	}
	t := a.Type
	switch {
	case t.IsNested():
		return compareNested(a, i, b, j)
	case t.IsBytes():
		return bytes.Compare(a.BytesAt(i), b.BytesAt(j))
	case t.IsFloat():
		return cmp.Compare(doubleWord(a.Float64At(i)), doubleWord(b.Float64At(j)))
	case t.Kind == columnar.Decimal:
		x, y := a.Int128At(i), b.Int128At(j)
		if c := cmp.Compare(x.Hi, y.Hi); c != 0 {
			return c
		}
		return cmp.Compare(x.Lo, y.Lo)
	case t.Kind == columnar.Uint64:
		return cmp.Compare(uint64(a.Int64At(i)), uint64(b.Int64At(j)))
	}
	return cmp.Compare(a.Int64At(i), b.Int64At(j))
}
