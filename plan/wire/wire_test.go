package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

func column(i int, s *columnar.Schema) expr.Expr {
	f := s.Fields[i]
	return &expr.Column{Index: i, Name: f.Name, Typ: f.Type, Null: f.Nullable}
}

func call(fn string, t columnar.Type, args ...expr.Expr) expr.Expr {
	f, ok := expr.Builtins().Lookup(fn)
	if !ok {
		panic("no function " + fn)
	}
	return &expr.Call{Fn: f, Args: args, Typ: t, Null: true, Place: diag.At(7)}
}

func number(v int64) *expr.Literal { return &expr.Literal{Value: v, Typ: columnar.Int64Type} }

var facts = columnar.NewSchema(
	columnar.Field{Name: "k", Type: columnar.Int64Type},
	columnar.Field{Name: "price", Type: columnar.DecimalType(12, 2), Nullable: true},
	columnar.Field{Name: "flag", Type: columnar.StringType},
	columnar.Field{Name: "shipped", Type: columnar.DateType, Nullable: true},
)

func scan() *physical.Scan {
	date := &expr.Literal{Value: int64(10_000), Typ: columnar.DateType}
	return &physical.Scan{Name: "parquet lineitem", Table: catalog.Descriptor{Connector: "parquet", Data: []byte(`{"f":[]}`)},
		Columns: []int{0, 5, 8, 10}, Read: facts, Project: []int{0, 1, 2, 3}, Rows: -1,
		Filters:        []expr.Expr{call("<=", columnar.BoolType, column(3, facts), date)},
		RuntimeFilters: []physical.RuntimeFilter{{ID: 3, Column: 0}}}
}

func leaf(exchange int, mode physical.SourceMode) *physical.Source {
	s := &physical.Source{Leaf: 1, Exchange: exchange, Mode: mode, Out: facts, Rows: 100}
	if mode == physical.ReadMerge {
		s.Order = []expr.SortOrder{{Expr: column(0, facts), Desc: true, NullsLast: true}}
	}
	return s
}

// kept is a scan of a cached dataset.
func kept() *physical.Scan {
	s := scan()
	s.Table, s.Columns = catalog.Descriptor{Data: []byte{}}, []int{0, 1, 2, 3}
	s.Dataset = &physical.Dataset{ID: 7, Storage: physical.Storage{Memory: true, Serialized: true, Replicas: 2, Priority: -1}, Origin: scan()}
	return s
}

// stages are hand-built stages that hold every node and every expression.
func stages() map[string]*stage.Stage {
	count := physical.AggCall{Fn: "count", Result: columnar.Int64Type}
	avg := physical.AggCall{Fn: "avg", Args: []expr.Expr{column(1, facts)}, ArgTypes: []columnar.Type{columnar.DecimalType(12, 2)},
		Result: columnar.DecimalType(16, 6), Null: true, Place: diag.At(40), Filter: call("isnotnull", columnar.BoolType, column(3, facts))}
	states := columnar.NewSchema(facts.Fields[2], columnar.Field{Name: "n", Type: columnar.Int64Type},
		columnar.Field{Name: "s", Type: columnar.DecimalType(38, 2), Nullable: true}, columnar.Field{Name: "c", Type: columnar.Int64Type})
	results := columnar.NewSchema(facts.Fields[2], columnar.Field{Name: "n", Type: columnar.Int64Type},
		columnar.Field{Name: "a", Type: columnar.DecimalType(16, 6), Nullable: true})
	partial := &physical.Aggregate{Mode: physical.AggPartial, Keys: []expr.Expr{column(2, facts)}, Aggs: []physical.AggCall{count, avg}, Out: states, Child: scan(), Groups: 4}
	final := &physical.Aggregate{Mode: physical.AggFinal, Keys: []expr.Expr{column(0, states)}, Aggs: []physical.AggCall{count, avg}, Out: results,
		Child: &physical.Source{Exchange: 1, Out: states, Rows: 8}, Groups: -1}

	two := columnar.NewSchema(facts.Fields[0], facts.Fields[2])
	literals := columnar.NewSchema(
		columnar.Field{Name: "b", Type: columnar.BoolType}, columnar.Field{Name: "f", Type: columnar.Float64Type},
		columnar.Field{Name: "d", Type: columnar.DecimalType(38, 4)}, columnar.Field{Name: "t", Type: columnar.StringType},
		columnar.Field{Name: "z", Type: columnar.NullType, Nullable: true}, columnar.Field{Name: "i", Type: columnar.DayTimeType})
	row := []*expr.Literal{{Value: true, Typ: columnar.BoolType}, {Value: -0.5, Typ: columnar.Float64Type},
		{Value: columnar.Int128{Lo: 7, Hi: -3}, Typ: columnar.DecimalType(38, 4)}, {Value: "naïve\x00", Typ: columnar.StringType},
		{Typ: columnar.NullType}, {Value: int64(-90_000_000), Typ: columnar.DayTimeType}}
	chosen := &expr.Case{Whens: []expr.When{{Cond: call("=", columnar.BoolType, column(0, two), number(1)), Then: number(-1)}},
		Else: &expr.Cast{Arg: column(1, two), To: columnar.Int64Type, Try: true, Place: diag.At(3)}, Place: diag.At(1)}
	nested := columnar.NewSchema(columnar.Field{Name: "m", Nullable: true,
		Type: columnar.MapType(columnar.StringType, columnar.ListType(columnar.StructType(facts.Fields...), true), true)})

	return map[string]*stage.Stage{
		"cached": {ID: 9, Root: kept()},
		"partial": {ID: 0, Root: partial, Class: stage.Unordered,
			Out: &stage.Output{Exchange: 1, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: 8, Keys: []int{0}}}},
		"final": {ID: 1, Inputs: []stage.Input{{Exchange: 1, Mode: physical.ReadPartition}}, Class: stage.Unstable,
			Root: &physical.TopN{Order: []expr.SortOrder{{Expr: column(2, results), NullsLast: true}}, Count: 10, Offset: 1, Partial: true, Child: final}},
		"join": {ID: 2, Inputs: []stage.Input{{Exchange: 2, Stage: 1, Mode: physical.ReadAll, Leaf: 1}},
			Root: &physical.Project{Exprs: []expr.Expr{chosen}, Out: columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type, Nullable: true}),
				Child: &physical.HashJoin{Kind: logical.Left, BuildLeft: true, Shared: true, Together: true, Left: scan(), Right: leaf(2, physical.ReadAll),
					LeftKeys: []expr.Expr{column(0, facts)}, RightKeys: []expr.Expr{column(0, facts)}, NullSafe: []bool{true},
					Residual: call("<", columnar.BoolType, column(1, facts), column(1, facts)),
					Output:   []int{0, 6}, Out: two, RuntimeFilters: []int{3}, BuildRows: 5, Place: diag.At(12)}}},
		"loop": {ID: 3, Root: &physical.Limit{Count: -1, Offset: 5, Child: &physical.LoopJoin{Kind: logical.LeftSemi, Left: leaf(4, physical.ReadPartition),
			Right: leaf(5, physical.ReadAll), Cond: call("or", columnar.BoolType, call("isnull", columnar.BoolType, column(7, concat(facts, facts))), &expr.Literal{Typ: columnar.BoolType}),
			Output: []int{0, 2}, Out: two}}},
		"values": {ID: 4, Root: &physical.Union{Out: literals, Inputs: []physical.Plan{
			&physical.Values{Out: literals, Rows: [][]*expr.Literal{row, row}}, &physical.Values{Leaf: 1, Out: literals, Rows: [][]*expr.Literal{row}}}}},
		"sort": {ID: 5, Out: &stage.Output{Exchange: 9, Partitioning: physical.Partitioning{Kind: physical.SinglePartition, Count: 1},
			Order: []expr.SortOrder{{Expr: column(1, facts), Desc: true}}},
			Root: &physical.Sort{Order: []expr.SortOrder{{Expr: column(1, facts), Desc: true}},
				Child: &physical.Filter{Conjuncts: []expr.Expr{call("like", columnar.BoolType, column(2, facts), &expr.Literal{Value: "R%", Typ: columnar.StringType})}, Child: leaf(8, physical.ReadMerge)}}},
		"expand": {ID: 8, Root: &physical.Expand{Keys: []int{2, 0}, Sets: [][]int{{0, 1}, nil}, IDs: []int64{0, 3},
			Out:   columnar.NewSchema(append(append([]columnar.Field{}, facts.Fields...), facts.Fields[2], facts.Fields[0], columnar.Field{Name: "id", Type: columnar.Int64Type})...),
			Child: leaf(1, physical.ReadPartition)}},
		"window": {ID: 7, Root: &physical.Window{PartitionBy: []int{0}, Order: []expr.SortOrder{{Expr: column(1, facts), Desc: true}},
			Calls: []physical.WindowCall{
				{Fn: "row_number", Result: columnar.Int32Type},
				{Fn: "lag", Args: []expr.Expr{column(2, facts), &expr.Literal{Value: int64(2), Typ: columnar.Int32Type}}, IgnoreNulls: true, Result: columnar.StringType, Null: true, Place: diag.At(9)},
				{Fn: "count", Frame: &expr.Frame{Rows: true, Start: number(3), End: number(0)}, Result: columnar.Int64Type},
				{Fn: "min", Args: []expr.Expr{column(0, facts)}, Frame: &expr.Frame{Start: number(1), StartFollow: true, EndFollow: true}, Result: columnar.Int64Type, Null: true}},
			Out: columnar.NewSchema(append(append([]columnar.Field{}, facts.Fields...), columnar.Field{Name: "n", Type: columnar.Int32Type}, columnar.Field{Name: "l", Type: columnar.StringType, Nullable: true},
				columnar.Field{Name: "c", Type: columnar.Int64Type}, columnar.Field{Name: "m", Type: columnar.Int64Type, Nullable: true})...),
			Child: leaf(1, physical.ReadPartition)}},
		"write": {ID: 6, Root: &physical.Write{Format: "parquet", Path: "out", Staging: "out/_temporary/1", Mode: logical.Overwrite,
			Options: []catalog.Option{{Key: "compression", Value: "zstd"}}, PartitionBy: []int{0},
			Child: &physical.Source{Exchange: 2, Out: nested, Rows: -1}}},
	}
}

var conf = []catalog.Option{{Key: "sql.ansi", Value: "true"}, {Key: "sql.timezone", Value: "UTC"}}

func TestStageRoundTrip(t *testing.T) {
	for name, s := range stages() {
		t.Run(name, func(t *testing.T) {
			b, err := EncodeStage(s, conf)
			if err != nil {
				t.Fatal(err)
			}
			again, err := EncodeStage(s, conf)
			if err != nil || !bytes.Equal(b, again) || Hash(b) != Hash(again) {
				t.Fatalf("two encodings of one stage differ (%v)", err)
			}
			got, err := DecodeStage(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := &StageSpec{ID: s.ID, Plan: s.Root, Inputs: s.Inputs, Out: s.Out, Class: s.Class, Conf: conf}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded\n%s%+v\nencoded\n%s%+v", physical.Tree(got.Plan), got, physical.Tree(s.Root), want)
			}
			for n := range len(b) { // no prefix may pass for the whole or panic
				if p, err := DecodeStage(b[:n], nil); err == nil && reflect.DeepEqual(p, want) {
					t.Errorf("%d of %d bytes decode to the whole stage", n, len(b))
				}
			}
		})
	}
}

func task() *TaskDescription {
	return &TaskDescription{Job: 1, Stage: 2, StageAttempt: 3, Task: 4, Attempt: 5, Tasks: 6, StageHash: Hash([]byte("x")),
		Leaves: []LeafAssignment{{Leaf: 1, Split: []byte{0, 1}}, {Leaf: 2, Part: stage.One(7)}, {Leaf: 3, Part: stage.Part{From: 1, To: 9, Maps: []int{0, 4}}}, {Leaf: 3, Part: stage.Part{From: 1, To: 2, Maps: []int{}}}, {Split: []byte{}}},
		Epochs: []ShuffleEpoch{{Exchange: 1, Epoch: 1 << 40}}, MinMemory: 1 << 20, Prefer: []string{"a:1", ""}}
}

func TestTaskRoundTrip(t *testing.T) {
	for _, want := range []*TaskDescription{task(), {StageHash: Hash(nil)}} {
		b, err := EncodeTask(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeTask(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %+v, encoded %+v", got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	good, err := EncodeStage(stages()["final"], nil)
	if err != nil {
		t.Fatal(err)
	}
	noArgs := stages()["partial"]
	a := *noArgs.Root.(*physical.Aggregate)
	a.Aggs = []physical.AggCall{{Fn: "avg", Result: columnar.Float64Type}}
	noArgs.Root = &a
	averageOfNothing, err := EncodeStage(noArgs, nil)
	if err != nil {
		t.Fatal(err)
	}
	far := &physical.Filter{Conjuncts: []expr.Expr{&expr.Column{Index: 9, Typ: columnar.BoolType}}, Child: leaf(1, physical.ReadPartition)}
	beyond, err := EncodeStage(&stage.Stage{Root: far}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var deep physical.Plan = leaf(1, physical.ReadPartition)
	for range maxDepth + 1 {
		deep = &physical.Limit{Count: 1, Child: deep}
	}
	nested, err := EncodeStage(&stage.Stage{Root: deep}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "other version": append(good[:len(good):len(good)], 8, 99), "average of nothing": averageOfNothing,
		"column beyond the input": beyond, "too deep": nested, "no plan": {8, Version}} {
		if _, err := DecodeStage(b, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "no hash": {8, Version}, "short hash": {8, Version, 8<<3 | 2, 1, 0}} {
		if _, err := DecodeTask(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCorpus reads the committed seeds: the format may grow, but what was
// written before must mean the same.
func TestCorpus(t *testing.T) {
	for name, s := range stages() {
		b, err := EncodeStage(s, conf)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeStage(golden.Seed(t, "FuzzDecodeStage", name, b), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got.Plan, s.Root) {
			t.Errorf("%s: the committed seed decodes to\n%s, not\n%s", name, physical.Tree(got.Plan), physical.Tree(s.Root))
		}
	}
	b, err := EncodeTask(task())
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTask(golden.Seed(t, "FuzzDecodeTask", "task", b))
	if err != nil || !reflect.DeepEqual(got, task()) {
		t.Errorf("the committed task decodes to %+v (%v)", got, err)
	}
}

// FuzzDecodeStage: arbitrary bytes are refused or give a plan that can be shown
// and encoded, with one encoding (W1, W2).
func FuzzDecodeStage(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStage(b, nil)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		shown := physical.Tree(s.Plan)
		one, err := EncodeStage(&stage.Stage{ID: s.ID, Root: s.Plan, Inputs: s.Inputs, Out: s.Out, Class: s.Class}, s.Conf)
		if err != nil {
			return // over the size limit once spelt out
		}
		again, err := DecodeStage(one, nil)
		if err != nil {
			t.Fatalf("what was decoded and encoded is refused: %v\n%s", err, shown)
		}
		two, err := EncodeStage(&stage.Stage{ID: again.ID, Root: again.Plan, Inputs: again.Inputs, Out: again.Out, Class: again.Class}, again.Conf)
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("two encodings of one plan (%v)\n%s", err, shown)
		}
	})
}

// FuzzDecodeTask: the same for tasks.
func FuzzDecodeTask(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeTask(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		one, err := EncodeTask(d)
		if err != nil {
			return
		}
		again, err := DecodeTask(one)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("%+v became %+v (%v)", d, again, err)
		}
	})
}
