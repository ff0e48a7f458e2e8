package function

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// each makes steps of what is done with one row.
func each(f func(t task, r row, yield func(row) bool) bool) steps {
	return func(t task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			for r := range in {
				if !f(t, r, yield) {
					return
				}
			}
		}
	}
}

// Symbol is the name by which plans call a function of datasets.
func Symbol(f any) (string, error) { return packageLevel(f) }

// register notes a function of datasets for the fingerprint.
func (r *Registry) register(f any) (string, bool) {
	symbol, err := packageLevel(f)
	if err != nil {
		r.err = errors.Join(r.err, err)
		return "", false
	}
	r.said = append(r.said, fmt.Sprintf("dataset %s %T", symbol, f))
	return symbol, true
}

// Func1 registers a function of one element, for Map, and Filter, FlatMap, KeyBy and
// SortBy where its result fits.
func Func1[T, U any](r *Registry, f func(T) U) {
	symbol, ok := r.register(f)
	from, err1 := ValueOf[T]()
	to, err2 := ValueOf[U]()
	if !ok || !r.types(symbol, err1, err2) {
		return
	}
	r.task("map", symbol, each(func(_ task, x row, yield func(row) bool) bool {
		return yield(row{value: to.Append(nil, f(must(from, x.value)))})
	}))
	r.task("keyby", symbol, each(func(_ task, x row, yield func(row) bool) bool {
		return yield(row{value: append(putKey(nil, to.Append(nil, f(must(from, x.value)))), x.value...)})
	}))
	if test, ok := any(f).(func(T) bool); ok {
		r.task("filter", symbol, each(func(_ task, x row, yield func(row) bool) bool {
			return !test(must(from, x.value)) || yield(row{value: x.value})
		}))
	}
	if order := orderOf[U](); order != nil {
		r.task("sortkey", symbol, each(func(_ task, x row, yield func(row) bool) bool {
			return yield(row{key: order(f(must(from, x.value))), value: x.value})
		}))
	}
	if t := reflect.TypeFor[U](); t.Kind() == reflect.Slice {
		e, err := coderOf(t.Elem(), map[reflect.Type]*coder{})
		if !r.types(symbol, err) {
			return
		}
		size := t.Elem().Size()
		r.task("flatmap", symbol, each(func(_ task, x row, yield func(row) bool) bool {
			out := f(must(from, x.value))
			s := *(*[]struct{})(unsafe.Pointer(&out)) // the header alone
			base := unsafe.Pointer(unsafe.SliceData(s))
			for i := range len(s) {
				if !yield(row{value: e.put(nil, unsafe.Add(base, uintptr(i)*size))}) {
					return false
				}
			}
			return true
		}))
	}
}

// orderOf encodes values so that their bytes are in their order; nil if the type has
// none.
func orderOf[U any]() func(U) []byte {
	number := func(x uint64) []byte { return binary.BigEndian.AppendUint64(nil, x) }
	t := reflect.TypeFor[U]()
	switch t.Kind() {
	case reflect.String:
		return func(x U) []byte { return []byte(reflect.ValueOf(x).String()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(x U) []byte { return number(uint64(reflect.ValueOf(x).Int()) ^ 1<<63) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(x U) []byte { return number(reflect.ValueOf(x).Uint()) }
	case reflect.Float32, reflect.Float64:
		return func(x U) []byte {
			b := math.Float64bits(reflect.ValueOf(x).Float() + 0)
			if b>>63 == 1 {
				return number(^b)
			}
			return number(b | 1<<63)
		}
	}
	return nil
}

// mostKeys is how many keys a task combines values of before it passes them on.
const mostKeys = 64 << 10

// Func2 registers a function of two values, for Reduce, ReduceByKey, Fold, Aggregate,
// AggregateByKey, as a Partitioner, and for MapWith, where its types fit.
func Func2[A, B, R any](r *Registry, f func(A, B) R) {
	symbol, ok := r.register(f)
	first, err1 := ValueOf[A]()
	second, err2 := ValueOf[B]()
	result, err3 := ValueOf[R]()
	if !ok || !r.types(symbol, err1, err2, err3) {
		return
	}
	r.task("mapwith", symbol, func(t task, in iter.Seq[row]) iter.Seq[row] {
		a := must(first, t.args)
		return each(func(_ task, x row, yield func(row) bool) bool {
			return yield(row{value: result.Append(nil, f(a, must(second, x.value)))})
		})(t, in)
	})
	if g, ok := any(f).(func(A, B) A); ok {
		r.task("fold", symbol, func(t task, in iter.Seq[row]) iter.Seq[row] {
			return func(yield func(row) bool) {
				s := must(first, t.args)
				for x := range in {
					s = g(s, must(second, x.value))
				}
				yield(row{value: first.Append(nil, s)})
			}
		})
		r.task("foldkeys", symbol, combine(func(t task, _ []byte) A { return must(first, t.args) }, func(s A, v []byte) A { return g(s, must(second, v)) }, first))
	}
	if g, ok := any(f).(func(A, A) A); ok {
		r.task("reduce", symbol, func(_ task, in iter.Seq[row]) iter.Seq[row] {
			return func(yield func(row) bool) {
				var s A
				some := false
				for x := range in {
					if v := must(first, x.value); some {
						s = g(s, v)
					} else {
						s, some = v, true
					}
				}
				if some {
					yield(row{value: first.Append(nil, s)})
				}
			}
		})
		r.task("reducekeys", symbol, reduceKeys(g, first))
		r.task("reducelist", symbol, each(func(_ task, x row, yield func(row) bool) bool {
			s := must(first, x.list[0])
			for _, v := range x.list[1:] {
				s = g(s, must(first, v))
			}
			return yield(row{value: first.Append(putKey(nil, x.key), s)})
		}))
	}
	if g, ok := any(f).(func(A, int) int); ok {
		r.task("partitioner", symbol, func(t task, in iter.Seq[row]) iter.Seq[row] {
			n := int(binary.LittleEndian.Uint32(t.args))
			keys := partitionKeys(n)
			return each(func(_ task, x row, yield func(row) bool) bool {
				k, _, err := cutPair(x.value)
				check(err)
				p := g(must(first, k), n)
				if p < 0 || p >= n {
					panic(fmt.Errorf("the partitioner answers %d of %d partitions", p, n))
				}
				return yield(row{key: keys[p], value: x.value})
			})(t, in)
		})
	}
}

// combine merges values of the same key within a task.
func combine[A any](zero func(task, []byte) A, add func(A, []byte) A, c Value[A]) steps {
	return func(t task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			states := map[string]A{}
			flush := func() bool {
				for k, s := range states {
					if !yield(row{key: []byte(k), value: c.Append(nil, s)}) {
						return false
					}
				}
				clear(states)
				return true
			}
			for x := range in {
				s, ok := states[string(x.key)]
				if !ok {
					if len(states) == mostKeys && !flush() {
						return
					}
					s = zero(t, x.value)
				}
				states[string(x.key)] = add(s, x.value)
			}
			flush()
		}
	}
}

// reduceKeys is combine where the first value is what the others are added to.
func reduceKeys[A any](g func(A, A) A, c Value[A]) steps {
	type state struct {
		v    A
		some bool
	}
	return func(t task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			states := map[string]state{}
			flush := func() bool {
				for k, s := range states {
					if !yield(row{key: []byte(k), value: c.Append(nil, s.v)}) {
						return false
					}
				}
				clear(states)
				return true
			}
			for x := range in {
				v := must(c, x.value)
				if s, ok := states[string(x.key)]; ok {
					v = g(s.v, v)
				} else if len(states) == mostKeys && !flush() {
					return
				}
				states[string(x.key)] = state{v, true}
			}
			flush()
		}
	}
}

// PartitionFunc registers a function of all elements of a partition, for
// MapPartitions, ForEachPartition and RunJob.
func PartitionFunc[T, U any](r *Registry, f func(iter.Seq[T]) iter.Seq[U]) {
	symbol, ok := r.register(f)
	from, err1 := ValueOf[T]()
	to, err2 := ValueOf[U]()
	if !ok || !r.types(symbol, err1, err2) {
		return
	}
	r.task("partitions", symbol, func(_ task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			for u := range f(func(yield func(T) bool) {
				for x := range in {
					if !yield(must(from, x.value)) {
						return
					}
				}
			}) {
				if !yield(row{value: to.Append(nil, u)}) {
					return
				}
			}
		}
	})
}

// SourceFunc registers a function that reads a partition of a source.
func SourceFunc[P, T any](r *Registry, f func(P) iter.Seq[T]) {
	symbol, ok := r.register(f)
	from, err1 := ValueOf[[]P]()
	to, err2 := ValueOf[T]()
	if !ok || !r.types(symbol, err1, err2) {
		return
	}
	r.task("source", symbol, func(t task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			partitions := must(from, t.args)
			for x := range in {
				i, err := strconv.Atoi(string(x.value))
				check(err)
				for v := range f(partitions[i]) {
					if !yield(row{value: to.Append(nil, v)}) {
						return
					}
				}
			}
		}
	})
}

// partitionKeys returns for each of n partitions a key that is hashed to it.
func partitionKeys(n int) [][]byte {
	out := make([][]byte, n)
	for found, i := 0, uint32(0); found < n; i++ {
		b := binary.LittleEndian.AppendUint32(nil, i)
		v, _ := storeTexts(columnar.BinaryType, []string{string(b)}, nil)
		batch := &columnar.Batch{Cols: []columnar.Vector{v}, Rows: 1}
		if p := kernel.PartitionOf(kernel.HashBatch(batch, []int{0}, nil)[0], n); out[p] == nil {
			out[p] = b
			found++
		}
	}
	return out
}

// countPrefix encodes how many elements follow, as the encoding of a slice begins.
func countPrefix(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// plumbing are steps that need no function of the program: they move encoded values.
var plumbing = map[string]steps{
	"row":     each(func(_ task, x row, yield func(row) bool) bool { return yield(row{value: x.value}) }),
	"columns": each(func(_ task, x row, yield func(row) bool) bool { return yield(row{value: x.value}) }),
	"split": each(func(_ task, x row, yield func(row) bool) bool {
		k, v, err := cutPair(x.value)
		check(err)
		return yield(row{key: k, value: v})
	}),
	// tag is split that says which of two sides a value is of.
	"tag": each(func(t task, x row, yield func(row) bool) bool {
		k, v, err := cutPair(x.value)
		check(err)
		return yield(row{key: k, value: append([]byte{t.args[0]}, v...)})
	}),
	"group": each(func(_ task, x row, yield func(row) bool) bool {
		b := append(putKey(nil, x.key), countPrefix(len(x.list))...)
		for _, v := range x.list {
			b = append(b, v...)
		}
		return yield(row{value: b})
	}),
	"cogroup": each(func(_ task, x row, yield func(row) bool) bool {
		b := putKey(nil, x.key)
		for _, side := range sides(x.list) {
			b = append(b, countPrefix(len(side))...)
			for _, v := range side {
				b = append(b, v...)
			}
		}
		return yield(row{value: b})
	}),
	// join pairs values of both sides; args say which sides may be without the other.
	"join": each(func(t task, x row, yield func(row) bool) bool {
		both := sides(x.list)
		wrap := func(optional bool, v []byte) []byte {
			if !optional {
				return v
			}
			if v == nil {
				return []byte{0}
			}
			return append([]byte{1}, v...)
		}
		left, right := both[0], both[1]
		keepLeft, keepRight := t.args[0] == 1, t.args[1] == 1
		if len(left) == 0 && keepRight {
			left = [][]byte{nil}
		}
		if len(right) == 0 && keepLeft {
			right = [][]byte{nil}
		}
		for _, l := range left {
			for _, r := range right {
				b := append(putKey(nil, x.key), wrap(keepRight, l)...)
				if !yield(row{value: append(b, wrap(keepLeft, r)...)}) {
					return false
				}
			}
		}
		return true
	}),
	"glom": func(_ task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			n, all := 0, []byte(nil)
			for x := range in {
				n++
				all = append(all, x.value...)
			}
			yield(row{value: append(countPrefix(n), all...)})
		}
	},
	// index makes a pair of a row's place and the row.
	"index": func(t task, in iter.Seq[row]) iter.Seq[row] {
		return func(yield func(row) bool) {
			place := uint64(t.index) << 40
			for x := range in {
				key := binary.BigEndian.AppendUint64(nil, place)
				place++
				if !yield(row{value: append(putKey(nil, key), x.value...)}) {
					return
				}
			}
		}
	},
	"zip": each(func(_ task, x row, yield func(row) bool) bool {
		both := sides(x.list)
		if len(both[0]) != 1 || len(both[1]) != 1 {
			panic(errors.New("datasets that are zipped must have as many elements in each partition"))
		}
		return yield(row{key: x.key, value: append(append([]byte{}, both[0][0]...), both[1][0]...)})
	}),
	"sample": func(t task, in iter.Seq[row]) iter.Seq[row] {
		fraction := math.Float64frombits(binary.LittleEndian.Uint64(t.args))
		r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(t.args[8:]), uint64(t.index)))
		return each(func(_ task, x row, yield func(row) bool) bool {
			return r.Float64() >= fraction || yield(row{value: x.value})
		})(t, in)
	},
	// place adds the number of the partition, for RunJob.
	"place": each(func(t task, x row, yield func(row) bool) bool {
		return yield(row{key: binary.BigEndian.AppendUint32(nil, uint32(t.index)), value: x.value})
	}),
}

// sides parts values by the tag that they begin with.
func sides(list [][]byte) (out [2][][]byte) {
	for _, v := range list {
		out[v[0]&1] = append(out[v[0]&1], v[1:])
	}
	return out
}
