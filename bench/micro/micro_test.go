package micro_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/micro"
	"github.com/millrace-engine/millrace/bench/table"
)

const sf = 0.001

// digest hashes the files of a directory with their names.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		io.WriteString(h, rel)
		b, err := os.ReadFile(path)
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// The data does not depend on the workers, and what is there is kept.
func TestGen(t *testing.T) {
	var sums []string
	for _, workers := range []int{1, 3} {
		dir := t.TempDir()
		made := 0
		o := micro.Options{SF: sf, Options: table.Options{Dir: dir, Workers: workers, Progress: func(string) { made++ }}}
		if err := micro.Gen(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, digest(t, dir))
		if made == 0 {
			t.Error("no progress was told")
		}
		made = 0
		if err := micro.Gen(t.Context(), o); err != nil || made != 0 {
			t.Errorf("%d files were made again (%v)", made, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if want := []string{"dim.parquet", "east.parquet", "facts.parquet", "ints.parquet", "lineitem.csv", "strings.parquet", "west.parquet"}; !sort.StringsAreSorted(names) || len(names) != len(want) {
			t.Errorf("made %v, want %v", names, want)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("files of one worker %s, of three %s", sums[0], sums[1])
	}
	if err := micro.Gen(t.Context(), micro.Options{SF: 0, Options: table.Options{Dir: t.TempDir()}}); err == nil {
		t.Error("a scale factor of 0 was taken")
	}
}

// The queries mean what their names say: groups, matches and rows are counted.
func TestQueries(t *testing.T) {
	dir := t.TempDir()
	if err := micro.Gen(t.Context(), micro.Options{SF: sf, Options: table.Options{Dir: dir, Workers: 2}}); err != nil {
		t.Fatal(err)
	}
	s, err := millrace.Open(t.Context(), "local[2]")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, x := range micro.Tables(sf) {
		if err := s.Read().Parquet(filepath.Join(dir, x.Name+".parquet")).CreateOrReplaceTempView(t.Context(), x.Name); err != nil {
			t.Fatal(err)
		}
	}
	first := map[string]string{"group-10": "10", "group-1e6": "1000", "group-1e7": "20000", "join-1-1": "5000", "join-1-n": "20000", "join-skewed": "20000"}
	rows := map[string]int{"sort-ints": 10000, "sort-strings": 5000}
	for _, q := range micro.Queries(sf, dir) {
		if q.Convert != nil {
			if len(q.Convert.Columns) != 16 || q.Convert.Columns[4].Type != "DECIMAL(15,2)" || q.Convert.Columns[8].Type != "VARCHAR" {
				t.Errorf("columns %v", q.Convert.Columns)
			}
			continue
		}
		df, err := s.SQL(t.Context(), q.SQL)
		if err != nil {
			t.Fatalf("%s: %v", q.Name, err)
		}
		r, err := df.Run(t.Context())
		if err == nil {
			err = r.Fetch()
		}
		if err != nil {
			t.Fatalf("%s: %v", q.Name, err)
		}
		if n, ok := rows[q.Name]; ok && r.Len() != n || !ok && r.Len() != 1 {
			t.Errorf("%s: %d rows", q.Name, r.Len())
		}
		_ = r.Each(func(v []string, _ []bool) error {
			if want, ok := first[q.Name]; ok && v[0] != want {
				t.Errorf("%s: %s, want %s", q.Name, v[0], want)
			}
			return nil
		})
	}
	df, err := s.SQL(t.Context(), "SELECT count(*) FROM facts WHERE z < 8") // of 1000 keys: a third of the rows
	if err != nil {
		t.Fatal(err)
	}
	got, err := df.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := got[0][0].(int64); n < 3000 || n > 9000 {
		t.Errorf("%s of 20000 rows have the first 8 keys", strconv.FormatInt(n, 10))
	}
}
