package cached

import (
	"context"
	"fmt"
)

// hotMemory is the budget of Hot in MiB.
const hotMemory = 64

const hotWay = "scans of 10 times the memory"

// Hot measures how much of a hot cached table is found in memory while a table of ten
// times the budget is cached lazily and scanned, again and again.
func Hot(ctx context.Context, o Options) ([]Row, error) {
	memory := fmt.Sprintf("%dMiB", hotMemory)
	s, closed, err := o.Open(memory)
	if err != nil {
		return nil, err
	}
	defer closed()
	for _, q := range []string{
		"CACHE TABLE hot AS SELECT id AS k, id * 3 AS v FROM range(500000)",
		fmt.Sprintf("CACHE LAZY TABLE big AS SELECT id AS a, id + 1 AS b FROM range(%d)", 10*hotMemory<<20/16),
	} {
		if _, err := s.SQL(ctx, q); err != nil {
			return nil, err
		}
	}
	const hot = "SELECT sum(k), sum(v) FROM hot"
	var want, sums []string
	row := Row{Job: "hot table", Way: hotWay, Memory: memory}
	for range 2 { // it is hot from here on
		warm := Row{}
		if err := warm.run(ctx, s, hot, &want); err != nil {
			return nil, err
		}
	}
	for run := range o.Runs {
		var scan Row
		sums = nil // another one each time
		if err := scan.run(ctx, s, fmt.Sprintf("SELECT sum(a), count(b) FROM big WHERE a %% 4 <> %d", run%4), &sums); err != nil {
			return nil, err
		}
		if err := row.run(ctx, s, hot, &want); err != nil {
			return nil, err
		}
	}
	row.Hits = 100 * float64(row.hits) / float64(max(row.reads, 1))
	o.Tell(row)
	return []Row{row}, nil
}
