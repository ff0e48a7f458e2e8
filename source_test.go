package millrace_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
)

// registerSources is a part of what TestMain gives to millrace.Main.
func registerSources(r *millrace.Registry) {
	millrace.SourceFunc(r, readSpan)
	millrace.SourceFunc(r, readHost)
	millrace.PartitionFunc(r, distances)
}

// span are the numbers of a partition of the source.
type span struct{ From, To int }

func readSpan(s span) iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.From < 0 {
			panic("no number is below 0")
		}
		for x := s.From; x < s.To; x++ {
			if !yield(x) {
				return
			}
		}
	}
}

// readHost is where it runs.
func readHost(wanted string) iter.Seq[string] {
	return func(yield func(string) bool) {
		host, err := os.Hostname()
		if err != nil {
			panic(err)
		}
		yield(wanted + " ran on " + host)
	}
}

func wantedHost(name string) []string { return []string{name} }

// distances yields the differences of neighbours.
func distances(in iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		last, some := 0, false
		for x := range in {
			if some && !yield(x-last) {
				return
			}
			last, some = x, true
		}
	}
}

// A source has a task for each partition, which prefers the hosts that the source says
// and runs elsewhere where there are none.
func TestSource(t *testing.T) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, master := range []string{"local[2]", "local-cluster[2,1,512]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master)
			asked := 0
			d := millrace.FromSource(s, millrace.Source[span, int]{Partitions: []span{{0, 3}, {3, 3}, {3, 30_000}}, Read: readSpan, PreferredLocations: func(p span) []string {
				asked++
				return [][]string{{here}, {"a host that is not there"}, nil}[asked%3]
			}})
			xs, err := d.Collect(t.Context())
			if err != nil || len(xs) != 30_000 || !slices.IsSorted(xs) || asked != 3 {
				t.Errorf("%d elements, asked %d times: %v", len(xs), asked, err)
			}
			sizes := map[int]int{}
			err = millrace.RunJob(t.Context(), d, runningSums, func(p int, xs []int) error { sizes[p] = len(xs); return nil })
			if err != nil || fmt.Sprint(sizes) != "map[0:3 2:29997]" {
				t.Errorf("partitions of %v: %v", sizes, err)
			}
			if n, err := millrace.FromSource(s, millrace.Source[span, int]{Read: readSpan}).Count(t.Context()); n != 0 || err != nil {
				t.Errorf("an empty source: %d, %v", n, err)
			}
			_, err = millrace.FromSource(s, millrace.Source[span, int]{Partitions: []span{{-1, 1}}, Read: readSpan}).Collect(t.Context())
			if e := failure(err); e == nil || !strings.Contains(e.Error(), "no number is below 0") {
				t.Errorf("a read that fails: %v", err)
			}
			if _, err := millrace.FromSource(s, millrace.Source[int, int]{Partitions: []int{1}, Read: countUp}).Collect(t.Context()); err == nil || !strings.Contains(err.Error(), "not registered") {
				t.Errorf("a read that is not registered: %v", err)
			}
		})
	}
}

func countUp(n int) iter.Seq[int] { return readSpan(span{0, n}) }

// A user's own source: millrace.SourceFunc(r, readSpan) registers how it is read.
func ExampleFromSource() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	d := millrace.FromSource(s, millrace.Source[span, int]{
		Partitions:         []span{{0, 3}, {10, 12}},
		Read:               readSpan, // func readSpan(s span) iter.Seq[int]
		PreferredLocations: func(p span) []string { return []string{fmt.Sprintf("host%d", p.From)} },
	})
	print(d.Collect(ctx))
	// Output: [0 1 2 10 11]
}

// A user's own transformation is a function of datasets over a function on partitions:
// millrace.PartitionFunc(r, distances).
func neighbours(d *millrace.Dataset[int]) *millrace.Dataset[int] {
	return millrace.MapPartitions(d, distances)
}

func ExampleMapPartitions_transformation() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(neighbours(d).Collect(ctx)) // of 3, 14, 15, 9, 26, 5
	// Output: [11 1 -6 17 -21]
}

// A user's own action is a function over RunJob, which hands over what each partition
// makes.
func last(ctx context.Context, d *millrace.Dataset[int]) (x int, err error) {
	err = millrace.RunJob(ctx, d, runningSums, func(_ int, sums []int) error {
		x += sums[len(sums)-1]
		return nil
	})
	return x, err
}

func ExampleRunJob_action() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	x, err := last(ctx, d)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x)
	// Output: 72
}

func ExampleDataset_Fold() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	x, err := d.Fold(ctx, 0, sum)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x)
	// Output: 72
}

func ExampleAggregateDataset() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	x, err := millrace.AggregateDataset(ctx, d, 0, sum, sum)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x)
	// Output: 72
}

func ExampleDataset_Take() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(d.Take(ctx, 2))
	// Output: [3 14]
}

func ExampleDataset_Collect() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	print(d.Collect(ctx))
	// Output: [3 14 15 9 26 5]
}

func ExampleCountByKey() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	n, err := millrace.CountByKey(ctx, millrace.KeyBy(d, isEven))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n[true], n[false])
	// Output: 2 4
}

func ExampleForEachPartition() {
	ctx := context.Background()
	s, d := numbers(ctx)
	defer s.Close()
	n, err := millrace.ForEachPartition(ctx, d, runningSums)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 6
}
