package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say where to make tables.
type Options struct {
	Dir      string             // made if it is not there
	Workers  int                // goroutines; 0 means 1. The files do not depend on it
	Progress func(table string) // called after each file, by one goroutine at a time; may be nil
}

// files is how many files a table is made of, so that every engine can read with
// several threads.
const files = 4

// Gen makes the tables that are missing in Dir. One that is there is taken as it
// is; one that is made appears whole or not at all.
func Gen(ctx context.Context, tables []Table, o Options) error {
	for _, t := range tables {
		path := o.path(t)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := o.make(ctx, t, path); err != nil {
			return err
		}
	}
	return nil
}

// Paths returns where the tables lie, by name.
func Paths(tables []Table, dir string) map[string]string {
	out := map[string]string{}
	for _, t := range tables {
		out[t.Name] = Options{Dir: dir}.path(t)
	}
	return out
}

func (o Options) path(t Table) string { return filepath.Join(o.Dir, t.Name+".parquet") }

// make makes a folder of files, each by one worker.
func (o Options) make(ctx context.Context, t Table, path string) error {
	staging := filepath.Join(o.Dir, "."+t.Name)
	defer os.RemoveAll(staging)
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return fs.ExplainWrite(err, staging)
	}
	errs := make([]error, files)
	free := make(chan struct{}, max(1, o.Workers))
	var wg sync.WaitGroup
	var mu sync.Mutex // of Progress
	for i := range files {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if errs[i] = file(ctx, t, i, staging); errs[i] == nil && o.Progress != nil {
				mu.Lock()
				defer mu.Unlock()
				o.Progress(t.Name)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return diag.New(diag.Cancelled, "the making of data in %s was cancelled", o.Dir).WithPath(o.Dir).WithCause(context.Cause(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.Rename(staging, path); err != nil {
		return fs.ExplainWrite(err, path)
	}
	return nil
}

// file makes one of the files of a table.
func file(ctx context.Context, t Table, i int, dir string) error {
	spec := connector.WriteSpec{Dir: dir, Schema: t.Schema(), Options: map[string]string{"file_name": fmt.Sprintf("part-%05d.parquet", i)}}
	w, err := parquet.New().NewWriter(ctx, spec, i, 0)
	if err != nil {
		return err
	}
	to := t.Rows * int64(i+1) / files
	for from := t.Rows * int64(i) / files; from < to; from += columnar.MaxRows {
		err := ctx.Err()
		if err == nil {
			err = w.Write(ctx, t.batch(from, min(to, from+columnar.MaxRows)))
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	_, err = w.Commit(ctx)
	return err
}

// batch makes the rows from … to-1, in memory of its own.
func (t Table) batch(from, to int64) *columnar.Batch {
	b := &columnar.Batch{Schema: t.Schema(), Rows: int(to - from)}
	for _, c := range t.Columns {
		v := columnar.Vector{Type: c.Type, Len: b.Rows, Width: uint8(c.Type.FixedWidth())}
		switch {
		case c.Text != nil:
			off := make([]int32, 1, b.Rows+1)
			for row := from; row < to; row++ {
				v.Bytes = c.Text(v.Bytes, row)
				off = append(off, int32(len(v.Bytes)))
			}
			v.Data = columnar.BytesOf(off)
		case v.Width == 4:
			x := make([]int32, b.Rows)
			for i := range x {
				x[i] = int32(c.Number(from + int64(i)))
			}
			v.Data = columnar.BytesOf(x)
		default:
			x := make([]int64, b.Rows)
			for i := range x {
				x[i] = c.Number(from + int64(i))
			}
			v.Data = columnar.BytesOf(x)
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}
