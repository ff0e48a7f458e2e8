package micro

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say what data to make.
type Options struct {
	SF       float64
	Dir      string             // made if it is not there
	Workers  int                // goroutines; 0 means 1. The files do not depend on it
	Progress func(table string) // called after each file, by one goroutine at a time; may be nil
}

// files is how many files a table is made of, so that every engine can read with
// several threads.
const files = 4

// Gen makes what is missing of Dir/TABLE.parquet, folders of four files each, and
// Dir/lineitem.csv. A table that is there is taken as it is; one that is made
// appears whole or not at all.
func Gen(ctx context.Context, o Options) error {
	if !(o.SF > 0 && o.SF <= 1000) {
		return diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most 1000, not %g", o.SF)
	}
	for _, t := range Tables(o.SF) {
		path := filepath.Join(o.Dir, t.Name+".parquet")
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := o.table(ctx, t, path); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "lineitem.csv")); err == nil {
		return nil
	}
	return tpch.Gen(ctx, tpch.GenOptions{SF: o.SF, Format: "csv", Dir: o.Dir, Tables: []string{"lineitem"}, Workers: o.Workers, Progress: o.Progress})
}

// table makes a folder of files, each by one worker.
func (o Options) table(ctx context.Context, t Table, path string) error {
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
	for _, c := range t.columns {
		v := columnar.Vector{Type: c.t, Len: b.Rows, Width: uint8(c.t.FixedWidth())}
		switch {
		case c.text != nil:
			off := make([]int32, 1, b.Rows+1)
			for row := from; row < to; row++ {
				v.Bytes = c.text(v.Bytes, row)
				off = append(off, int32(len(v.Bytes)))
			}
			v.Data = columnar.BytesOf(off)
		case v.Width == 4:
			x := make([]int32, b.Rows)
			for i := range x {
				x[i] = int32(c.number(from + int64(i)))
			}
			v.Data = columnar.BytesOf(x)
		default:
			x := make([]int64, b.Rows)
			for i := range x {
				x[i] = c.number(from + int64(i))
			}
			v.Data = columnar.BytesOf(x)
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}
