package window

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
)

// input hands out the child's rows and knows where partitions begin.
type input struct {
	child   op.Operator
	last    edge
	scratch *memory.Scratch
	batch   *columnar.Batch // the child's last one, dense
	begins  []int32         // its rows that begin a partition
	begun   int             // how many of these were handed out
	at      int             // rows that were
	ended   bool
}

// load makes sure that there is a row that was not handed out; io.EOF ends.
func (in *input) load(ctx context.Context) error {
	for in.batch == nil || in.at == in.batch.Rows {
		if in.ended {
			return io.EOF
		}
		in.batch = nil
		b, err := in.child.Next(ctx)
		if err != nil {
			in.ended = errors.Is(err, io.EOF)
			return err
		}
		in.scratch.Reset()
		dense := *kernel.Compact(b, in.scratch)
		dense.Hash = nil
		in.batch, in.at, in.begun = &dense, 0, 0
		in.begins = in.last.begins(&dense, in.begins[:0], in.scratch)
	}
	return nil
}

// take hands out n rows.
func (in *input) take(n int) *columnar.Batch {
	b := in.batch
	if in.at > 0 || n < b.Rows {
		b = kernel.SliceBatch(b, in.at, n, in.scratch)
	}
	in.at += n
	return b
}

// all returns the rows at hand and which of them begin a partition, valid until
// the next call; io.EOF ends.
func (in *input) all(ctx context.Context) (b *columnar.Batch, begins []int32, err error) {
	if err := in.load(ctx); err != nil {
		return nil, nil, err
	}
	begins = in.begins[in.begun:]
	for i := range begins {
		begins[i] -= int32(in.at)
	}
	in.begun = len(in.begins)
	return in.take(in.batch.Rows - in.at), begins, nil
}

// more returns rows that go on with the partition of those handed out before,
// valid until the next call; io.EOF says that it has ended.
func (in *input) more(ctx context.Context) (*columnar.Batch, error) {
	if err := in.load(ctx); err != nil {
		return nil, err
	}
	end := in.batch.Rows
	if in.begun < len(in.begins) {
		end = int(in.begins[in.begun])
	}
	if end == in.at {
		return nil, io.EOF
	}
	return in.take(end - in.at), nil
}

// edge finds the rows that differ in some columns from the row before them, also
// where that was in another batch.
type edge struct {
	cols []int
	some bool
	keys *row.Keys // of the row before
}

// begins appends the rows of a batch that differ, and remembers its last one. The
// first row of all does.
func (e *edge) begins(b *columnar.Batch, out []int32, s *memory.Scratch) []int32 {
	vs := make([]columnar.Vector, len(e.cols))
	for i, c := range e.cols {
		vs[i] = b.Cols[c]
	}
	k := row.EncodeIn(s, make([]row.Key, len(vs)), vs, b.Rows)
	if !e.some || row.Compare(e.keys, 0, k, 0) != 0 {
		out = append(out, 0)
	}
	for i := 1; i < b.Rows && len(vs) > 0; i++ {
		if row.Compare(k, i-1, k, i) != 0 {
			out = append(out, int32(i))
		}
	}
	e.some = true
	e.keys = row.Encode(make([]row.Key, len(vs)), copyRow(vs, b.Rows-1), 1)
	return out
}

// copyRow returns a row of vectors in memory of its own.
func copyRow(vs []columnar.Vector, i int) []columnar.Vector {
	if len(vs) == 0 {
		return nil
	}
	types := make([]columnar.Type, len(vs))
	for k := range vs {
		types[k] = vs[k].Type
	}
	one := kernel.NewAppender(types, nil)
	if one.AppendRows(&columnar.Batch{Cols: vs, Rows: i + 1}, []uint16{uint16(i)}) != nil {
		return nil // a row of a batch is never too long
	}
	return one.Take(nil).Cols
}
