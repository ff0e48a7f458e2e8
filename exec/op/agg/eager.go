package agg

import (
	"github.com/millrace-engine/millrace/columnar"
)

// repeats measures how uneven keys are: of two rows far from each other, how often both
// have the same key. That is the sum of the squares of the keys' shares, so that two
// sides of m and n rows with such keys make m·n times that many pairs when they are
// joined. Rows of a key that lie close together do not count: there are few of them. An
// eager aggregation groups while the measure is high, and passes rows on otherwise.
type repeats struct {
	pairs, same int
	even        bool // rows are to be passed on
}

// rare is how many pairs of rows there are per repetition where keys are even enough:
// each of n rows meets about n/rare others then.
const rare = 2048

// add compares the first half of a batch with the second, by keys, their hashes or
// their groups, and decides every few thousand rows.
func add[T int64 | uint32 | uint64](r *repeats, keys []T) {
	half := len(keys) / 2
	first, second := keys[:half], keys[half:]
	same := 0
	for i, k := range first {
		if k == second[i] {
			same++
		}
	}
	r.same += same
	if r.pairs += half; r.pairs >= columnar.MaxRows/2 {
		r.even = r.same*rare <= r.pairs
		r.pairs, r.same = 0, 0
	}
}

// compare looks at the batch at hand. It reports whether its rows are to be passed on.
func (a *aggregate) compare(rows int) bool {
	if k := a.keys[0]; len(a.keys) == 1 && k.Enc == columnar.Flat && k.Width == 8 {
		add(&a.repeats, columnar.Values[int64](k)[:rows])
	} else {
		add(&a.repeats, a.keyHash(rows))
	}
	return a.repeats.even
}

// lift returns an aggregate's results where each row is a group of its own, without
// looking at rows. ok is false where that takes more.
func (c *call) lift(input []columnar.Vector, rows int) (v columnar.Vector, ok bool) {
	if c.filter >= 0 {
		return v, false
	}
	switch c.Fn {
	case "count":
		for _, at := range c.args {
			if input[at].HasNulls() || input[at].Type.Kind == columnar.Null {
				return v, false
			}
		}
		return ones(rows), true
	case "sum", "min", "max":
		v = input[c.args[0]]
		return v, v.Type.Equal(c.Result) && v.Type.Kind != columnar.Decimal
	}
	return v, false
}

// ones is a constant vector of counts.
func ones(rows int) columnar.Vector {
	v := fixed(columnar.Int64Type, one[:])
	v.Enc, v.Len = columnar.Const, rows
	return v
}

var one = [1]int64{1}
