package millrace_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/millrace-engine/millrace"
)

// The functions of these examples are registered where TestMain calls millrace.Main:
// millrace.Func1(r, wordsOf), millrace.Func2(r, sum), millrace.PartitionFunc(r,
// runningSums) and so on.

func numbers(ctx context.Context) (*millrace.Session, *millrace.Dataset[int]) {
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	return s, millrace.Parallelize(s, []int{3, 14, 15, 9, 26, 5}, 1)
}

func print[T any](xs []T, err error) {
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(xs)
}

func ExampleMap() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.Map(d, square).Collect(ctx)) // func square(x int) int { return x * x }
	// Output: [9 196 225 81 676 25]
}

func ExampleMapWith() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.MapWith(d, times, 10).Collect(ctx)) // func times(by, x int) int { return by * x }
	// Output: [30 140 150 90 260 50]
}

func ExampleDataset_Filter() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(d.Filter(isEven).Collect(ctx))
	// Output: [14 26]
}

func ExampleFlatMap() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.FlatMap(d, digits).Collect(ctx)) // func digits(x int) []string
	// Output: [3 1 4 1 5 9 2 6 5]
}

func ExampleMapPartitions() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.MapPartitions(d, runningSums).Collect(ctx)) // func runningSums(in iter.Seq[int]) iter.Seq[int]
	// Output: [3 17 32 41 67 72]
}

func ExampleKeyBy() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.KeyBy(d, lastDigit).Take(ctx, 2))
	// Output: [{3 3} {4 14}]
}

// The words of some lines, counted.
func ExampleReduceByKey() {
	ctx := context.Background()
	s, _ := numbers(ctx)
	defer s.Close()
	lines := millrace.Parallelize(s, []string{"to be or", "not to be"}, 2)
	words := millrace.KeyBy(millrace.FlatMap(lines, wordsOf), textItself)
	ones := millrace.Map(words, one) // func one(p Pair[string, string]) Pair[string, int]
	print(millrace.SortBy(millrace.ReduceByKey(ones, sum), wordOf, false).Collect(ctx))
	// Output: [{be 2} {not 1} {or 1} {to 2}]
}

func one(p millrace.Pair[string, string]) millrace.Pair[string, int] {
	return millrace.Pair[string, int]{Key: p.Key, Value: 1}
}
func wordOf(p millrace.Pair[string, int]) string { return p.Key }

func ExampleGroupByKey() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	groups, err := millrace.GroupByKey(millrace.KeyBy(d, lastDigit)).Collect(ctx)
	for i := range groups {
		slices.Sort(groups[i].Value)
	}
	slices.SortFunc(groups, func(a, b millrace.Pair[int8, []int]) int { return int(a.Key) - int(b.Key) })
	print(groups, err)
	// Output: [{3 [3]} {4 [14]} {5 [5 15]} {6 [26]} {9 [9]}]
}

func ExampleAggregateByKey() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	n, err := millrace.AggregateByKey(millrace.KeyBy(d, lastDigit), 0, countDigits, sum).Collect(ctx)
	print(sorted(n), err)
	// Output: [[3 1] [4 2] [5 3] [6 2] [9 1]]
}

func ExampleJoin() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	left, right := millrace.KeyBy(d, lastDigit), millrace.KeyBy(millrace.Map(d, square), lastDigit)
	joined, err := millrace.Join(left, right).Collect(ctx)
	print(sorted(joined), err)
	// Output: [[5 [15 225]] [5 [15 25]] [5 [5 225]] [5 [5 25]] [6 [26 196]] [6 [26 676]] [9 [9 9]]]
}

func ExampleLeftJoin() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	joined, err := millrace.LeftJoin(millrace.KeyBy(d, lastDigit), millrace.KeyBy(d.Filter(isEven), lastDigit)).Collect(ctx)
	print(sorted(joined), err)
	// Output: [[3 [3 none]] [4 [14 14]] [5 [15 none]] [5 [5 none]] [6 [26 26]] [9 [9 none]]]
}

func ExampleRightJoin() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	joined, err := millrace.RightJoin(millrace.KeyBy(d.Filter(isEven), lastDigit), millrace.KeyBy(d, lastDigit)).Collect(ctx)
	print(sorted(joined), err)
	// Output: [[3 [none 3]] [4 [14 14]] [5 [none 15]] [5 [none 5]] [6 [26 26]] [9 [none 9]]]
}

func ExampleFullJoin() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	odd := millrace.Parallelize(s, []int{7}, 1)
	joined, err := millrace.FullJoin(millrace.KeyBy(d.Filter(isEven), lastDigit), millrace.KeyBy(odd, lastDigit)).Collect(ctx)
	print(sorted(joined), err)
	// Output: [[4 [14 none]] [6 [26 none]] [7 [none 7]]]
}

func ExampleCoGroup() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	groups, err := millrace.CoGroup(millrace.KeyBy(d, lastDigit), millrace.KeyBy(d.Filter(isEven), lastDigit)).Collect(ctx)
	print(sorted(groups), err)
	// Output: [[3 [[3] []]] [4 [[14] [14]]] [5 [[15 5] []]] [6 [[26] [26]]] [9 [[9] []]]]
}

func ExampleDataset_Union() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	all, err := d.Union(d.Filter(isEven)).Collect(ctx)
	print(sorted(all), err)
	// Output: [14 14 15 26 26 3 5 9]
}

func ExampleDataset_Sample() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	a, err := d.Sample(0.5, 42).Collect(ctx)
	if err != nil {
		log.Fatal(err)
	}
	b, err := d.Sample(0.5, 42).Collect(ctx)
	fmt.Println(slices.Equal(a, b), err)
	// Output: true <nil>
}

func ExampleGlom() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.Glom(d).Collect(ctx))
	// Output: [[3 14 15 9 26 5]]
}

func ExampleZip() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.Zip(d, millrace.Map(d, square)).Take(ctx, 2))
	// Output: [{3 9} {14 196}]
}

func ExampleSortBy() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.SortBy(d, itself, true).Collect(ctx))
	// Output: [26 15 14 9 5 3]
}

func ExampleDataset_Coalesce() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	parts, err := millrace.Glom(d.Coalesce(2)).Collect(ctx)
	fmt.Println(len(slices.Concat(parts...)), err)
	// Output: 6 <nil>
}

// A partitioner of one's own, func byDigit(k int8, n int) int { return int(k) % n }.
func ExampleRepartitionBy() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	placed := millrace.RepartitionBy(millrace.KeyBy(d, lastDigit), 2, byDigit)
	err := millrace.RunJob(ctx, placed, pairsThemselves, func(partition int, ps []millrace.Pair[int8, int]) error {
		fmt.Println(partition, sorted(ps))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0 [[4 14] [6 26]]
	// 1 [[3 3] [5 15] [5 5] [9 9]]
}

func ExampleRunJob() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	// An action of one's own is a job and what is done with its results.
	largest := 0
	err := millrace.RunJob(ctx, d, runningSums, func(_ int, sums []int) error {
		largest = max(largest, slices.Max(sums))
		return nil
	})
	fmt.Println(largest, err)
	// Output: 72 <nil>
}

func ExampleDataset_Reduce() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	fmt.Println(d.Reduce(ctx, sum))
	fmt.Println(d.Fold(ctx, 0, sum))
	fmt.Println(millrace.AggregateDataset(ctx, d, 0, countDigits, sum))
	// Output:
	// 72 true <nil>
	// 72 <nil>
	// 9 <nil>
}

func ExampleTop() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(millrace.Top(ctx, d, 2, itself))
	print(d.Take(ctx, 2))
	fmt.Println(millrace.CountByKey(ctx, millrace.KeyBy(d, lastDigit)))
	fmt.Println(millrace.ForEachPartition(ctx, d, runningSums))
	// Output:
	// [26 15]
	// [3 14]
	// map[3:1 4:1 5:2 6:1 9:1] <nil>
	// 6 <nil>
}

func ExampleFromFrame() {
	// With type visit struct { City string; Amount int64; Note *string }.
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	d := millrace.FromFrame[visit](df.Filter("amount > 3").Select("city", "amount", "CAST(NULL AS STRING) AS note"))
	show(ctx, millrace.ToFrame(millrace.Map(d, visitOf)).OrderBy("city"))
	// Output:
	// +------+--------+------+
	// | City | Amount | Note |
	// +------+--------+------+
	// | Bern |     10 | NULL |
	// | Oslo |      8 | NULL |
	// +------+--------+------+
}
