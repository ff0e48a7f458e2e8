package millrace

import (
	"context"
	"encoding/binary"
	"iter"
	"math"
	"reflect"

	"github.com/millrace-engine/millrace/artifacts/function"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Dataset is a collection of Go values of one type, in partitions, over the same
// plans, shuffles and executors as frames. Nothing is computed before an action:
// Collect, Reduce, Fold, Take, RunJob …
//
// Functions are package-level and registered (Func1, Func2, PartitionFunc) where
// millrace.Main is told to, since executors are other processes; what varies is
// passed as an argument (MapWith). A T is made of bool, numbers, strings, times, and
// structs with exported fields, slices, arrays, maps and pointers of these; keys are
// compared by their encoding. A mistake is kept and returned by the action.
type Dataset[T any] struct {
	df    *DataFrame // of two columns, key and value, both encoded
	value function.Value[T]
}

// Pair is a key with a value: what the operations by key work on.
type Pair[K, V any] = function.Pair[K, V]

// Joined are the values of both sides for one key; a pointer is nil where a side has
// none. CoGroup has all values of each side.
type Joined[V, W any] = function.Joined[V, W]

// Func1 registers a function of one element, for Map, and Filter, FlatMap, KeyBy and
// SortBy where its result fits.
func Func1[T, U any](r *Registry, f func(T) U) { function.Func1(&r.functions, f) }

// Func2 registers a function of two values, for Reduce, ReduceByKey, Fold,
// AggregateDataset, AggregateByKey, RepartitionBy and MapWith, where its types fit.
func Func2[A, B, R any](r *Registry, f func(A, B) R) { function.Func2(&r.functions, f) }

// PartitionFunc registers a function of all elements of a partition, for
// MapPartitions, ForEachPartition and RunJob.
func PartitionFunc[T, U any](r *Registry, f func(iter.Seq[T]) iter.Seq[U]) {
	function.PartitionFunc(&r.functions, f)
}

// the columns of a dataset's frame.
func datasetColumns() []*expr.Attr {
	return []*expr.Attr{{Name: "key", Typ: columnar.BinaryType}, {Name: "value", Typ: columnar.BinaryType}}
}

// made is a dataset over a frame; that U can be encoded is found out here.
func made[U any](df *DataFrame) *Dataset[U] {
	v, err := function.ValueOf[U]()
	if err != nil && df.err == nil {
		df = df.with(df.plan, err)
	}
	return &Dataset[U]{df: df, value: v}
}

// step adds a function on partitions that needs none of the program's.
func step(df *DataFrame, what string, args []byte) *DataFrame {
	return df.with(&logical.Apply{Fn: function.TaskPrefix + what, Args: args, Attrs: datasetColumns(), Child: df.plan,
		List: []expr.Expr{&expr.Name{Parts: []string{"key"}}, &expr.Name{Parts: []string{"value"}}}}, nil)
}

// called adds a function on partitions that calls one of the program's.
func called(df *DataFrame, what string, f any, args []byte) *DataFrame {
	symbol, err := function.Symbol(f)
	if err == nil {
		_, err = program.functions.Finder().Find(function.TaskPrefix + what + ":" + symbol)
	}
	if err != nil {
		return df.with(df.plan, err)
	}
	return step(df, what+":"+symbol, args)
}

// Parallelize makes a dataset of a slice, in so many partitions (at least 1).
func Parallelize[T any](s *Session, elements []T, partitions int) *Dataset[T] {
	v := &logical.Values{}
	for i, a := range datasetColumns() {
		a.ID = expr.ID(-1000000 - i)
		v.Attrs = append(v.Attrs, a)
	}
	d := made[T](s.frame(v))
	if d.df.err != nil {
		return d
	}
	for _, x := range elements {
		v.Rows = append(v.Rows, []expr.Expr{expr.Lit("", columnar.BinaryType), expr.Lit(string(d.value.Append(nil, x)), columnar.BinaryType)})
	}
	if partitions > 1 {
		d.df = d.df.Repartition(partitions)
	}
	return d
}

// Map calls f for each element.
func Map[T, U any](d *Dataset[T], f func(T) U) *Dataset[U] {
	return made[U](called(d.df, "map", f, nil))
}

// MapWith calls f with an argument and each element.
func MapWith[A, T, U any](d *Dataset[T], f func(A, T) U, argument A) *Dataset[U] {
	v, err := function.ValueOf[A]()
	if err != nil {
		return made[U](d.df.with(d.df.plan, err))
	}
	return made[U](called(d.df, "mapwith", f, v.Append(nil, argument)))
}

// FlatMap calls f for each element and goes on with all that it returns.
func FlatMap[T, U any](d *Dataset[T], f func(T) []U) *Dataset[U] {
	return made[U](called(d.df, "flatmap", f, nil))
}

// Filter keeps the elements for which f is true.
func (d *Dataset[T]) Filter(f func(T) bool) *Dataset[T] {
	return made[T](called(d.df, "filter", f, nil))
}

// MapPartitions calls f once for each partition.
func MapPartitions[T, U any](d *Dataset[T], f func(iter.Seq[T]) iter.Seq[U]) *Dataset[U] {
	return made[U](called(d.df, "partitions", f, nil))
}

// KeyBy pairs each element with its key.
func KeyBy[K comparable, T any](d *Dataset[T], f func(T) K) *Dataset[Pair[K, T]] {
	return made[Pair[K, T]](called(d.df, "keyby", f, nil))
}

// lists gathers the values of each key.
func lists(df *DataFrame) *DataFrame { return df.GroupBy("key").Agg("collect_list(value) AS value") }

// GroupByKey gathers the values of each key, in no particular order.
func GroupByKey[K comparable, V any](d *Dataset[Pair[K, V]]) *Dataset[Pair[K, []V]] {
	return made[Pair[K, []V]](step(lists(step(d.df, "split", nil)), "group", nil))
}

// ReduceByKey combines the values of each key by f, which is associative and
// commutative; tasks combine what they have before it is exchanged.
func ReduceByKey[K comparable, V any](d *Dataset[Pair[K, V]], f func(V, V) V) *Dataset[Pair[K, V]] {
	return made[Pair[K, V]](called(lists(called(step(d.df, "split", nil), "reducekeys", f, nil)), "reducelist", f, nil))
}

// AggregateByKey adds the values of each key to zero, in each task, and merges these.
func AggregateByKey[K comparable, V, U any](d *Dataset[Pair[K, V]], zero U, add func(U, V) U, merge func(U, U) U) *Dataset[Pair[K, U]] {
	v, err := function.ValueOf[U]()
	if err != nil {
		return made[Pair[K, U]](d.df.with(d.df.plan, err))
	}
	return made[Pair[K, U]](called(lists(called(step(d.df, "split", nil), "foldkeys", add, v.Append(nil, zero))), "reducelist", merge, nil))
}

// together gathers the values of each key of two datasets, tagged by their side.
func together(a, b *DataFrame) *DataFrame {
	return lists(step(a, "tag", []byte{0}).Union(step(b, "tag", []byte{1})))
}

// CoGroup gathers for each key the values of both sides.
func CoGroup[K comparable, V, W any](a *Dataset[Pair[K, V]], b *Dataset[Pair[K, W]]) *Dataset[Pair[K, Joined[[]V, []W]]] {
	return made[Pair[K, Joined[[]V, []W]]](step(together(a.df, b.df), "cogroup", nil))
}

// Join pairs the values of keys that both sides have.
func Join[K comparable, V, W any](a *Dataset[Pair[K, V]], b *Dataset[Pair[K, W]]) *Dataset[Pair[K, Joined[V, W]]] {
	return made[Pair[K, Joined[V, W]]](step(together(a.df, b.df), "join", []byte{0, 0}))
}

// LeftJoin is Join that keeps the values of the left side without a partner.
func LeftJoin[K comparable, V, W any](a *Dataset[Pair[K, V]], b *Dataset[Pair[K, W]]) *Dataset[Pair[K, Joined[V, *W]]] {
	return made[Pair[K, Joined[V, *W]]](step(together(a.df, b.df), "join", []byte{1, 0}))
}

// RightJoin is Join that keeps the values of the right side without a partner.
func RightJoin[K comparable, V, W any](a *Dataset[Pair[K, V]], b *Dataset[Pair[K, W]]) *Dataset[Pair[K, Joined[*V, W]]] {
	return made[Pair[K, Joined[*V, W]]](step(together(a.df, b.df), "join", []byte{0, 1}))
}

// FullJoin is Join that keeps the values of both sides without a partner.
func FullJoin[K comparable, V, W any](a *Dataset[Pair[K, V]], b *Dataset[Pair[K, W]]) *Dataset[Pair[K, Joined[*V, *W]]] {
	return made[Pair[K, Joined[*V, *W]]](step(together(a.df, b.df), "join", []byte{1, 1}))
}

// Union has the elements of both.
func (d *Dataset[T]) Union(o *Dataset[T]) *Dataset[T] { return made[T](d.df.Union(o.df)) }

// Sample keeps each element with a probability; the same seed over the same
// partitions keeps the same.
func (d *Dataset[T]) Sample(fraction float64, seed uint64) *Dataset[T] {
	args := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(fraction)), seed)
	return made[T](step(d.df, "sample", args))
}

// Glom makes one slice of each partition.
func Glom[T any](d *Dataset[T]) *Dataset[[]T] { return made[[]T](step(d.df, "glom", nil)) }

// Zip pairs the elements at the same places of partitions of the same numbers, which
// must have as many; the order is that of the elements.
func Zip[T, U any](a *Dataset[T], b *Dataset[U]) *Dataset[Joined[T, U]] {
	// The exchange keeps the places of each side apart from those of tasks that read both.
	side := func(df *DataFrame, n byte) *DataFrame {
		return step(step(df, "index", nil), "tag", []byte{n}).Repartition(max(2, df.s.driver.Slots()), "key")
	}
	both := lists(side(a.df, 0).Union(side(b.df, 1)))
	return made[Joined[T, U]](step(both, "zip", nil).OrderBy("key"))
}

// SortBy orders by a key: a number or a string. Descending turns the order around.
func SortBy[T, K any](d *Dataset[T], f func(T) K, descending bool) *Dataset[T] {
	key := Col("key").Asc()
	if descending {
		key = Col("key").Desc()
	}
	return made[T](called(d.df, "sortkey", f, nil).OrderBy(key))
}

// Coalesce deals the elements to n partitions.
func (d *Dataset[T]) Coalesce(n int) *Dataset[T] { return made[T](d.df.Repartition(n)) }

// RepartitionBy puts each pair into the partition of n that the program's partitioner
// says, from 0 on.
func RepartitionBy[K comparable, V any](d *Dataset[Pair[K, V]], n int, partitioner func(K, int) int) *Dataset[Pair[K, V]] {
	keyed := called(d.df, "partitioner", partitioner, binary.LittleEndian.AppendUint32(nil, uint32(max(n, 1))))
	return made[Pair[K, V]](keyed.Repartition(n, "key"))
}

// ToFrame makes a frame of a dataset of structs: a column for each field.
func ToFrame[T any](d *Dataset[T]) *DataFrame {
	schema, err := function.SchemaOf(reflect.TypeFor[T]())
	if err != nil {
		return d.df.with(d.df.plan, err)
	}
	a := &logical.Apply{Fn: function.TaskPrefix + "columns", Child: d.df.plan, List: []expr.Expr{&expr.Name{Parts: []string{"key"}}, &expr.Name{Parts: []string{"value"}}}}
	for _, f := range schema.Fields {
		a.Attrs = append(a.Attrs, &expr.Attr{Name: f.Name, Typ: f.Type, Null: f.Nullable})
	}
	return d.df.with(a, nil)
}

// FromFrame makes a dataset of structs of a frame, whose columns are found by the
// names of the fields, without case, and cast to their types. A null needs a pointer.
func FromFrame[T any](df *DataFrame) *Dataset[T] {
	schema, err := function.SchemaOf(reflect.TypeFor[T]())
	if err != nil {
		return made[T](df.with(df.plan, err))
	}
	a := &logical.Apply{Fn: function.TaskPrefix + "row", Attrs: datasetColumns(), Child: df.plan}
	for _, f := range schema.Fields {
		null := byte(0)
		if f.Nullable {
			null = 1
		}
		a.Args = append(a.Args, null)
		a.List = append(a.List, &expr.Cast{Arg: &expr.Name{Parts: []string{f.Name}}, To: f.Type})
	}
	return made[T](df.with(a, nil))
}

// RunJob calls f for each partition and hands what it makes to the listener, partition
// by partition as their tasks end in order. Actions stand on it.
func RunJob[T, U any](ctx context.Context, d *Dataset[T], f func(iter.Seq[T]) iter.Seq[U], listener func(partition int, result []U) error) error {
	return runJob(ctx, MapPartitions(d, f), listener)
}

// runJob hands over the elements of each partition that has any.
func runJob[T any](ctx context.Context, d *Dataset[T], listener func(partition int, elements []T) error) error {
	at, some := -1, []T(nil)
	err := step(d.df, "place", nil).ForEach(ctx, func(r Row) error {
		p := int(binary.BigEndian.Uint32(r[0].([]byte)))
		x, err := d.value.Decode(r[1].([]byte))
		if err != nil {
			return diag.New(diag.Internal, "an element cannot be read: %v", err)
		}
		if p != at && some != nil {
			if err := listener(at, some); err != nil {
				return err
			}
			some = nil
		}
		at, some = p, append(some, x)
		return nil
	})
	if err == nil && some != nil {
		err = listener(at, some)
	}
	return err
}

// Collect returns all elements, in order of the partitions.
func (d *Dataset[T]) Collect(ctx context.Context) ([]T, error) {
	out := []T{}
	err := runJob(ctx, d, func(_ int, xs []T) error {
		out = append(out, xs...)
		return nil
	})
	return out, err
}

// Count is the number of elements.
func (d *Dataset[T]) Count(ctx context.Context) (int64, error) { return d.df.Count(ctx) }

// Reduce combines all elements by f, which is associative and commutative: in each
// partition, and these here. It is false for a dataset without elements.
func (d *Dataset[T]) Reduce(ctx context.Context, f func(T, T) T) (result T, some bool, err error) {
	parts, err := made[T](called(d.df, "reduce", f, nil)).Collect(ctx)
	for i, x := range parts {
		if i == 0 {
			result, some = x, true
		} else {
			result = f(result, x)
		}
	}
	return result, some, err
}

// Fold is Reduce that begins with zero, which f does not change anything by.
func (d *Dataset[T]) Fold(ctx context.Context, zero T, f func(T, T) T) (T, error) {
	return AggregateDataset(ctx, d, zero, f, f)
}

// AggregateDataset adds the elements of each partition to zero, and merges these here.
func AggregateDataset[T, U any](ctx context.Context, d *Dataset[T], zero U, add func(U, T) U, merge func(U, U) U) (U, error) {
	v, err := function.ValueOf[U]()
	if err != nil {
		return zero, at(caller(), err)
	}
	parts, err := made[U](called(d.df, "fold", add, v.Append(nil, zero))).Collect(ctx)
	result := zero
	for _, x := range parts {
		result = merge(result, x)
	}
	return result, err
}

// Take returns the first n elements.
func (d *Dataset[T]) Take(ctx context.Context, n int64) ([]T, error) {
	return made[T](d.df.Limit(n)).Collect(ctx)
}

// Top returns the n elements with the largest keys, largest first.
func Top[T, K any](ctx context.Context, d *Dataset[T], n int64, f func(T) K) ([]T, error) {
	return SortBy(d, f, true).Take(ctx, n)
}

// CountByKey counts the pairs of each key.
func CountByKey[K comparable, V any](ctx context.Context, d *Dataset[Pair[K, V]]) (map[K]int64, error) {
	key, err := function.ValueOf[K]()
	if err != nil {
		return nil, at(caller(), err)
	}
	out := map[K]int64{}
	err = step(d.df, "split", nil).GroupBy("key").Agg("count(*) AS n").ForEach(ctx, func(r Row) error {
		k, err := key.Decode(r[0].([]byte))
		if err == nil {
			out[k] = r[1].(int64)
		}
		return err
	})
	return out, err
}

// ForEachPartition runs f on each partition for what it does there; what it yields is
// counted.
func ForEachPartition[T, U any](ctx context.Context, d *Dataset[T], f func(iter.Seq[T]) iter.Seq[U]) (int64, error) {
	return MapPartitions(d, f).Count(ctx)
}
