package catalogtest

import (
	"context"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

func TestTPCH(t *testing.T) {
	ts := TPCH()
	want := map[string]int{"region": 3, "nation": 4, "supplier": 7, "customer": 8, "part": 9, "partsupp": 5, "orders": 9, "lineitem": 16}
	if len(ts) != len(want) {
		t.Errorf("%d tables, want %d", len(ts), len(want))
	}
	for name, columns := range want {
		table, err := ts.ResolveTable(context.Background(), catalog.TableRef{Parts: []string{"DEFAULT", name}})
		if err != nil {
			t.Fatal(err)
		}
		s := table.Statistics()
		if table.Schema().Len() != columns || len(s.Columns) != columns {
			t.Errorf("%s has %d columns and statistics of %d, want %d", name, table.Schema().Len(), len(s.Columns), columns)
		}
		for i, c := range s.Columns {
			f := table.Schema().Fields[i]
			if c.Distinct <= 0 || c.Distinct > s.Rows || (c.Min == nil) != f.Type.IsBytes() {
				t.Errorf("%s.%s: distinct %v, min %v", name, f.Name, c.Distinct, c.Min)
			}
		}
	}
	for _, ref := range []catalog.TableRef{{Parts: []string{"orderz"}}, {Parts: []string{"a", "orders"}}, {Path: "x.parquet"}} {
		_, err := ts.ResolveTable(context.Background(), ref)
		if c := diag.ClassOf(err); c != diag.TableNotFound && c != diag.PathNotFound {
			t.Errorf("%v: %v", ref, err)
		}
	}
}
