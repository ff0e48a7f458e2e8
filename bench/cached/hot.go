package cached

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace"
)

// hotMemory is the budget of Hot in MiB.
const hotMemory = 64

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
	for range 2 { // it is hot from here on
		if _, err := answer(ctx, s, hot); err != nil {
			return nil, err
		}
	}
	var want []string
	row := Row{Job: "hot table", Way: "scans of 10 times the memory", Memory: memory, Same: true}
	hits, reads := int64(0), int64(0)
	for run := range o.Runs {
		if _, err := answer(ctx, s, fmt.Sprintf("SELECT sum(a), count(b) FROM big WHERE a %% 4 <> %d", run%4)); err != nil {
			return nil, err
		}
		took := start()
		got, err := counted(ctx, s, hot, &hits, &reads)
		if err != nil {
			return nil, err
		}
		ms, cpu := took()
		if run == 0 {
			want, row.Millis, row.CPU = got, ms, cpu
		}
		row.Millis, row.CPU, row.Same = min(row.Millis, ms), min(row.CPU, cpu), row.Same && slices.Equal(got, want)
	}
	row.Hits = 100 * float64(hits) / float64(max(reads, 1))
	o.Tell(row)
	return []Row{row}, nil
}

// counted is answer, which adds up the blocks of cached tables that the query read, and
// of them those in memory.
func counted(ctx context.Context, s *millrace.Session, text string, hits, reads *int64) (rows []string, err error) {
	df, err := s.SQL(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, err
	}
	err = r.Each(func(v []string, _ []bool) error {
		rows = append(rows, strings.Join(v, "|"))
		return nil
	})
	for _, st := range r.Stats().Stages {
		for _, o := range st.Operators {
			*hits += o.CacheHits
			*reads += o.CacheHits + o.CacheDisk + o.CacheFetched + o.CacheMisses
		}
	}
	return rows, err
}
