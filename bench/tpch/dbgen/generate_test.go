package dbgen_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Every batch must keep the invariants that the engine relies on, and say the
// same as the text form, which is proved by checksums.
func TestBatches(t *testing.T) {
	dictionaries := map[string]*columnar.Dictionary{}
	for _, table := range dbgen.Tables() {
		var rows int64
		var want []byte
		for part := range 3 {
			err := dbgen.Generate(context.Background(), table.Name, 0.01, part, 3, func(b *columnar.Batch) error {
				if b.Rows == 0 || b.Rows > columnar.MaxRows || b.Sel != nil || len(b.Cols) != table.Schema.Len() {
					t.Fatalf("%s: a batch of %d rows, %d columns", table.Name, b.Rows, len(b.Cols))
				}
				for i := range b.Cols {
					v, f := &b.Cols[i], table.Schema.Fields[i]
					if !v.Type.Equal(f.Type) || v.Len != b.Rows || v.HasNulls() || f.Nullable {
						t.Fatalf("%s: %d values of %s in %d rows, nulls %v", f.Name, v.Len, v.Type, b.Rows, v.HasNulls())
					}
					if v.Enc != columnar.Dict {
						continue
					}
					if d := dictionaries[f.Name]; d != nil && d != v.Dict {
						t.Fatalf("%s: another dictionary than before", f.Name)
					}
					dictionaries[f.Name] = v.Dict
					if !v.Dict.Unique || !v.Dict.Values.Stable || int(slices.Max(v.Codes())) >= v.Dict.Values.Len {
						t.Fatalf("%s: the dictionary is not unique and stable, or too short", f.Name)
					}
				}
				for row := range b.Rows {
					for i := range b.Cols {
						want = append(text.AppendValue(want, &b.Cols[i], row, time.UTC), '|')
						if table.Schema.Fields[i].Name == "l_quantity" {
							want = append(want[:len(want)-4], '|') // .00
						}
					}
					want = append(want, '\n')
				}
				rows += int64(b.Rows)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := dbgen.Rows(table.Name, 0.01); n != rows {
			t.Errorf("%s has %d rows, Rows says %d", table.Name, rows, n)
		}
		var got bytes.Buffer
		if err := dbgen.WriteTBL(context.Background(), &got, table.Name, 0.01, 0, 1); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: the vectors and the text differ", table.Name)
		}
	}
	if len(dictionaries) != 11 {
		t.Errorf("%d columns have dictionaries, expected 11", len(dictionaries))
	}
}

// CSV read by a reader of the standard library must be the values of TBL.
func TestCSV(t *testing.T) {
	for _, table := range []string{"nation", "customer", "lineitem"} {
		err := dbgen.Generate(context.Background(), table, 0.001, 0, 1, func(b *columnar.Batch) error {
			rows, err := csv.NewReader(bytes.NewReader(dbgen.AppendCSV(nil, b))).ReadAll()
			if err != nil {
				return err
			}
			lines := strings.Split(strings.TrimSuffix(string(dbgen.AppendTBL(nil, b)), "\n"), "\n")
			if len(rows) != len(lines) {
				t.Fatalf("%s: %d rows, %d lines", table, len(rows), len(lines))
			}
			for i, r := range rows {
				if table == "lineitem" {
					r[4] = strings.TrimSuffix(r[4], ".00")
				}
				if got := strings.Join(r, "|") + "|"; got != lines[i] {
					t.Fatalf("%s, line %d:\n%s\n%s", table, i+1, got, lines[i])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The row counts at scale factor 1 are known.
func TestRows(t *testing.T) {
	for table, want := range map[string]int64{"region": 5, "nation": 25, "supplier": 10_000, "customer": 150_000, "part": 200_000,
		"partsupp": 800_000, "orders": 1_500_000, "lineitem": 6_001_215, "nothing": 0} {
		if got := dbgen.Rows(table, 1); got != want {
			t.Errorf("%s has %d rows, expected %d", table, got, want)
		}
	}
}

// Tables so small that they would be empty still have a row to refer to.
func TestTinyScale(t *testing.T) {
	for _, table := range dbgen.Tables() {
		for _, sf := range []float64{1e-9, 0.00001, 0.0002} {
			n := 0
			for part := range 4 {
				err := dbgen.Generate(context.Background(), table.Name, sf, part, 4, func(b *columnar.Batch) error { n += b.Rows; return nil })
				if err != nil {
					t.Fatal(err)
				}
			}
			if n == 0 {
				t.Errorf("%s is empty at scale factor %g", table.Name, sf)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	sink := func(*columnar.Batch) error { return nil }
	for name, c := range map[string]struct {
		table       string
		sf          float64
		part, parts int
		want        diag.Class
	}{
		"table":      {"nothing", 1, 0, 1, diag.TableNotFound},
		"no scale":   {"orders", 0, 0, 1, diag.InvalidArgument},
		"huge scale": {"orders", 1e6, 0, 1, diag.InvalidArgument},
		"no number":  {"orders", nan(), 0, 1, diag.InvalidArgument},
		"part":       {"orders", 1, 2, 2, diag.InvalidArgument},
		"no parts":   {"orders", 1, 0, 0, diag.InvalidArgument},
	} {
		var e *diag.Error
		if err := dbgen.Generate(context.Background(), c.table, c.sf, c.part, c.parts, sink); !errors.As(err, &e) || e.Class != c.want {
			t.Errorf("%s: %v, expected %s", name, err, c.want)
		}
	}
	full := errors.New("full")
	if err := dbgen.Generate(context.Background(), "part", 0.1, 0, 1, func(*columnar.Batch) error { return full }); !errors.Is(err, full) {
		t.Errorf("the sink's error became %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	batches := 0
	err := dbgen.Generate(ctx, "part", 0.1, 0, 1, func(*columnar.Batch) error { batches++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || batches != 1 {
		t.Errorf("%d batches after the cancellation: %v", batches, err)
	}
}

func nan() float64 { var zero float64; return zero / zero }

// The buffers are used again: what is allocated must not grow with the rows.
func TestAllocations(t *testing.T) {
	allocations := func(sf float64) float64 {
		return testing.AllocsPerRun(1, func() {
			if err := dbgen.Generate(context.Background(), "lineitem", sf, 0, 1, func(*columnar.Batch) error { return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := allocations(0.01), allocations(0.05); large > small+20 {
		t.Errorf("%.0f allocations for 60,000 rows, %.0f for 300,000", small, large)
	}
}
