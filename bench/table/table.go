package table

import (
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// Table is a table to make.
type Table struct {
	Name    string
	Rows    int64
	Columns []Column
}

// Column makes the value of a row: a number, or bytes appended to dst.
type Column struct {
	Name   string
	Type   columnar.Type
	Number func(row int64) int64
	Text   func(dst []byte, row int64) []byte
}

// New returns a table.
func New(name string, rows int64, columns ...Column) Table {
	return Table{Name: name, Rows: rows, Columns: columns}
}

// Long makes a column of 64-bit integers, Int one of 32 bits.
func Long(name string, f func(row int64) int64) Column {
	return Column{Name: name, Type: columnar.Int64Type, Number: f}
}

// Int makes a column of 32-bit integers.
func Int(name string, f func(row int64) int64) Column {
	return Column{Name: name, Type: columnar.Int32Type, Number: f}
}

// String makes a column of strings.
func String(name string, f func(dst []byte, row int64) []byte) Column {
	return Column{Name: name, Type: columnar.StringType, Text: f}
}

// Schema returns the columns.
func (t Table) Schema() *columnar.Schema {
	s := &columnar.Schema{}
	for _, c := range t.Columns {
		s.Fields = append(s.Fields, columnar.Field{Name: c.Name, Type: c.Type})
	}
	return s
}

// Mix returns 64 bits that look random: a bijection of the row for each seed.
// (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators: SplitMix64.)
func Mix(seed uint64, row int64) uint64 {
	x := uint64(row) + seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Below makes numbers from 0 to n-1 at random.
func Below(seed uint64, n int64) func(row int64) int64 {
	return func(row int64) int64 {
		hi, _ := bits.Mul64(Mix(seed, row), uint64(n))
		return int64(hi)
	}
}

// Shuffle returns where a row of n goes in a permutation: four rounds of a
// Feistel network over the next even number of bits, again until the result is
// below n.
func Shuffle(seed uint64, row, n int64) int64 {
	half := (bits.Len64(uint64(n)) + 1) / 2
	mask := uint64(1)<<half - 1
	for x := uint64(row); ; {
		l, r := x>>half, x&mask
		for round := range uint64(4) {
			l, r = r, l^Mix(seed*8+round, int64(r))&mask
		}
		if x = l<<half | r; int64(x) < n {
			return int64(x)
		}
	}
}
