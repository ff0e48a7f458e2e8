package millrace_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// registerDatasets is what TestMain gives to millrace.Main.
func registerDatasets(r *millrace.Registry) {
	millrace.Func1(r, square)
	millrace.Func1(r, isEven)
	millrace.Func1(r, lastDigit)
	millrace.Func1(r, digits)
	millrace.Func1(r, itself)
	millrace.Func1(r, reciprocal)
	millrace.Func1(r, wordsOf)
	millrace.Func1(r, textItself)
	millrace.Func1(r, visitOf)
	millrace.Func1(r, one)
	millrace.Func1(r, wordOf)
	millrace.Func2(r, sum)
	millrace.Func2(r, countDigits)
	millrace.Func2(r, times)
	millrace.Func2(r, byDigit)
	millrace.PartitionFunc(r, runningSums)
	millrace.PartitionFunc(r, pairsThemselves)
}

func square(x int) int     { return x * x }
func isEven(x int) bool    { return x%2 == 0 }
func lastDigit(x int) int8 { return int8(((x % 10) + 10) % 10) }
func digits(x int) []string {
	return strings.Split(fmt.Sprint(x), "")
}
func itself(x int) int             { return x }
func reciprocal(x int) float64     { return 1 / float64(x-1000) }
func wordsOf(line string) []string { return strings.Fields(line) }
func textItself(s string) string   { return s }
func sum(a, b int) int             { return a + b }
func countDigits(n int, x int) int { return n + len(fmt.Sprint(x)) }
func times(by int, x int) int      { return by * x }
func byDigit(k int8, n int) int    { return int(k) % n }
func runningSums(in iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		s := 0
		for x := range in {
			if s += x; !yield(s) {
				return
			}
		}
	}
}

type visit struct {
	City   string
	Amount int64
	Note   *string
}

type binaries struct {
	Bytes []byte
	More  *[]byte
}

func visitOf(v visit) visit {
	v.Amount *= 2
	return v
}

// sorted orders anything by how it prints.
func sorted[T any](xs []T) []string {
	out := []string{}
	for _, x := range xs {
		out = append(out, printed(reflect.ValueOf(x)))
	}
	slices.Sort(out)
	return out
}

// printed follows pointers, and orders the slices within.
func printed(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "none"
		}
		return printed(v.Elem())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, printed(v.Index(i)))
		}
		slices.Sort(parts)
		return fmt.Sprint(parts)
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			parts = append(parts, printed(v.Field(i)))
		}
		return fmt.Sprint(parts)
	}
	return fmt.Sprint(v)
}

func paired(xs []int) (out []millrace.Pair[int8, int]) {
	for _, x := range xs {
		out = append(out, millrace.Pair[int8, int]{Key: lastDigit(x), Value: x})
	}
	return out
}

// Every operation on random elements gives what plain slices give.
func TestDatasets(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master)
			seed := rand.Uint64()
			t.Log("seed", seed)
			r := rand.New(rand.NewPCG(seed, 1))
			for round := range 3 {
				compareDatasets(t, s, r, []int{0, 1, 40 + r.IntN(60)}[round], 1+r.IntN(4))
			}
		})
	}
}

func compareDatasets(t *testing.T, s *millrace.Session, r *rand.Rand, n, partitions int) {
	xs, ys := make([]int, n), make([]int, r.IntN(20))
	for i := range xs {
		xs[i] = r.IntN(400) - 200
	}
	for i := range ys {
		ys[i] = r.IntN(15)
	}
	a, b := millrace.Parallelize(s, xs, partitions), millrace.Parallelize(s, ys, 2)
	ka, kb := millrace.KeyBy(a, lastDigit), millrace.KeyBy(b, lastDigit)
	px, py := paired(xs), paired(ys)
	same := func(what string, got []string, err error, want []string) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s of %v in %d and %v:\n got %v, %v\nwant %v", what, xs, partitions, ys, got, err, want)
		}
	}
	group := func(ps []millrace.Pair[int8, int]) map[int8][]int {
		out := map[int8][]int{}
		for _, p := range ps {
			out[p.Key] = append(out[p.Key], p.Value)
		}
		return out
	}
	gx, gy := group(px), group(py)
	text := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	var squares, evens, scaled, letters []string
	for _, x := range xs {
		squares, scaled = append(squares, fmt.Sprint(x*x)), append(scaled, fmt.Sprint(3*x))
		if isEven(x) {
			evens = append(evens, fmt.Sprint(x))
		}
		letters = append(letters, digits(x)...)
	}
	ordered := func(xs []string) []string { return slices.Sorted(slices.Values(xs)) }

	got, err := millrace.Map(a, square).Collect(t.Context())
	same("Map", sorted(got), err, ordered(squares))
	got, err = millrace.MapWith(a, times, 3).Collect(t.Context())
	same("MapWith", sorted(got), err, ordered(scaled))
	got, err = a.Filter(isEven).Collect(t.Context())
	same("Filter", sorted(got), err, ordered(evens))
	flat, err := millrace.FlatMap(a, digits).Collect(t.Context())
	same("FlatMap", sorted(flat), err, ordered(letters))
	got, err = a.Union(b).Collect(t.Context())
	same("Union", sorted(got), err, sorted(append(slices.Clone(xs), ys...)))
	pairs, err := ka.Collect(t.Context())
	same("KeyBy", sorted(pairs), err, sorted(px))

	var grouped, reduced, counted []string
	counts := map[int8]int64{}
	for k, vs := range gx {
		total, long := 0, 0
		for _, v := range vs {
			total, long = total+v, long+len(fmt.Sprint(v))
		}
		grouped = append(grouped, text("[%d %s]", k, printed(reflect.ValueOf(vs))))
		reduced = append(reduced, text("[%d %d]", k, total))
		counted = append(counted, text("[%d %d]", k, long))
		counts[k] = int64(len(vs))
	}
	gs, err := millrace.GroupByKey(ka).Collect(t.Context())
	same("GroupByKey", sorted(gs), err, ordered(grouped))
	rs, err := millrace.ReduceByKey(ka, sum).Collect(t.Context())
	same("ReduceByKey", sorted(rs), err, ordered(reduced))
	as, err := millrace.AggregateByKey(ka, 0, countDigits, sum).Collect(t.Context())
	same("AggregateByKey", sorted(as), err, ordered(counted))
	cs, err := millrace.CountByKey(t.Context(), ka)
	if err != nil || !maps.Equal(cs, counts) {
		t.Errorf("CountByKey: %v, %v, not %v", cs, err, counts)
	}

	var inner, left, right, full, co []string
	for k := int8(0); k < 10; k++ {
		for _, v := range gx[k] {
			for _, w := range gy[k] {
				inner = append(inner, text("[%d [%d %d]]", k, v, w))
			}
			if len(gy[k]) == 0 {
				left = append(left, text("[%d [%d none]]", k, v))
			}
		}
		if len(gx[k]) == 0 {
			for _, w := range gy[k] {
				right = append(right, text("[%d [none %d]]", k, w))
			}
		}
		if len(gx[k])+len(gy[k]) > 0 {
			co = append(co, text("[%d [%s %s]]", k, printed(reflect.ValueOf(gx[k])), printed(reflect.ValueOf(gy[k]))))
		}
	}
	full = slices.Concat(inner, left, right)
	ji, err := millrace.Join(ka, kb).Collect(t.Context())
	same("Join", sorted(ji), err, ordered(inner))
	jl, err := millrace.LeftJoin(ka, kb).Collect(t.Context())
	same("LeftJoin", sorted(jl), err, ordered(slices.Concat(inner, left)))
	jr, err := millrace.RightJoin(ka, kb).Collect(t.Context())
	same("RightJoin", sorted(jr), err, ordered(slices.Concat(inner, right)))
	jf, err := millrace.FullJoin(ka, kb).Collect(t.Context())
	same("FullJoin", sorted(jf), err, ordered(full))
	cg, err := millrace.CoGroup(ka, kb).Collect(t.Context())
	same("CoGroup", sorted(cg), err, ordered(co))

	byNumber := slices.SortedFunc(slices.Values(xs), cmp.Compare)
	got, err = millrace.SortBy(a, itself, false).Collect(t.Context())
	if err != nil || !slices.Equal(got, byNumber) {
		t.Errorf("SortBy: %v, %v, not %v", got, err, byNumber)
	}
	slices.Reverse(byNumber)
	got, err = millrace.Top(t.Context(), a, 5, itself)
	if want := byNumber[:min(5, n)]; err != nil || !slices.Equal(got, want) {
		t.Errorf("Top: %v, %v, not %v", got, err, want)
	}
	got, err = millrace.SortBy(a, reciprocal, false).Take(t.Context(), 3)
	if want := byNumber[:min(3, n)]; err != nil || !slices.Equal(got, want) {
		t.Errorf("SortBy of floats: %v, %v, not %v", got, err, want)
	}

	// Partitions: what is in each, and that nothing is lost.
	parts, err := millrace.Glom(a).Collect(t.Context())
	same("Glom", sorted(slices.Concat(parts...)), err, sorted(xs))
	sums, err := millrace.MapPartitions(a, runningSums).Collect(t.Context())
	var wantSums []int
	for _, p := range parts {
		wantSums = slices.AppendSeq(wantSums, runningSums(slices.Values(p)))
	}
	same("MapPartitions", sorted(sums), err, sorted(wantSums))
	ran := 0
	err = millrace.RunJob(t.Context(), a, runningSums, func(p int, xs []int) error { ran += len(xs); return nil })
	if err != nil || ran != n {
		t.Errorf("RunJob: %d elements, %v", ran, err)
	}
	if c, err := millrace.ForEachPartition(t.Context(), a, runningSums); err != nil || c != int64(n) {
		t.Errorf("ForEachPartition: %d, %v", c, err)
	}
	squared := millrace.Map(a, square)
	zipped, err := millrace.Zip(a, squared).Collect(t.Context())
	for _, z := range zipped {
		if z.Right != z.Left*z.Left {
			t.Errorf("Zip: %v", z)
		}
	}
	if err != nil || len(zipped) != n {
		t.Errorf("Zip: %d elements, %v", len(zipped), err)
	}
	got, err = a.Coalesce(2).Collect(t.Context())
	same("Coalesce", sorted(got), err, sorted(xs))
	where := map[int8]int{}
	spread := millrace.RepartitionBy(ka, 3, byDigit)
	err = millrace.RunJob(t.Context(), spread, pairsThemselves, func(p int, xs []millrace.Pair[int8, int]) error {
		for _, x := range xs {
			where[x.Key] = p
			if p != int(x.Key)%3 {
				t.Errorf("RepartitionBy: %v is in partition %d", x, p)
			}
		}
		return nil
	})
	if err != nil || len(where) != len(gx) {
		t.Errorf("RepartitionBy: %v, %v", where, err)
	}
	half, err := a.Sample(0.5, 7).Collect(t.Context())
	again, err2 := a.Sample(0.5, 7).Collect(t.Context())
	if err != nil || err2 != nil || !slices.Equal(sorted(half), sorted(again)) || len(half) > n {
		t.Errorf("Sample: %v, %v, %v, %v", half, again, err, err2)
	}
	all, err := a.Sample(1, 7).Collect(t.Context())
	same("Sample", sorted(all), err, sorted(xs))

	// Actions.
	total := 0
	for _, x := range xs {
		total += x
	}
	if got, some, err := a.Reduce(t.Context(), sum); err != nil || got != total || some != (n > 0) {
		t.Errorf("Reduce: %d, %v, %v, not %d", got, some, err, total)
	}
	if got, err := a.Fold(t.Context(), 0, sum); err != nil || got != total {
		t.Errorf("Fold: %d, %v, not %d", got, err, total)
	}
	if got, err := millrace.AggregateDataset(t.Context(), a, 0, countDigits, sum); err != nil || got != len(letters) {
		t.Errorf("Aggregate: %d, %v, not %d", got, err, len(letters))
	}
	if got, err := a.Take(t.Context(), 2); err != nil || len(got) != min(2, n) {
		t.Errorf("Take: %v, %v", got, err)
	}
	if got, err := a.Count(t.Context()); err != nil || got != int64(n) {
		t.Errorf("Count: %d, %v", got, err)
	}
}

func pairsThemselves(in iter.Seq[millrace.Pair[int8, int]]) iter.Seq[millrace.Pair[int8, int]] {
	return in
}

// Datasets of structs become frames, and come from them; nulls are nil pointers.
func TestDatasetFrame(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master)
			df, err := s.SQL(t.Context(), "SELECT * FROM VALUES ('x', 3, 'Bern'), (NULL, 4, 'Oslo') t(note, amount, city)")
			if err != nil {
				t.Fatal(err)
			}
			d := millrace.FromFrame[visit](df)
			got, err := d.Collect(t.Context())
			if want := []string{"[Bern 3 x]", "[Oslo 4 none]"}; err != nil || !slices.Equal(sorted(got), want) {
				t.Errorf("%v, %v", sorted(got), err)
			}
			rows, err := millrace.ToFrame(millrace.Map(d, visitOf)).Filter("amount > 6").Collect(t.Context())
			if err != nil || fmt.Sprint(rows) != "[[Oslo 8 <nil>]]" {
				t.Errorf("%v, %v", rows, err)
			}
			raw, err := s.SQL(t.Context(), "SELECT CAST('Grün' AS BINARY) AS bytes, CAST(NULL AS BINARY) AS more")
			if err != nil {
				t.Fatal(err)
			}
			rows, err = millrace.ToFrame(millrace.FromFrame[binaries](raw)).Collect(t.Context())
			if err != nil || len(rows) != 1 || !reflect.DeepEqual(rows[0], millrace.Row{[]byte("Grün"), nil}) {
				t.Errorf("%#v, %v", rows, err)
			}
			null, err := s.SQL(t.Context(), "SELECT CAST(NULL AS STRING) AS city, 1 AS amount, 'x' AS note")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := millrace.FromFrame[visit](null).Collect(t.Context()); diag.ClassOf(err) != diag.FunctionFailed {
				t.Error(err)
			}
		})
	}
}

// What is wrong with a dataset is told by its action.
func TestDatasetRefused(t *testing.T) {
	s := open(t, "local")
	a := millrace.Parallelize(s, []int{1, 2}, 1)
	by := 2
	for name, d := range map[string]*millrace.Dataset[int]{
		"a closure":      millrace.Map(a, func(x int) int { return x * by }),
		"not registered": millrace.Map(a, unregistered),
	} {
		if _, err := d.Collect(t.Context()); failure(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := millrace.Parallelize(s, []any{1}, 1).Collect(t.Context()); failure(err) == nil {
		t.Errorf("interfaces: %v", err)
	}
}

func unregistered(x int) int { return x }
