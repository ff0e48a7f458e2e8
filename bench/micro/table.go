package micro

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/millrace-engine/millrace/bench/table"
)

// words begin the strings, so that many have their first bytes in common.
var words = [16]string{"carefully/", "furiously/", "quickly/", "slyly/", "blithely/", "express/", "regular/", "special/",
	"pending/", "final/", "ironic/", "even/", "bold/", "silent/", "unusual/", "daring/"}

// Tables lists the tables at a scale factor.
func Tables(sf float64) []table.Table {
	rows := func(n float64) int64 { return max(1, int64(math.Round(n*sf))) }
	facts, dims, pairs := rows(20e6), rows(1e6), rows(5e6)
	seventh := min(facts, 10_000_000)
	return []table.Table{
		table.New("dim", dims,
			table.Long("key", func(row int64) int64 { return table.Shuffle(11, row, dims) }),
			table.Long("w", table.Below(12, 1000))),
		table.New("strings", pairs,
			table.String("s", func(dst []byte, row int64) []byte {
				x := table.Mix(21, row)
				var b [8]byte
				binary.BigEndian.PutUint64(b[:], x)
				return hex.AppendEncode(append(dst, words[x>>60]...), b[2:])
			}),
			table.Long("id", func(row int64) int64 { return row })),
		table.New("west", pairs,
			table.Long("key", func(row int64) int64 { return table.Shuffle(31, row, pairs) }),
			table.Long("a", table.Below(32, 1000))),
		table.New("east", pairs,
			table.Long("key", func(row int64) int64 { return table.Shuffle(33, row, pairs) }),
			table.Long("b", table.Below(34, 1000))),
		table.New("ints", rows(10e6),
			table.Long("k", func(row int64) int64 { return int64(table.Mix(41, row)) }),
			table.Long("id", func(row int64) int64 { return row })),
		table.New("facts", facts,
			table.Int("k1", table.Below(51, 10)),
			table.Int("k4", table.Below(52, min(facts, 10_000))),
			table.Long("k6", table.Below(53, dims)),
			table.Long("k7", func(row int64) int64 { return table.Shuffle(54, row%seventh, seventh) }),
			table.Long("z", func(row int64) int64 { // each power of two gets as many rows as the others
				x := table.Mix(55, row)
				return int64(x & (1<<(x>>32%20+1) - 1) % uint64(dims))
			}),
			table.Long("v", table.Below(56, 1000))),
	}
}
