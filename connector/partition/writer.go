package partition

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// maxOpen bounds the files that a task writes at once; one more ends the file
// that waited longest.
const maxOpen = 64

// maxHeld bounds the bytes that a task holds back.
const maxHeld = 256 << 20

// maxName bounds a directory's name, as file systems do.
const maxName = 255

// writable is partitioned with a format that can write.
type writable struct {
	partitioned
	format connector.WriterConnector
}

// Check implements connector.WriterConnector.
func (w *writable) Check(spec connector.WriteSpec) error {
	for _, c := range spec.PartitionBy {
		f := spec.Schema.Fields[c]
		switch {
		case f.Type.IsNested() || f.Type.Kind == columnar.Binary || f.Type.Kind == columnar.Null:
			return diag.New(diag.TypeMismatch, "files cannot be partitioned by %s of type %s", f.Name, f.Type)
		case f.Name == "" || f.Name[0] == '.':
			return diag.New(diag.InvalidArgument, "files cannot be partitioned by a column named %q: its directories would be hidden", f.Name).WithRemedy("give it another name with AS")
		}
	}
	return w.format.Check(inward(spec))
}

// inward is the request to the format: without the partition columns.
func inward(spec connector.WriteSpec) connector.WriteSpec {
	by := map[int]bool{}
	for _, c := range spec.PartitionBy {
		by[c] = true
	}
	all := spec.Schema
	spec.Schema, spec.PartitionBy = &columnar.Schema{}, nil
	for i, f := range all.Fields {
		if !by[i] {
			spec.Schema.Fields = append(spec.Schema.Fields, f)
		}
	}
	return spec
}

// NewWriter implements connector.WriterConnector.
func (w *writable) NewWriter(ctx context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := w.Check(spec); err != nil {
		return nil, err
	}
	out := &writer{format: w.format, spec: inward(spec), by: spec.PartitionBy, task: task, attempt: attempt, rows: map[string]*target{}, dirs: map[string]*target{}}
	by := map[int]bool{}
	for _, c := range spec.PartitionBy {
		by[c] = true
		out.names = append(out.names, spec.Schema.Fields[c].Name)
	}
	for i := range spec.Schema.Fields {
		if !by[i] {
			out.keep = append(out.keep, i)
			out.types = append(out.types, spec.Schema.Fields[i].Type)
		}
	}
	if len(spec.PartitionBy) == 0 { // one file, even without rows
		t := &target{}
		out.dirs[""] = t
		return out, out.open(ctx, t)
	}
	return out, nil
}

// writer distributes a task's rows over directories.
type writer struct {
	format        connector.WriterConnector
	spec          connector.WriteSpec
	by, keep      []int
	names         []string
	types         []columnar.Type // of the columns kept
	task, attempt int

	rows  map[string]*target // by the values of a row
	dirs  map[string]*target // by directory
	opens []*target          // those with an open file
	done  []connector.File
	order []*target // all, as they came
	clock int64     // batches written
	held  int64     // reserved
	key   []byte
	batch columnar.Batch
}

// target is one directory. Its first rows wait until there are enough of them to
// be worth a file, so that rows in no order of the partition columns do not make
// many small ones.
type target struct {
	dir   string
	w     connector.Writer // nil: no file is open
	wait  *kernel.Appender // rows without a file; nil: none
	files int
	last  int64 // clock of the last rows
	sel   []uint16
}

// Write implements connector.Writer.
func (w *writer) Write(ctx context.Context, b *columnar.Batch) error {
	w.clock++
	if len(w.by) == 0 {
		if err := w.dirs[""].w.Write(ctx, b); err != nil {
			return err
		}
		return w.relieve(ctx)
	}
	w.batch = columnar.Batch{Schema: w.spec.Schema, Rows: b.Rows, Cols: w.batch.Cols[:0]}
	for _, c := range w.keep {
		w.batch.Cols = append(w.batch.Cols, b.Cols[c])
	}
	var touched []*target
	for i := range b.Selected() {
		row := b.RowAt(i)
		t, err := w.target(b, row)
		if err != nil {
			return err
		}
		if len(t.sel) == 0 {
			touched = append(touched, t)
		}
		t.sel = append(t.sel, uint16(row))
	}
	for _, t := range touched {
		w.batch.Sel = t.sel
		if err := w.add(ctx, t); err != nil {
			return err
		}
		t.last, t.sel = w.clock, t.sel[:0]
	}
	return w.relieve(ctx)
}

// add takes the batch into a directory.
func (w *writer) add(ctx context.Context, t *target) error {
	if t.w == nil && t.wait == nil {
		t.wait = kernel.NewAppender(w.types, nil)
	}
	if t.w == nil && t.wait.Len()+len(t.sel) > columnar.MaxRows {
		if err := w.release(ctx, t); err != nil {
			return err
		}
	}
	if t.w == nil {
		return t.wait.Append(&w.batch)
	}
	return t.w.Write(ctx, &w.batch)
}

// release writes the rows that wait into a file.
func (w *writer) release(ctx context.Context, t *target) error {
	if t.wait == nil {
		return nil
	}
	if err := w.open(ctx, t); err != nil {
		return err
	}
	b := t.wait.Take(w.spec.Schema)
	t.wait = nil
	return t.w.Write(ctx, b)
}

// target returns the directory of a row.
func (w *writer) target(b *columnar.Batch, row int) (*target, error) {
	w.key = w.key[:0]
	for _, c := range w.by {
		w.key = appendKey(w.key, &b.Cols[c], row)
	}
	if t, ok := w.rows[string(w.key)]; ok {
		return t, nil
	}
	dir := ""
	for i, c := range w.by {
		value := ""
		if v := &b.Cols[c]; !v.NullAt(row) {
			value = string(text.AppendValue(nil, v, row, time.UTC))
		}
		name := directory(w.names[i], value)
		if len(name) > maxName {
			return nil, diag.New(diag.InvalidArgument, "a value of the partition column %s makes a directory name of %d bytes", w.names[i], len(name)).WithPath(w.spec.Dir).
				WithRemedy("partition by a column with shorter values")
		}
		dir = path.Join(dir, name)
	}
	t := w.dirs[dir] // rows that differ may have one: null and the empty string
	if t == nil {
		t = &target{dir: dir}
		w.dirs[dir] = t
		w.order = append(w.order, t)
	}
	w.rows[string(w.key)] = t
	return t, nil
}

// appendKey appends a row's value: equal bytes are equal values.
func appendKey(key []byte, v *columnar.Vector, row int) []byte {
	if v.NullAt(row) {
		return append(key, 0)
	}
	key = append(key, 1)
	switch t := v.Type; {
	case t.IsBytes():
		b := v.BytesAt(row)
		return append(binary.AppendUvarint(key, uint64(len(b))), b...)
	case t.IsFloat():
		return binary.LittleEndian.AppendUint64(key, math.Float64bits(v.Float64At(row)))
	case t.Kind == columnar.Decimal:
		x := v.Int128At(row)
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(key, x.Lo), uint64(x.Hi))
	}
	return binary.LittleEndian.AppendUint64(key, uint64(v.Int64At(row)))
}

// open begins a file of a directory unless one is open (P5).
func (w *writer) open(ctx context.Context, t *target) error {
	if t.w != nil {
		return nil
	}
	if len(w.opens) >= maxOpen {
		oldest := w.opens[0]
		for _, o := range w.opens {
			if o.last < oldest.last {
				oldest = o
			}
		}
		if err := w.finish(ctx, oldest); err != nil {
			return err
		}
	}
	spec := w.spec
	spec.Dir, spec.Sequence = filepath.Join(spec.Dir, filepath.FromSlash(t.dir)), t.files
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return fs.ExplainWrite(err, spec.Dir)
	}
	f, err := w.format.NewWriter(ctx, spec, w.task, w.attempt)
	if err != nil {
		return err
	}
	t.w, t.last = f, w.clock
	t.files++
	w.opens = append(w.opens, t)
	return nil
}

// finish commits the open file of a directory.
func (w *writer) finish(ctx context.Context, t *target) error {
	f := t.w
	t.w = nil
	for i, o := range w.opens {
		if o == t {
			w.opens = append(w.opens[:i], w.opens[i+1:]...)
			break
		}
	}
	files, err := f.Commit(ctx)
	for _, x := range files {
		x.Path = path.Join(t.dir, x.Path)
		w.done = append(w.done, x)
	}
	return err
}

// relieve reserves what is held back, and writes the largest part of it while
// that is more than the budget or maxHeld.
func (w *writer) relieve(ctx context.Context) error {
	for {
		total, most := int64(0), int64(0)
		var largest *target
		see := func(t *target, n int64) {
			if total += n; n > most {
				largest, most = t, n
			}
		}
		for _, t := range w.opens {
			if b, ok := t.w.(connector.Buffering); ok {
				see(t, b.Buffered())
			}
		}
		for _, t := range w.order {
			if t.wait != nil {
				see(t, t.wait.Bytes())
			}
		}
		if w.reserve(total) && total <= maxHeld || largest == nil {
			return nil
		}
		if err := w.release(ctx, largest); err != nil {
			return err
		}
		if b, ok := largest.w.(connector.Buffering); ok {
			if err := b.Flush(); err != nil {
				return err
			}
		}
	}
}

// reserve makes the reservation n bytes; false: the budget has not so many.
func (w *writer) reserve(n int64) bool {
	if r := w.spec.Memory; r != nil {
		switch {
		case n < w.held:
			r.Shrink(w.held - n)
		case !r.TryGrow(n - w.held):
			return false
		}
		w.held = n
	}
	return true
}

// Commit implements connector.Writer.
func (w *writer) Commit(ctx context.Context) ([]connector.File, error) {
	for _, t := range w.order {
		if t.wait == nil {
			continue
		}
		if err := w.release(ctx, t); err != nil {
			return nil, errors.Join(err, w.Abort())
		}
		if err := w.finish(ctx, t); err != nil {
			return nil, errors.Join(err, w.Abort())
		}
	}
	for len(w.opens) > 0 {
		if err := w.finish(ctx, w.opens[0]); err != nil {
			return nil, errors.Join(err, w.Abort())
		}
	}
	w.reserve(0)
	return w.done, nil
}

// Abort implements connector.Writer.
func (w *writer) Abort() error {
	var errs []error
	for _, t := range w.opens {
		errs = append(errs, t.w.Abort())
	}
	w.opens = nil
	for _, f := range w.done { // files that were complete before
		errs = append(errs, os.Remove(filepath.Join(w.spec.Dir, filepath.FromSlash(f.Path))))
	}
	w.done = nil
	w.reserve(0)
	return errors.Join(errs...)
}

var (
	_ connector.WriterConnector = (*writable)(nil)
	_ connector.Writer          = (*writer)(nil)
)
