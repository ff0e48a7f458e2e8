package analyze

import (
	"context"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/catalog/catalogtest"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

// tables are TPC-H's and three small ones with all that those lack: nullable
// columns, names in common, mixed case, nested types.
func tables() catalogtest.Tables {
	null := func(name string, t columnar.Type) catalogtest.Column {
		return catalogtest.Column{Name: name, Type: t, Nullable: true}
	}
	ts := catalogtest.TPCH()
	ts.Add(catalogtest.New("t", 100,
		catalogtest.Column{Name: "a", Type: columnar.Int32Type}, null("b", columnar.Int64Type), null("c", columnar.StringType),
		null("d", columnar.DecimalType(10, 2)), null("f", columnar.Float64Type), null("day", columnar.DateType),
		null("at", columnar.TimestampType), null("ok", columnar.BoolType)))
	ts.Add(catalogtest.New("u", 10,
		catalogtest.Column{Name: "a", Type: columnar.Int64Type}, null("c", columnar.StringType), null("Mixed", columnar.Int32Type)))
	ts.Add(catalogtest.New("n", 10,
		null("s", columnar.StructType(columnar.Field{Name: "x", Type: columnar.Int32Type, Nullable: true})),
		null("l", columnar.ListType(columnar.Int32Type, true)), null("m", columnar.MapType(columnar.StringType, columnar.Int32Type, true))))
	return ts
}

// views are what the session has: v over t, w over v with other names, and one
// that refers to itself.
func views(t *testing.T) map[string]logical.Plan {
	out := map[string]logical.Plan{}
	for name, text := range map[string]string{
		"v": "SELECT a, sum(b) AS total FROM t GROUP BY a", "w": "SELECT x.a AS Key, total FROM v x WHERE total > 1",
		"loop": "SELECT * FROM loop", "stale": "SELECT gone FROM t",
	} {
		p, err := sql.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = p
	}
	return out
}

func options(t *testing.T) Options {
	return Options{
		Resolver: tables(), Views: views(t), Zone: time.FixedZone("UTC+3", 3*3600),
		Now: time.Date(2026, 2, 28, 22, 30, 0, 0, time.UTC),
	}
}

// TestGolden analyzes the queries under testdata. A case is a query, a line
// ----, the resolved plan or the error as the shell shows it, a line ====. Every
// plan passes Check, and so does a fresh copy of it.
func TestGolden(t *testing.T) {
	golden.Cases(t, "testdata/*.txt", func(t *testing.T, _, query string) string { return outcome(t, query) })
}

func outcome(t *testing.T, query string) string {
	p, err := sql.Parse(query)
	if err != nil {
		t.Errorf("%s\n%v", query, err)
		return err.Error()
	}
	o := options(t)
	q, err := Analyze(context.Background(), p, o)
	if err != nil {
		if diag.ClassOf(err) == "" || diag.ClassOf(err) == diag.Internal {
			t.Errorf("%s\n%v", query, err)
		}
		return diag.Render(err, query)
	}
	if err := Check(q); err != nil {
		t.Errorf("%s\n%v\n%s", query, err, dump(q))
	}
	return dump(q)
}
