package cached

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

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
			took := start()
			got, err := job.run(ctx, s, keep)
			ms, cpu := took()
			closed()
			if err != nil {
				return nil, err
			}
			r := Row{Job: job.name, Way: map[bool]string{false: "csv", true: "persisted"}[keep], Millis: ms, CPU: cpu, Same: want == "" || got == want}
			want = got
			o.Tell(r)
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// generate writes the files; their values are functions of the row. Coordinates have
// all the digits of a float, as measured or computed ones do.
func generate(ctx context.Context, o Options, nodes int, edges, points string) error {
	s, closed, err := o.Open("")
	if err != nil {
		return err
	}
	defer closed()
	for path, q := range map[string]string{
		edges:  fmt.Sprintf("SELECT id %% %d AS src, (id * 7919 + id DIV 13) %% %d AS dst FROM range(%d)", nodes, nodes, 5*nodes),
		points: fmt.Sprintf("SELECT id, 20 * (id %% 4) + 7.3 * sin(id * 1.7) AS x, 30 * (id %% 3) + 9.1 * cos(id * 2.3) AS y, 25 * (id %% 5) + 8.7 * sin(id * 3.1) AS z FROM range(%d)", 10*nodes),
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
		distances, names, at := []any{"x", "y", "z"}, []string{}, "CASE best"
		for i, c := range centers {
			name := fmt.Sprintf("d%d", i)
			distances = append(distances, fmt.Sprintf("(x - %[1]g) * (x - %[1]g) + (y - %[2]g) * (y - %[2]g) + (z - %[3]g) * (z - %[3]g) AS %[4]s", c[0], c[1], c[2], name))
			names = append(names, name)
			at += fmt.Sprintf(" WHEN %s THEN %d", name, i)
		}
		rows, err := points.Select(distances...).
			Select("*", "least("+strings.Join(names, ", ")+") AS best").
			Select("x", "y", "z", at+" END AS c").
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
