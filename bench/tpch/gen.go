package tpch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
)

// GenOptions say what data to make.
type GenOptions struct {
	SF       float64
	Format   string             // parquet, csv (with a header) or tbl (the official generator's)
	Dir      string             // made if it is not there
	Tables   []string           // which tables; none means all
	Workers  int                // goroutines; 0 means 1. The files do not depend on it
	Progress func(table string) // called after each piece of a table, by one goroutine at a time; may be nil
}

// Sizes of pieces, in units of dbgen.Units.
const (
	singleFile  = 100_000 // Parquet tables up to here are one file
	fileUnits   = 375_000 // of each file of larger ones: 64 MB of lineitem
	folderFiles = 4       // at least, so that making and reading use several cores
	textUnits   = 10_000  // rendered at once: 5 MB of lineitem
)

// piece is a part of a table that is made by one worker.
type piece struct {
	table       dbgen.Table
	part, parts int
}

// Gen makes the tables as Dir/TABLE.parquet, .csv or .tbl; large Parquet tables
// are folders TABLE.parquet of several files. Everything is made in a hidden
// folder of Dir first and moved into place at the end: a table is the old one or
// the new one, never a mixture, and a failed or cancelled run leaves no trace.
// Tables of that name and format that are in Dir already are replaced.
func Gen(ctx context.Context, o GenOptions) (err error) {
	if !(o.SF > 0 && o.SF <= dbgen.MaxSF) {
		return diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most %d, not %g", dbgen.MaxSF, o.SF)
	}
	if !slices.Contains([]string{"parquet", "csv", "tbl"}, o.Format) {
		return diag.New(diag.InvalidArgument, "data cannot be made in the format %q", o.Format).WithRemedy("use parquet, csv or tbl")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fs.Explain(err, o.Dir)
	}
	staging, err := os.MkdirTemp(o.Dir, ".tpch-*")
	if err != nil {
		return fs.Explain(err, o.Dir)
	}
	defer func() {
		if e := os.RemoveAll(staging); e != nil && err == nil {
			err = fs.Explain(e, staging)
		}
	}()
	o.Workers = max(1, o.Workers)
	if p := o.Progress; p != nil {
		var mu sync.Mutex
		o.Progress = func(table string) {
			mu.Lock()
			defer mu.Unlock()
			p(table)
		}
	} else {
		o.Progress = func(string) {}
	}
	if o.Format == "parquet" {
		err = o.binary(ctx, staging)
	} else {
		err = o.text(ctx, staging)
	}
	if ctx.Err() != nil {
		return diag.New(diag.Cancelled, "the making of data in %s was cancelled", o.Dir).WithPath(o.Dir).WithCause(context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	for _, t := range o.tables() {
		name := t.Name + "." + o.Format
		if err := replace(filepath.Join(o.Dir, name), filepath.Join(staging, name), filepath.Join(staging, "old-"+name)); err != nil {
			return fs.Explain(err, filepath.Join(o.Dir, name))
		}
	}
	return nil
}

// replace puts a file or folder into place; what was there is moved to old.
func replace(target, made, old string) error {
	if err := os.Rename(target, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(made, target)
}

// each runs f for 0 … n-1 on the workers, in that order of starting. The first
// error ends all of them and is returned.
func (o GenOptions) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan int, n)
	for i := range n {
		queue <- i
	}
	close(queue)
	var wg sync.WaitGroup
	for range o.Workers {
		wg.Go(func() {
			for i := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// tables lists the tables to make.
func (o GenOptions) tables() []dbgen.Table {
	return slices.DeleteFunc(dbgen.Tables(), func(t dbgen.Table) bool { return len(o.Tables) > 0 && !slices.Contains(o.Tables, t.Name) })
}

// binary makes Parquet files, each by one worker, the largest table first.
func (o GenOptions) binary(ctx context.Context, dir string) error {
	var work []piece
	for _, t := range slices.Backward(o.tables()) {
		n := 1
		if units := dbgen.Units(t.Name, o.SF); units > singleFile {
			n = max(folderFiles, int(units/fileUnits))
		}
		for p := range n {
			work = append(work, piece{t, p, n})
		}
	}
	return o.each(ctx, len(work), func(ctx context.Context, i int) error {
		if err := o.file(ctx, dir, work[i]); err != nil {
			return err
		}
		o.Progress(work[i].table.Name)
		return nil
	})
}

// file makes one Parquet file.
func (o GenOptions) file(ctx context.Context, dir string, p piece) error {
	name := p.table.Name + ".parquet"
	spec := connector.WriteSpec{Dir: dir, Schema: p.table.Schema, Options: map[string]string{"file_name": name}}
	if p.parts > 1 {
		spec.Dir = filepath.Join(dir, name)
		spec.Options["file_name"] = fmt.Sprintf("part-%05d.parquet", p.part)
	}
	w, err := parquet.New().NewWriter(ctx, spec, p.part, 0)
	if err != nil {
		return err
	}
	err = dbgen.Generate(ctx, p.table.Name, o.SF, p.part, p.parts, func(b *columnar.Batch) error { return w.Write(ctx, b) })
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Commit(ctx)
	return err
}

// text makes the tables as text, one after the other: the workers render
// pieces, and write them when all pieces before have been written.
func (o GenOptions) text(ctx context.Context, dir string) error {
	for _, t := range o.tables() {
		f, err := os.Create(filepath.Join(dir, t.Name+"."+o.Format))
		if err != nil {
			return fs.Explain(err, o.Dir)
		}
		err = o.lines(ctx, t, f)
		if e := f.Close(); err == nil && e != nil {
			err = o.failed(t, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o GenOptions) failed(t dbgen.Table, err error) error {
	return diag.New(diag.WriteFailed, "table %s cannot be written to %s: %v", t.Name, o.Dir, err).WithPath(o.Dir).WithCause(err).
		WithRemedy("check the free space and the permissions of the directory")
}

func (o GenOptions) lines(ctx context.Context, t dbgen.Table, f *os.File) error {
	render := dbgen.AppendTBL
	if o.Format == "csv" {
		render = dbgen.AppendCSV
		if _, err := f.WriteString(header(t)); err != nil {
			return o.failed(t, err)
		}
	}
	n := int((dbgen.Units(t.Name, o.SF) + textUnits - 1) / textUnits)
	turns := make([]chan struct{}, n+1)
	for i := range turns {
		turns[i] = make(chan struct{}, 1)
	}
	turns[0] <- struct{}{}
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	return o.each(ctx, n, func(ctx context.Context, i int) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		*buf = (*buf)[:0]
		err := dbgen.Generate(ctx, t.Name, o.SF, i, n, func(b *columnar.Batch) error { *buf = render(*buf, b); return nil })
		if err != nil {
			return err
		}
		select {
		case <-turns[i]:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := f.Write(*buf); err != nil {
			return o.failed(t, err)
		}
		turns[i+1] <- struct{}{}
		o.Progress(t.Name)
		return nil
	})
}

// header returns the first line of a CSV file.
func header(t dbgen.Table) string {
	s := ""
	for i, f := range t.Schema.Fields {
		if i > 0 {
			s += ","
		}
		s += f.Name
	}
	return s + "\n"
}
