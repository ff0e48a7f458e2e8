package micro

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// Table is a table to make.
type Table struct {
	Name    string
	Rows    int64
	columns []column
}

// column makes the value of a row: a number, or bytes appended to dst.
type column struct {
	name   string
	t      columnar.Type
	number func(row int64) int64
	text   func(dst []byte, row int64) []byte
}

// Schema returns the columns.
func (t Table) Schema() *columnar.Schema {
	s := &columnar.Schema{}
	for _, c := range t.columns {
		s.Fields = append(s.Fields, columnar.Field{Name: c.name, Type: c.t})
	}
	return s
}

// words begin the strings, so that many have their first bytes in common.
var words = [16]string{"carefully/", "furiously/", "quickly/", "slyly/", "blithely/", "express/", "regular/", "special/",
	"pending/", "final/", "ironic/", "even/", "bold/", "silent/", "unusual/", "daring/"}

// Tables lists the tables at a scale factor.
func Tables(sf float64) []Table {
	rows := func(n float64) int64 { return max(1, int64(math.Round(n*sf))) }
	facts, dims, pairs := rows(20e6), rows(1e6), rows(5e6)
	long := func(name string, f func(int64) int64) column {
		return column{name: name, t: columnar.Int64Type, number: f}
	}
	short := func(name string, f func(int64) int64) column {
		return column{name: name, t: columnar.Int32Type, number: f}
	}
	below := func(seed uint64, n int64) func(int64) int64 {
		return func(row int64) int64 { return random(seed, row, n) }
	}
	seventh := min(facts, 10_000_000)
	return []Table{
		{"dim", dims, []column{
			long("key", func(row int64) int64 { return shuffle(11, row, dims) }),
			long("w", below(12, 1000))}},
		{"strings", pairs, []column{
			{name: "s", t: columnar.StringType, text: func(dst []byte, row int64) []byte {
				x := mix(21, row)
				var b [8]byte
				binary.BigEndian.PutUint64(b[:], x)
				return hex.AppendEncode(append(dst, words[x>>60]...), b[2:])
			}},
			long("id", func(row int64) int64 { return row })}},
		{"west", pairs, []column{
			long("key", func(row int64) int64 { return shuffle(31, row, pairs) }),
			long("a", below(32, 1000))}},
		{"east", pairs, []column{
			long("key", func(row int64) int64 { return shuffle(33, row, pairs) }),
			long("b", below(34, 1000))}},
		{"ints", rows(10e6), []column{
			long("k", func(row int64) int64 { return int64(mix(41, row)) }),
			long("id", func(row int64) int64 { return row })}},
		{"facts", facts, []column{
			short("k1", below(51, 10)),
			short("k4", below(52, min(facts, 10_000))),
			long("k6", below(53, dims)),
			long("k7", func(row int64) int64 { return shuffle(54, row%seventh, seventh) }),
			long("z", func(row int64) int64 { // each power of two gets as many rows as the others
				x := mix(55, row)
				return int64(x & (1<<(x>>32%20+1) - 1) % uint64(dims))
			}),
			long("v", below(56, 1000))}},
	}
}

// mix returns 64 bits that look random: a bijection of the row for each seed.
// (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators: SplitMix64.)
func mix(seed uint64, row int64) uint64 {
	x := uint64(row) + seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// random returns a number from 0 to n-1.
func random(seed uint64, row, n int64) int64 {
	hi, _ := bits.Mul64(mix(seed, row), uint64(n))
	return int64(hi)
}

// shuffle returns where a row of n goes in a permutation: four rounds of a
// Feistel network over the next even number of bits, again until the result is
// below n.
func shuffle(seed uint64, row, n int64) int64 {
	half := (bits.Len64(uint64(n)) + 1) / 2
	mask := uint64(1)<<half - 1
	for x := uint64(row); ; {
		l, r := x>>half, x&mask
		for round := range uint64(4) {
			l, r = r, l^mix(seed*8+round, int64(r))&mask
		}
		if x = l<<half | r; int64(x) < n {
			return int64(x)
		}
	}
}
