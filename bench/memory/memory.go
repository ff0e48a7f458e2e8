package memory

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/table"
)

// Numbers of rows at scale factor 1.
const (
	joined   = 10e6
	grouped  = 20e6
	listed   = 5e6
	inOne    = 4e6 // of them in one group
	matched  = 3.001e6
	withOne  = 3e6 // of them with one key
	lastRows = 1000
)

// rows scales a number of rows.
func rows(n, sf float64) int64 { return max(1, int64(math.Round(n*sf))) }

// repeats is how often a wide string has its digits.
const repeats = 6

// Tables lists the tables at a scale factor.
func Tables(sf float64) []table.Table {
	pairs, wide, lists, one, hot, key := rows(joined, sf), rows(grouped, sf), rows(listed, sf), rows(inOne, sf), rows(matched, sf), rows(withOne, sf)
	return []table.Table{
		table.New("west", pairs,
			table.Long("key", func(row int64) int64 { return table.Shuffle(61, row, pairs) }),
			table.Long("a", table.Below(62, 1000))),
		table.New("east", pairs,
			table.Long("key", func(row int64) int64 { return table.Shuffle(63, row, pairs) }),
			table.Long("b", table.Below(64, 1000))),
		table.New("wide", wide,
			table.Long("k", func(row int64) int64 { return table.Shuffle(65, row, wide) }),
			table.Long("v", table.Below(66, 1000)),
			table.String("s", func(dst []byte, row int64) []byte {
				var b [8]byte
				binary.BigEndian.PutUint64(b[:], table.Mix(67, row))
				for i := range repeats {
					if i > 0 {
						dst = append(dst, '/')
					}
					dst = hex.AppendEncode(dst, b[:])
				}
				return dst
			})),
		table.New("lists", lists,
			table.Long("g", func(row int64) int64 {
				if x := table.Shuffle(68, row, lists); x >= one {
					return 1 + x%1000
				}
				return 0
			}),
			table.Long("v", func(row int64) int64 { return int64(table.Mix(69, row)) })),
		table.New("hot", hot,
			table.Long("key", func(row int64) int64 {
				if x := table.Shuffle(70, row, hot); x >= key {
					return 1 + x - key
				}
				return 0
			}),
			table.Long("v", table.Below(71, 1000))),
	}
}

// Queries lists the benchmarks at a scale factor.
func Queries(sf float64) []harness.Query {
	lists := `select n, count(*) as groups_made, sum(g) as g from (select g, %s as n from lists group by g) as x group by n`
	return []harness.Query{
		{Name: "join", Title: count(joined, sf) + " rows with as many, one to one",
			SQL: "select count(*) as n, sum(a) as a, sum(b) as b, sum(a * b) as ab from west join east on west.key = east.key"},
		{Name: "group", Title: count(grouped, sf) + " rows into as many groups",
			SQL: "select count(*) as groups_made, sum(n) as rows_in, sum(k % 1000 * s) as mixed from (select k, count(*) as n, sum(v) as s from wide group by k) as g"},
		{Name: "sort", Title: count(grouped, sf) + " rows by strings of 101 bytes", Ordered: true,
			SQL: fmt.Sprintf("select s, k from wide order by s, k offset %d", max(0, rows(grouped, sf)-lastRows))},
		{Name: "list", Title: count(inOne, sf) + " values in one list, " + count(listed-inOne, sf) + " in 1,000 others",
			SQL: fmt.Sprintf(lists, "size(collect_list(v))"), Dialects: map[string]string{"duckdb": fmt.Sprintf(lists, "len(list(v))")}},
		{Name: "hot", Title: count(withOne, sf) + " rows of one key with as many, aggregated",
			SQL: "select count(*) as n, sum(x.v) as xv, sum(y.v) as yv from hot x join hot y on x.key = y.key"},
	}
}

// count renders a number of rows.
func count(n, sf float64) string {
	if n *= sf; n >= 1e6 {
		return fmt.Sprintf("%g M", n/1e6)
	}
	return fmt.Sprintf("%g", math.Round(n))
}
