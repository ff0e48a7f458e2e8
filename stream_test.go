package millrace_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// quiet waits until a session's queries have given everything back: goroutines,
// and reserved bytes.
func quiet(t *testing.T, s *millrace.Session, goroutines int) {
	t.Helper()
	for i := 0; runtime.NumGoroutine() > goroutines; i++ {
		if i == 1000 {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), goroutines)
		}
		<-time.After(time.Millisecond) // nothing tells of a goroutine's last instruction
	}
	if n := s.Reserved(); n > 1<<20 { // the store of exchanges keeps a quantum
		t.Errorf("%d bytes are still reserved", n)
	}
}

// The rows of a result come in order while the query runs, sorted ones too.
// Leaving the loop, an error of the reader's and the end of the context stop it.
func TestBatchesStream(t *testing.T) {
	s := openTPCH(t, "local[2]", millrace.WithSetting(settings.ResultBuffer, "64KiB"))
	ctx := context.Background()
	for name, query := range map[string]string{
		"scan":   "SELECT l_orderkey, l_comment FROM lineitem",
		"sorted": "SELECT l_extendedprice, l_comment FROM lineitem ORDER BY l_extendedprice, l_comment",
		"joined": "SELECT o_orderkey, c_name FROM orders JOIN customer ON o_custkey = c_custkey",
	} {
		t.Run(name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			df, err := s.SQL(ctx, query)
			if err != nil {
				t.Fatal(err)
			}
			want, err := df.Count(ctx)
			if err != nil {
				t.Fatal(err)
			}
			rows := int64(0)
			for rec, err := range df.Batches(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				rows += rec.NumRows()
			}
			if rows != want || want < 10000 {
				t.Errorf("%d rows, want %d", rows, want)
			}
			quiet(t, s, goroutines)

			for range df.Batches(ctx) {
				break
			}
			quiet(t, s, goroutines)

			sick := errors.New("enough")
			rows = 0
			if err := df.ForEach(ctx, func(millrace.Row) error {
				if rows++; rows == 9000 {
					return sick
				}
				return nil
			}); !errors.Is(err, sick) {
				t.Errorf("got %v", err)
			}
			quiet(t, s, goroutines)

			cancelled, cancel := context.WithCancel(ctx)
			defer cancel()
			for _, err := range df.Batches(cancelled) {
				if err != nil && diag.ClassOf(err) != diag.Cancelled {
					t.Errorf("got %v", err)
				}
				cancel()
			}
			quiet(t, s, goroutines)
		})
	}
}

// The order of a sorted result survives the way through the window.
func TestSortedStream(t *testing.T) {
	s := openTPCH(t, "local[2]", millrace.WithSetting(settings.ResultBuffer, "64KiB"))
	df, err := s.SQL(context.Background(), "SELECT l_orderkey, l_linenumber FROM lineitem ORDER BY 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	key, line, rows := int64(0), int64(0), 0
	if err := df.ForEach(context.Background(), func(r millrace.Row) error {
		k, l := r[0].(int64), r[1].(int64)
		if k < key || k == key && l <= line {
			return errors.New("the rows are out of order")
		}
		key, line = k, l
		rows++
		return nil
	}); err != nil || rows != 60175 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// Collect gathers a bounded size, and says what to use instead.
func TestCollectLimit(t *testing.T) {
	s := openTPCH(t, "local[2]", millrace.WithSetting(settings.CollectLimit, "1MiB"))
	goroutines := runtime.NumGoroutine()
	_, err := s.Table("lineitem").Collect(context.Background())
	if diag.ClassOf(err) != diag.ResultTooLarge || !strings.Contains(err.Error(), "Batches") || !strings.Contains(err.Error(), settings.CollectLimit) {
		t.Errorf("got %v", err)
	}
	quiet(t, s, goroutines)
	if rows, err := s.Table("nation").Collect(context.Background()); err != nil || len(rows) != 25 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// Queries run while the rows of another one wait, in the middle of its loop.
func TestQueryInsideBatches(t *testing.T) {
	s := openTPCH(t, "local[1]", millrace.WithSetting(settings.ResultBuffer, "64KiB"))
	ctx := context.Background()
	inner := 0
	for _, err := range s.Table("lineitem").Select("l_orderkey", "l_comment").Batches(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Table("orders").Count(ctx); err != nil || n != 15000 {
			t.Fatalf("%d orders, %v", n, err)
		}
		if inner++; inner == 5 {
			break
		}
	}
	if inner != 5 {
		t.Errorf("%d queries ran inside", inner)
	}
}

// A table's columns are as wide as its first 10,000 rows ask for; all rows are in it,
// whether they are fewer or more.
func TestTables(t *testing.T) {
	s := openTPCH(t, "local[2]")
	for _, n := range []int{0, 1, 9999, 10000, 10001, 20000} {
		var b strings.Builder
		r, err := s.Table("lineitem").Select("l_orderkey", "l_comment").Limit(int64(n)).Run(context.Background())
		if err == nil {
			err = r.WriteTable(&b)
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != n+4 || lines[0] != lines[2] || lines[0] != lines[len(lines)-1] || !strings.Contains(lines[1], "l_comment") {
			t.Errorf("%d rows make %d lines", n, len(lines))
		}
	}
}
