package parquet_test

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
)

// record is a row of the files that another writer makes.
type record struct {
	ID     int64   `parquet:"id"`
	Sorted int32   `parquet:"sorted"`
	Maybe  *int64  `parquet:"maybe,optional"`
	Name   string  `parquet:"name"`
	Coded  *string `parquet:"coded,optional,dict"`
	Number float64 `parquet:"number"`
	Delta  int64   `parquet:"delta,delta"`
	Text   string  `parquet:"text,delta"`
	Flag   bool    `parquet:"flag"`
}

func randomRecords(rnd *rand.Rand, n int) []record {
	out := make([]record, n)
	sorted := int32(0)
	for i := range out {
		sorted += int32(rnd.Intn(3))
		r := record{ID: int64(i), Sorted: sorted, Name: fmt.Sprintf("name %04d", rnd.Intn(n)), Number: float64(rnd.Intn(100)) / 4, Delta: int64(i/10) - 20, Text: fmt.Sprintf("t%05d", i/3), Flag: rnd.Intn(2) == 0}
		if i/40%3 > 0 { // whole pages of nulls
			x := int64(rnd.Intn(50))
			r.Maybe = &x
		}
		if rnd.Intn(4) > 0 {
			x := string(rune('a' + rnd.Intn(6)))
			r.Coded = &x
		}
		out[i] = r
	}
	return out
}

// foreign writes records with tiny pages and bloom filters by parquet-go.
func foreign(t *testing.T, path string, recs []record, codec compress.Codec, version int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pq.NewGenericWriter[record](f, pq.PageBufferSize(300), pq.DataPageVersion(version), pq.Compression(codec), pq.MaxRowsPerRowGroup(400),
		pq.BloomFilters(pq.SplitBlockFilter(10, "id"), pq.SplitBlockFilter(10, "name"), pq.SplitBlockFilter(10, "number")))
	if _, err := w.Write(recs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// values are those of a record, by column; nil is null.
func (r *record) values() []any {
	out := []any{r.ID, int64(r.Sorted), nil, r.Name, nil, r.Number, r.Delta, r.Text, r.Flag}
	if r.Maybe != nil {
		out[2] = *r.Maybe
	}
	if r.Coded != nil {
		out[4] = *r.Coded
	}
	return out
}

// matches evaluates a comparison naively.
func matches(op string, a, b any) bool {
	if a == nil || strings.HasPrefix(op, "is") {
		return op == "isnull" == (a == nil) && strings.HasPrefix(op, "is")
	}
	c := 0
	switch x := a.(type) {
	case int64:
		c = sort.SearchInts([]int{int(b.(int64))}, int(x))*2 - 1
		if x == b.(int64) {
			c = 0
		}
	case float64:
		if y := b.(float64); x < y {
			c = -1
		} else if x > y {
			c = 1
		}
	case string:
		if y := b.(string); x < y {
			c = -1
		} else if x > y {
			c = 1
		}
	}
	switch op {
	case "=":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// TestForeignPages reads files of another writer, with random filters on all
// columns, and compares with a loop over the records: every encoding, pages that
// straddle batches, pages without values, indexes and bloom filters.
func TestForeignPages(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	ctx := context.Background()
	c := parquet.New()
	var total connector.ScanStats
	for round, codec := range []compress.Codec{&pq.Snappy, &pq.Zstd, &pq.Gzip, &pq.Lz4Raw, &pq.Brotli, &pq.Uncompressed} {
		recs := randomRecords(rnd, 1000)
		path := filepath.Join(t.TempDir(), "x.parquet")
		foreign(t, path, recs, codec, 1+round%2)
		tab, err := c.Open(ctx, catalog.TableRef{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		fields := tab.Schema().Fields
		for range 150 {
			req := connector.ScanRequest{BatchRows: 1 + rnd.Intn(200)}
			req.Columns = append(req.Columns, rnd.Perm(len(fields))...)
			k := rnd.Intn(len(fields) - 1) // not the flag
			op := []string{"=", "=", "<", "<=", ">", ">=", "isnull", "isnotnull"}[rnd.Intn(8)]
			lit := recs[rnd.Intn(len(recs))].values()[k]
			for lit == nil {
				lit = recs[rnd.Intn(len(recs))].values()[k]
			}
			if rnd.Intn(3) == 0 { // perhaps one that is not there
				switch x := lit.(type) {
				case int64:
					lit = x * 3
				case string:
					lit = x + "!"
				case float64:
					lit = x + 0.1
				}
			}
			at := 0
			for i, col := range req.Columns {
				req.Project = append(req.Project, i)
				if col == k {
					at = i
				}
			}
			args := []expr.Expr{&expr.Column{Index: at, Typ: fields[k].Type, Null: fields[k].Nullable}, expr.Lit(lit, fields[k].Type)}
			if strings.HasPrefix(op, "is") {
				args = args[:1]
			}
			req.Filters = []expr.Expr{expr.NewCall(op, columnar.BoolType, args...)}
			var want []string
			for i := range recs {
				if vs := recs[i].values(); matches(op, vs[k], lit) {
					row := ""
					for _, col := range req.Columns {
						row += "|" + show(vs[col])
					}
					want = append(want, row)
				}
			}
			var got []string
			st, err := scanStats(c, tab, req, func(b *columnar.Batch) {
				for i := range b.Selected() {
					row := ""
					for k := range b.Cols {
						row += "|" + render(&b.Cols[k], b.RowAt(i))
					}
					got = append(got, row)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v %s %s %v, batches of %d: %d rows, want %d\n%.300v\n%.300v", codec, fields[k].Name, op, lit, req.BatchRows, len(got), len(want), got, want)
			}
			total.PagesPruned += st.PagesPruned
			total.RowGroupsPruned += st.RowGroupsPruned
		}
	}
	if total.PagesPruned < 5000 || total.RowGroupsPruned < 10 {
		t.Errorf("%d pages and %d row groups were pruned", total.PagesPruned, total.RowGroupsPruned)
	}
}

func show(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case float64:
		if x == float64(int64(x)) {
			return fmt.Sprintf("%.1f", x)
		}
	}
	return fmt.Sprint(v)
}

// scanStats is scan with the counters added up.
func scanStats(c connector.Connector, t connector.Table, req connector.ScanRequest, f func(*columnar.Batch)) (total connector.ScanStats, err error) {
	counting := counting{c, &total}
	return total, scan(&counting, t, req, f)
}

// counting adds up what readers counted.
type counting struct {
	connector.Connector
	total *connector.ScanStats
}

func (c *counting) Scan(ctx context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	r, err := c.Connector.Scan(ctx, d, split, req)
	return &countingReader{r, c.total}, err
}

type countingReader struct {
	connector.Reader
	total *connector.ScanStats
}

func (r *countingReader) Close() error {
	st := r.Reader.Stats()
	r.total.PagesPruned += st.PagesPruned
	r.total.RowGroupsPruned += st.RowGroupsPruned
	r.total.BytesRead += st.BytesRead
	return r.Reader.Close()
}

// TestBloomFilter asks for values that lie within the bounds but do not occur.
func TestBloomFilter(t *testing.T) {
	recs := randomRecords(rand.New(rand.NewSource(1)), 800)
	for i := range recs {
		recs[i].ID *= 2 // the odd ones are missing
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	foreign(t, path, recs, &pq.Snappy, 1)
	c := parquet.New()
	tab, err := c.Open(context.Background(), catalog.TableRef{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	col := &expr.Column{Index: 0, Typ: columnar.Int64Type}
	for _, x := range []struct {
		filter       expr.Expr
		rows, pruned int64
	}{
		{expr.NewCall("=", columnar.BoolType, col, expr.Lit(int64(100), columnar.Int64Type)), 1, 0}, // the other group by its bounds
		{expr.NewCall("=", columnar.BoolType, expr.Lit(int64(101), columnar.Int64Type), col), 0, 1},
		{expr.NewCall("in", columnar.BoolType, col, expr.Lit(int64(101), columnar.Int64Type), expr.Lit(int64(1001), columnar.Int64Type)), 0, 2},
		{expr.NewCall("in", columnar.BoolType, col, expr.Lit(int64(101), columnar.Int64Type), expr.Lit(int64(1000), columnar.Int64Type)), 1, 1},
	} {
		req := identity([]int{0})
		req.Filters = []expr.Expr{x.filter}
		rows := int64(0)
		st, err := scanStats(c, tab, req, func(b *columnar.Batch) { rows += int64(b.Selected()) })
		if err != nil || rows != x.rows || st.RowGroupsPruned != x.pruned {
			t.Errorf("%s: %d rows, %d row groups pruned, want %d and %d: %v", x.filter, rows, st.RowGroupsPruned, x.rows, x.pruned, err)
		}
	}
}

// TestDescriptors reads many files: none stays open, whatever is kept of them, and
// a file that is replaced between the planning and the reading is refused.
func TestDescriptors(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	foreign(t, filepath.Join(dir, "0.parquet"), randomRecords(rand.New(rand.NewSource(1)), 10), &pq.Snappy, 1)
	b, err := os.ReadFile(filepath.Join(dir, "0.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 300; i++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.parquet", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("open files cannot be counted here")
		}
		return len(fds)
	}
	before := open()
	c := parquet.New()
	tab, err := c.Open(ctx, catalog.TableRef{Path: dir})
	if err != nil || tab.Statistics().Rows != 3000 {
		t.Fatal(tab.Statistics().Rows, err)
	}
	rows := 0
	if err := scan(c, tab, identity([]int{0}), func(b *columnar.Batch) { rows += b.Rows }); err != nil || rows != 3000 {
		t.Fatal(rows, err)
	}
	if after := open(); after > before {
		t.Errorf("%d files are open, %d were", after, before)
	}
	splits, err := c.Splits(ctx, tab.Descriptor(), identity([]int{0}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(splits[0].Path, append(b, b...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Scan(ctx, tab.Descriptor(), splits[0].Data, identity([]int{0})); diag.ClassOf(err) != diag.CorruptFile {
		t.Errorf("a replaced file: %v", err)
	}
}

// TestOpenTogether opens files from many goroutines: every one sees the footer,
// also after the file was replaced.
func TestOpenTogether(t *testing.T) {
	ctx := context.Background()
	c := parquet.New()
	dir := t.TempDir()
	for round := range 3 {
		for k := range 4 {
			foreign(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", k)), randomRecords(rand.New(rand.NewSource(1)), 100*(round+1)), &pq.Snappy, 1)
		}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				tab, err := c.Open(ctx, catalog.TableRef{Path: filepath.Join(dir, fmt.Sprintf("%d.parquet", i%4))})
				if err != nil || tab.Statistics().Rows != float64(100*(round+1)) {
					t.Errorf("round %d: %v", round, err)
				}
			}()
		}
		wg.Wait()
	}
}
