package cached

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
)

// Iterations is how many rounds the jobs have.
const Iterations = 10

// Iterate measures PageRank over 5 × nodes edges and k-means of 10 × nodes points,
// both read from CSV files, without Persist and with it. The whole job is timed, from
// the reading of the files on.
func Iterate(ctx context.Context, o Options, nodes int) ([]Row, error) {
	edges, points := filepath.Join(o.Dir, "edges.csv"), filepath.Join(o.Dir, "points.csv")
	if err := generate(ctx, o, nodes, edges, points); err != nil {
		return nil, err
	}
	var rows []Row
	for _, job := range []struct {
		name string
		run  func(ctx context.Context, s *millrace.Session, keep bool) (string, error)
	}{
		{"pagerank", func(ctx context.Context, s *millrace.Session, keep bool) (string, error) {
			return pageRank(ctx, s, edges, keep)
		}},
		{"k-means", func(ctx context.Context, s *millrace.Session, keep bool) (string, error) {
			return kMeans(ctx, s, points, keep)
		}},
	} {
		want := ""
		for _, keep := range []bool{false, true} {
			s, closed, err := o.Open("")
			if err != nil {
				return nil, err
			}
			start := time.Now()
			got, err := job.run(ctx, s, keep)
			ms := float64(time.Since(start).Microseconds()) / 1000
			closed()
			if err != nil {
				return nil, err
			}
			r := Row{Job: job.name, Way: map[bool]string{false: "csv", true: "persisted"}[keep], Millis: ms, Same: want == "" || got == want}
			want = got
			o.Tell(r)
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// generate writes the files; their values are functions of the row.
func generate(ctx context.Context, o Options, nodes int, edges, points string) error {
	s, closed, err := o.Open("")
	if err != nil {
		return err
	}
	defer closed()
	for path, q := range map[string]string{
		edges:  fmt.Sprintf("SELECT id %% %d AS src, (id * 7919 + id DIV 13) %% %d AS dst FROM range(%d)", nodes, nodes, 5*nodes),
		points: fmt.Sprintf("SELECT id, (id * 31 %% 1009) / 10 AS x, (id * 17 %% 2003) / 20 AS y, (id * 13 %% 4001) / 40 AS z FROM range(%d)", 10*nodes),
	} {
		df, err := s.SQL(ctx, q)
		if err != nil {
			return err
		}
		if err := df.Write().Mode("overwrite").CSV(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// pageRank iterates, and looks at the sum of the ranks after each round, as who waits
// for them to settle does. Ranks are rounded, so that they do not depend on the order
// in which they are added up.
func pageRank(ctx context.Context, s *millrace.Session, path string, keep bool) (string, error) {
	links := s.Read().Schema("src BIGINT, dst BIGINT").CSV(path)
	out := links.GroupBy("src").Agg("count(*) AS degree")
	links = links.Join(out, []string{"src"}, "inner")
	ranks := out.Select("src AS node", "CAST(1 AS DECIMAL(20, 10)) AS rank")
	if keep {
		if err := links.Persist(ctx, millrace.MemoryAndDisk); err != nil {
			return "", err
		}
	}
	var sums []string
	for range Iterations {
		before := ranks
		ranks = links.Join(before, "src = node", "inner").GroupBy("dst").
			Agg("CAST(0.15 + 0.85 * sum(CAST(rank / degree AS DECIMAL(20, 10))) AS DECIMAL(20, 10)) AS rank").Select("dst AS node", "rank")
		if keep {
			if err := ranks.Persist(ctx, millrace.MemoryAndDisk); err != nil {
				return "", err
			}
		}
		rows, err := ranks.Agg("sum(rank)", "count(*)").Collect(ctx)
		if err != nil {
			return "", err
		}
		sums = append(sums, fmt.Sprint(rows[0]))
		if keep {
			if err := before.Unpersist(ctx); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(sums, " "), nil
}

// kMeans moves four centers to the middle of the points that are closest to them.
func kMeans(ctx context.Context, s *millrace.Session, path string, keep bool) (string, error) {
	points := s.Read().Schema("id BIGINT, x DOUBLE, y DOUBLE, z DOUBLE").CSV(path)
	if keep {
		if err := points.Persist(ctx, millrace.MemoryAndDisk); err != nil {
			return "", err
		}
	}
	centers := [][3]float64{{10, 10, 10}, {90, 10, 50}, {10, 90, 80}, {60, 60, 60}}
	for range Iterations {
		best, at := "", ""
		var distances []string
		for _, c := range centers {
			distances = append(distances, fmt.Sprintf("(x - %[1]g) * (x - %[1]g) + (y - %[2]g) * (y - %[2]g) + (z - %[3]g) * (z - %[3]g)", c[0], c[1], c[2]))
		}
		best = "least(" + strings.Join(distances, ", ") + ")"
		for i, d := range distances {
			at += fmt.Sprintf(" WHEN %s = best THEN %d", d, i)
		}
		rows, err := points.Select("x", "y", "z", best+" AS best").Select("x", "y", "z", "CASE"+at+" END AS c").
			GroupBy("c").Agg("round(avg(x), 4)", "round(avg(y), 4)", "round(avg(z), 4)").OrderBy("c").Collect(ctx)
		if err != nil {
			return "", err
		}
		for _, r := range rows {
			i, err := index(r[0])
			if err != nil {
				return "", err
			}
			for k := range 3 {
				centers[i][k] = r[1+k].(float64)
			}
		}
	}
	return fmt.Sprint(centers), nil
}

func index(v any) (int64, error) {
	i, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("a point is closest to no center: %v", v)
	}
	return i, nil
}
