package cached

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
)

// fetched reads the columns of a partition that another executor holds, each in a
// stream of its own; rows are cut to the shortest batch.
type fetched struct {
	o       *Operator
	columns []stream
	scratch *memory.Scratch
}

// stream is a column on its way.
type stream struct {
	it op.BatchIterator
	b  *columnar.Batch // nil at the end
	at int
}

// fill makes sure that there is a row; io.EOF tells that there is none.
func (s *stream) fill(ctx context.Context) (err error) {
	for s.b == nil || s.at == s.b.Rows {
		s.at = 0
		if s.b, err = s.it.Next(ctx); err != nil {
			s.b = nil
			return err
		}
	}
	return nil
}

// fetch begins to read a partition from an executor. It returns nil if some of it is
// not there: whatever the reason, the rows can be had in another way.
func (o *Operator) fetch(ctx context.Context, from string, partition, attempt int) (rows, error) {
	columns := o.node.Columns
	if len(columns) == 0 { // the rows are only counted
		columns = []int{0}
	}
	f := &fetched{o: o, columns: make([]stream, len(columns))}
	origin := o.node.Dataset.Origin.Schema()
	for i, c := range columns {
		s := &f.columns[i]
		s.it = o.task.Block(ctx, from, cache.ColumnID(o.node.Dataset.ID, partition, attempt, c), columnar.NewSchema(origin.Fields[c]))
		if s.it == nil {
			f.close()
			return nil, nil
		}
		if err := s.fill(ctx); err != nil && !errors.Is(err, io.EOF) {
			f.close()
			return nil, ctx.Err()
		}
	}
	f.scratch = memory.NewScratch(o.task.Memory)
	o.metrics.Scan.CacheFetched.Add(int64(len(columns)))
	return f, nil
}

func (f *fetched) next(ctx context.Context) (*columnar.Batch, error) {
	n, ended := math.MaxInt, 0
	for i := range f.columns {
		s := &f.columns[i]
		err := s.fill(ctx)
		ended += bit(errors.Is(err, io.EOF))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil {
			continue
		}
		n = min(n, s.b.Rows-s.at)
	}
	switch ended {
	case 0:
	case len(f.columns):
		return nil, io.EOF
	default: // who runs next reads it elsewhere, or computes it
		return nil, &exec.Failure{Kind: exec.Transient, Cause: errors.New("columns of a partition have different numbers of rows")}
	}
	f.scratch.Reset()
	out := &f.o.out
	out.Rows, out.Sel = n, nil
	if out.Cols == nil {
		out.Cols = make([]columnar.Vector, len(f.o.node.Columns))
	}
	for i := range f.columns {
		s := &f.columns[i]
		if i < len(out.Cols) {
			out.Cols[i] = kernel.Slice(&s.b.Cols[0], s.at, n, f.scratch)
		}
		s.at += n
	}
	return out, nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f *fetched) close() {
	for _, s := range f.columns {
		if s.it != nil {
			_ = s.it.Close() // it was read from alone
		}
	}
	if f.scratch != nil {
		f.scratch.Close()
	}
}
