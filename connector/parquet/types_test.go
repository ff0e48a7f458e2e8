package parquet_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
)

// store writes rows by the library's own writer.
func store[T any](t *testing.T, path string, rows []T, options ...pq.WriterOption) {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func openTable(t *testing.T, path string) (*parquet.Connector, connector.Table) {
	t.Helper()
	c := parquet.New()
	tab, err := c.Open(context.Background(), catalog.TableRef{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return c, tab
}

// rowsOf scans and prints the rows that count, values separated by |.
func rowsOf(t *testing.T, c connector.Connector, tab connector.Table, req connector.ScanRequest) []string {
	t.Helper()
	out := []string{}
	err := scan(c, tab, req, func(b *columnar.Batch) {
		for i := range b.Selected() {
			var row []string
			for k := range b.Cols {
				row = append(row, string(text.AppendValue(nil, &b.Cols[k], b.RowAt(i), time.UTC)))
			}
			out = append(out, strings.Join(row, "|"))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func column(tab connector.Table, i int) *expr.Column {
	f := tab.Schema().Fields[i]
	return &expr.Column{Index: i, Name: f.Name, Typ: f.Type, Null: f.Nullable}
}

func where(op string, c *expr.Column, value any) []expr.Expr {
	return []expr.Expr{expr.NewCall(op, columnar.BoolType, c, &expr.Literal{Value: value, Typ: c.Typ})}
}

type integers struct {
	U8  uint8   `parquet:"u8"`
	U16 uint16  `parquet:"u16"`
	U32 uint32  `parquet:"u32"`
	U64 uint64  `parquet:"u64"`
	F32 float32 `parquet:"f32"`
	F64 float64 `parquet:"f64"`
}

// TestUnsigned: values above the signed range are themselves, plain and in
// dictionaries, and bounds do not prune them away.
func TestUnsigned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "u.parquet")
	store(t, path, []integers{{1, 1, 1, 1, 1, 1}, {255, 65535, math.MaxUint32, math.MaxUint64, 2, 2}})
	c, tab := openTable(t, path)
	if got, want := tab.Schema().String(), "u8 smallint not null, u16 int not null, u32 bigint not null, u64 decimal(20,0) not null, f32 float not null, f64 double not null"; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
	all := identity(every(tab))
	if d := cmp.Diff([]string{"1|1|1|1|1.0|1.0", "255|65535|4294967295|18446744073709551615|2.0|2.0"}, rowsOf(t, c, tab, all)); d != "" {
		t.Error(d)
	}
	for i, big := range []any{int64(200), int64(60_000), int64(math.MaxInt32), columnar.Int128Of(math.MaxInt64), 1.5, 1.5} {
		all.Filters = where(">", column(tab, i), big)
		if got := rowsOf(t, c, tab, all); len(got) != 1 {
			t.Errorf("column %d > %v: %v", i, big, got)
		}
	}
}

// TestNaN: NaN is greater than every number, and writers leave it out of bounds.
func TestNaN(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nan.parquet")
	store(t, path, []integers{{F32: 1, F64: 1}, {F32: float32(math.NaN()), F64: math.NaN()}, {F32: -3, F64: -3}})
	c, tab := openTable(t, path)
	for _, i := range []int{4, 5} {
		req := identity(every(tab))
		req.Project = []int{i}
		req.Filters = where(">", column(tab, i), 100.0)
		if d := cmp.Diff([]string{"NaN"}, rowsOf(t, c, tab, req)); d != "" {
			t.Error(d)
		}
		if s := tab.Statistics().Columns[i]; s.Max != nil {
			t.Errorf("column %d claims that nothing is above %v", i, s.Max)
		}
	}
}

type times struct {
	Ms  int64  `parquet:"ms,timestamp(millisecond)"`
	Us  int64  `parquet:"us,timestamp(microsecond)"`
	Ns  int64  `parquet:"ns,timestamp(nanosecond)"`
	NTZ int64  `parquet:"ntz,timestamp(millisecond:local)"`
	TMs int32  `parquet:"tms,time(millisecond)"`
	TUs int64  `parquet:"tus,time(microsecond)"`
	TNs int64  `parquet:"tns,time(nanosecond)"`
	DMs *int64 `parquet:"dms,optional,dict,timestamp(millisecond)"`
}

// TestTimes reads every unit, in dictionaries too; what lies before the epoch
// is rounded down.
func TestTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "times.parquet")
	x := int64(1500)
	store(t, path, []times{{1500, 1500, 1500, 1500, 1500, 1500, 1500, &x}, {-1, -1, -1, -1, 0, 0, 0, nil}})
	c, tab := openTable(t, path)
	want := []string{
		"1970-01-01 00:00:01.5|1970-01-01 00:00:00.0015|1970-01-01 00:00:00.000001|1970-01-01 00:00:01.5|00:00:01.5|00:00:00.0015|00:00:00.000001|1970-01-01 00:00:01.5",
		"1969-12-31 23:59:59.999|1969-12-31 23:59:59.999999|1969-12-31 23:59:59.999999|1969-12-31 23:59:59.999|00:00:00|00:00:00|00:00:00|NULL",
	}
	all := identity(every(tab))
	if d := cmp.Diff(want, rowsOf(t, c, tab, all)); d != "" {
		t.Error(d)
	}
	for i, ms := range map[int]int64{0: 1_500_000, 1: 1500, 2: 1, 3: 1_500_000} {
		s := tab.Statistics().Columns[i]
		if s.Max != ms {
			t.Errorf("column %d: greatest value %v, want %d", i, s.Max, ms)
		}
	}
	store(t, path, []times{{Ms: math.MaxInt64 / 10}})
	c, tab = openTable(t, path)
	if err := scan(c, tab, identity([]int{0}), func(*columnar.Batch) {}); diag.ClassOf(err) != diag.DatetimeOverflow {
		t.Errorf("a time beyond 64 bits of microseconds: %v", err)
	}
}

type inner struct {
	A int64
	B []string
}

type nested struct {
	Before string           `parquet:"before"`
	List   []int64          `parquet:"list,list"`
	Struct inner            `parquet:"struct"`
	Map    map[string]int64 `parquet:"map"`
	After  int64            `parquet:"after"`
}

// TestNested reads nested columns beside flat ones.
func TestNested(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nested.parquet")
	store(t, path, []nested{{"x", []int64{1, 2}, inner{1, []string{"a"}}, map[string]int64{"k": 1}, 7}, {"y", nil, inner{}, nil, 8}})
	c, tab := openTable(t, path)
	kinds := []columnar.Kind{columnar.String, columnar.List, columnar.Struct, columnar.Map, columnar.Int64}
	for i, f := range tab.Schema().Fields {
		if f.Type.Kind != kinds[i] {
			t.Errorf("%s is %s", f.Name, f.Type)
		}
	}
	if d := cmp.Diff([]string{`x|[1,2]|{"A":1,"B":["a"]}|{"k":1}|7`, `y|[]|{"A":0,"B":[]}|{}|8`}, rowsOf(t, c, tab, identity(every(tab)))); d != "" {
		t.Error(d)
	}
}

// every lists the columns of a table.
func every(t connector.Table) []int {
	var out []int
	for i := range t.Schema().Fields {
		out = append(out, i)
	}
	return out
}

type point struct {
	X *int32  `parquet:"x,optional"`
	S *string `parquet:"s,optional,dict"`
}

type list struct {
	Items []int32 `parquet:"items,list"`
}

type bag struct {
	ID     int64             `parquet:"id"`
	Points []point           `parquet:"points,list"`
	Lists  []list            `parquet:"lists"`
	Place  *point            `parquet:"place,optional"`
	Names  map[string]string `parquet:"names"`
	Plain  []string          `parquet:"plain"`
}

// TestNestedRandom reads random nested rows from tiny pages in random batches,
// with and without a filter that passes most of them, and compares.
func TestNestedRandom(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	for range 10 {
		var rows []bag
		var want []string
		for id := range 300 {
			b := bag{ID: int64(id)}
			pt := func() (p point, s string) {
				x, name := "null", "null"
				if rnd.Intn(3) > 0 {
					v := int32(rnd.Intn(100))
					p.X, x = &v, fmt.Sprint(v)
				}
				if rnd.Intn(3) > 0 {
					v := string(rune('a' + rnd.Intn(5)))
					p.S, name = &v, `"`+v+`"`
				}
				return p, `{"x":` + x + `,"s":` + name + `}`
			}
			var points, lists, plain, names []string
			for range rnd.Intn(4) {
				p, s := pt()
				b.Points, points = append(b.Points, p), append(points, s)
			}
			for range rnd.Intn(3) {
				var l []int32
				var s []string
				for range rnd.Intn(40) {
					x := int32(rnd.Intn(1000))
					l, s = append(l, x), append(s, fmt.Sprint(x))
				}
				b.Lists, lists = append(b.Lists, list{l}), append(lists, `{"items":[`+strings.Join(s, ",")+"]}")
			}
			place := "NULL"
			if rnd.Intn(2) == 0 {
				p, s := pt()
				b.Place, place = &p, s
			}
			if rnd.Intn(2) == 0 {
				b.Names, names = map[string]string{"k": "v"}, []string{`"k":"v"`}
			}
			for range rnd.Intn(3) {
				b.Plain, plain = append(b.Plain, "p"), append(plain, `"p"`)
			}
			rows = append(rows, b)
			want = append(want, fmt.Sprintf("%d|[%s]|[%s]|%s|{%s}|[%s]", id, strings.Join(points, ","), strings.Join(lists, ","), place, strings.Join(names, ","), strings.Join(plain, ",")))
		}
		path := filepath.Join(t.TempDir(), "bags.parquet")
		store(t, path, rows, pq.PageBufferSize(200+rnd.Intn(3000)), pq.DataPageVersion(1+rnd.Intn(2)), pq.MaxRowsPerRowGroup(200))
		c, tab := openTable(t, path)
		req := identity(every(tab))
		req.BatchRows = 1 + rnd.Intn(120)
		if d := cmp.Diff(want, rowsOf(t, c, tab, req)); d != "" {
			t.Fatal(d)
		}
		from := int64(rnd.Intn(300))
		req.Filters = []expr.Expr{expr.NewCall(">=", columnar.BoolType, &expr.Column{Index: 0, Typ: columnar.Int64Type}, expr.Lit(from, columnar.Int64Type))}
		if d := cmp.Diff(want[from:], rowsOf(t, c, tab, req)); d != "" {
			t.Fatalf("from %d: %s", from, d)
		}
	}
}

// TestFilesTogether: a column is nullable if it is in any file, and bounds span
// all files.
func TestFilesTogether(t *testing.T) {
	type a struct {
		X int64 `parquet:"x"`
	}
	type b struct {
		X *int64 `parquet:"x,optional"`
	}
	dir, five := t.TempDir(), int64(5)
	store(t, filepath.Join(dir, "1.parquet"), []a{{10}, {20}})
	store(t, filepath.Join(dir, "2.parquet"), []b{{&five}, {nil}})
	c, tab := openTable(t, dir)
	if !tab.Schema().Fields[0].Nullable {
		t.Error("the second file's nulls are denied")
	}
	s := tab.Statistics().Columns[0]
	if s.Min != int64(5) || s.Max != int64(20) || s.NullCount != 1 {
		t.Errorf("%+v", s)
	}
	if d := cmp.Diff([]string{"10", "20", "5", "NULL"}, rowsOf(t, c, tab, identity([]int{0}))); d != "" {
		t.Error(d)
	}
	store(t, filepath.Join(dir, "2.parquet"), []b{{&five}, {nil}, {&five}, {nil}, {nil}})
	if _, err := c.Splits(context.Background(), tab.Descriptor(), identity([]int{0})); diag.ClassOf(err) != diag.CorruptFile {
		t.Errorf("a file that changed since planning: %v", err)
	}
}

type wide struct {
	Key  int64    `parquet:"key"`
	Null *int64   `parquet:"null,optional"`
	Text string   `parquet:"text,dict"`
	Opt  *string  `parquet:"opt,optional,dict"`
	Long string   `parquet:"long"`
	Bool *bool    `parquet:"bool,optional"`
	F    *float64 `parquet:"f,optional"`
}

// TestSkip compares what filters leave, with batches and pages of many sizes,
// with the rows of a scan without filters.
func TestSkip(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	rows := make([]wide, 30_000)
	for i := range rows {
		r := &rows[i]
		r.Key, r.Text, r.Long = int64(i), fmt.Sprint(rnd.Intn(50)), strings.Repeat("x", rnd.Intn(20))+fmt.Sprint(i)
		if n := rnd.Int63n(1000); rnd.Intn(3) > 0 {
			s, b, f := fmt.Sprint(n%7), n%2 == 0, float64(n)
			r.Null, r.Opt, r.Bool, r.F = &n, &s, &b, &f
		}
	}
	for _, page := range []int{200, 3000, 100_000} {
		for _, version := range []int{1, 2} {
			path := filepath.Join(t.TempDir(), "skip.parquet")
			store(t, path, rows, pq.PageBufferSize(page), pq.DataPageVersion(version), pq.MaxRowsPerRowGroup(13_000), pq.Compression(&pq.Snappy))
			c, tab := openTable(t, path)
			all := rowsOf(t, c, tab, identity(every(tab)))
			if len(all) != len(rows) {
				t.Fatalf("%d rows", len(all))
			}
			for range 8 {
				req := identity(every(tab))
				req.BatchRows = 1 + rnd.Intn(2000)
				from := rnd.Int63n(30_000)
				to := from + rnd.Int63n(5000)
				req.Filters = append(where(">=", column(tab, 0), from), where("<", column(tab, 0), to)...)
				want := all[from:min(to, 30_000)]
				if rnd.Intn(2) == 0 {
					req.Filters = append(req.Filters, where("=", column(tab, 2), "7")...)
					var some []string
					for _, x := range want {
						if strings.Split(x, "|")[2] == "7" {
							some = append(some, x)
						}
					}
					want = some
				}
				got := rowsOf(t, c, tab, req)
				if len(want)+len(got) > 0 && !cmp.Equal(got, want) {
					t.Fatalf("pages of %d bytes, version %d, batches of %d, keys %d–%d: %d rows, want %d", page, version, req.BatchRows, from, to, len(got), len(want))
				}
			}
		}
	}
}
