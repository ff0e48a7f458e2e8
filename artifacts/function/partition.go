package function

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// row is an element of a dataset on its way: its key, of operations that have one,
// and itself, both encoded; or a key and all values that have it.
type row struct {
	key, value []byte
	list       [][]byte
}

// task is what a function on partitions is told.
type task struct {
	index, tasks int
	args         []byte
}

// steps make rows of rows. A failure is a panic, which becomes the query's error.
type steps func(t task, in iter.Seq[row]) iter.Seq[row]

// TaskPrefix begins the keys of functions on partitions.
const TaskPrefix = "dataset:"

// Finder finds functions for executors: for SQL, and on partitions.
type Finder struct {
	table *expr.FunctionTable
	tasks map[string]*expr.Function
}

// Finder returns what finds the functions of the registry and the engine's.
func (r *Registry) Finder() *Finder { return &Finder{r.Table(), r.tasks} }

// Find implements expr.Lookup.
func (f *Finder) Find(name string) (*expr.Function, error) {
	if !strings.HasPrefix(name, TaskPrefix) {
		return f.table.Find(name)
	}
	if x, ok := f.tasks[name]; ok {
		return x, nil
	}
	if s, ok := plumbing[strings.TrimPrefix(name, TaskPrefix)]; ok {
		return taskOf(name, s), nil
	}
	_, symbol, _ := strings.Cut(strings.TrimPrefix(name, TaskPrefix), ":")
	return nil, diag.New(diag.UnresolvedRoutine, "the function %s is not registered for datasets, or not with these types", symbol).
		WithRemedy("register it where millrace.Main is told to: Func1, Func2 or PartitionFunc")
}

func taskOf(name string, s steps) *expr.Function {
	return &expr.Function{Name: name, Partition: partition{name, s}}
}

// task registers steps under what they do and a symbol.
func (r *Registry) task(what, symbol string, s steps) {
	if r.tasks == nil {
		r.tasks = map[string]*expr.Function{}
	}
	name := TaskPrefix + what + ":" + symbol
	r.tasks[name] = taskOf(name, s)
}

// partition is an expr.ForeignPartition.
type partition struct {
	name  string
	steps steps
}

// Open implements expr.ForeignPartition.
func (p partition) Open(index, tasks int, args []byte, out *columnar.Schema, in func() (*columnar.Batch, error)) expr.ForeignRows {
	f := &flow{name: p.name, out: out, args: args}
	guarded := func(yield func(row) bool) {
		defer func() {
			if x := recover(); x != nil && f.err == nil {
				f.err = panicked(strings.TrimPrefix(p.name, TaskPrefix), x, "")
			}
		}()
		for x := range p.steps(task{index, tasks, args}, f.input(in)) {
			if !yield(x) {
				return
			}
		}
	}
	f.next, f.stop = iter.Pull(guarded)
	return f
}

// flow runs steps as rows are asked for.
type flow struct {
	name string
	args []byte
	out  *columnar.Schema
	next func() (row, bool)
	stop func()
	err  error
}

// errInput stops steps whose input failed; err has the reason.
var errInput = errors.New("function: the input failed")

// input is what comes in, row by row: one column, or a key and a value, or a key and
// a list. Other columns make one value, each encoded as ValueOf does a field. A row is
// valid until the next.
func (f *flow) input(in func() (*columnar.Batch, error)) iter.Seq[row] {
	return func(yield func(row) bool) {
		for {
			b, err := in()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				f.err = err
				panic(errInput)
			}
			for i := range b.Selected() {
				at := b.RowAt(i)
				var r row
				switch {
				case f.name == TaskPrefix+"row":
					r.value = f.encodeRow(b, at)
				case b.Cols[1].Type.Kind == columnar.List:
					r.key, r.list = b.Cols[0].BytesAt(at), listAt(&b.Cols[1], at)
				default:
					r.key, r.value = b.Cols[0].BytesAt(at), b.Cols[1].BytesAt(at)
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// listAt returns the elements of a list of bytes.
func listAt(v *columnar.Vector, row int) [][]byte {
	if v.NullAt(row) {
		return nil
	}
	if v.Enc == columnar.Const {
		row = 0
	}
	off := v.Offsets()
	out := make([][]byte, 0, off[row+1]-off[row])
	for i := off[row]; i < off[row+1]; i++ {
		out = append(out, v.Kids[0].BytesAt(int(i)))
	}
	return out
}

// most is how many bytes of values a batch that comes out has at most, but for the
// last.
const most = 4 << 20

// Next implements expr.ForeignRows.
func (f *flow) Next(rows int) (*columnar.Batch, error) {
	typed := f.name == TaskPrefix+"columns"
	var keys, values []string
	size := 0
	for len(values) < rows && size < most {
		r, ok := f.next()
		if f.err != nil {
			return nil, f.err
		}
		if !ok {
			break
		}
		keys, values = append(keys, string(r.key)), append(values, string(r.value))
		size += len(r.key) + len(r.value)
	}
	if len(values) == 0 {
		return nil, io.EOF
	}
	if typed {
		return decodeRows(f.out, values)
	}
	k, err := storeTexts(columnar.BinaryType, keys, nil)
	if err != nil {
		return nil, err
	}
	v, err := storeTexts(columnar.BinaryType, values, nil)
	k.Stable, v.Stable = true, true
	return &columnar.Batch{Schema: f.out, Cols: []columnar.Vector{k, v}, Rows: len(values)}, err
}

// Close implements expr.ForeignRows.
func (f *flow) Close() { f.stop() }

// check ends steps by an error.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v Value[T], b []byte) T {
	x, err := v.Decode(b)
	if err != nil {
		panic(fmt.Errorf("an element cannot be read: %w", err))
	}
	return x
}
