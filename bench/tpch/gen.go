package tpch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	Format   string // parquet or tbl
	Dir      string
	Workers  int
	Progress func(table string)
}

// piece is a part of a table that is made by one worker.
type piece struct {
	table       string
	part, parts int
}

// Gen makes the tables: TABLE.parquet or TABLE.tbl; large Parquet tables become
// folders TABLE.parquet of several files. Each file appears when it is complete.
func Gen(ctx context.Context, o GenOptions) error {
	if o.SF <= 0 || o.SF > 10_000 {
		return diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most 10000, not %g", o.SF)
	}
	if o.Format != "parquet" && o.Format != "tbl" {
		return diag.New(diag.InvalidArgument, "data cannot be made in the format %q", o.Format).WithRemedy("use parquet or tbl")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fs.Explain(err, o.Dir)
	}
	var work []piece
	for _, t := range dbgen.Tables() {
		n := 1
		if o.Format == "parquet" && dbgen.Units(t.Name, o.SF) > 100_000 {
			n = max(2*o.Workers, int(dbgen.Units(t.Name, o.SF)/750_000))
		}
		for p := range n {
			work = append([]piece{{t.Name, p, n}}, work...) // the largest tables come last in the list, first here
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan piece, len(work))
	for _, w := range work {
		queue <- w
	}
	close(queue)
	var wg sync.WaitGroup
	for range max(1, o.Workers) {
		wg.Go(func() {
			for w := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := o.write(ctx, w); err != nil {
					cancel(err)
					return
				}
				if o.Progress != nil {
					o.Progress(w.table)
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

func (o GenOptions) write(ctx context.Context, p piece) error {
	if o.Format == "tbl" {
		return o.text(ctx, p)
	}
	spec := connector.WriteSpec{Dir: o.Dir, Options: map[string]string{"file_name": p.table + ".parquet"}}
	if p.parts > 1 {
		spec.Dir = filepath.Join(o.Dir, p.table+".parquet")
		spec.Options["file_name"] = fmt.Sprintf("part-%05d.parquet", p.part)
	}
	for _, t := range dbgen.Tables() {
		if t.Name == p.table {
			spec.Schema = t.Schema
		}
	}
	w, err := parquet.New().NewWriter(ctx, spec, p.part, 0)
	if err != nil {
		return err
	}
	err = dbgen.Generate(ctx, p.table, o.SF, p.part, p.parts, func(b *columnar.Batch) error { return w.Write(ctx, b) })
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Commit(ctx)
	return err
}

func (o GenOptions) text(ctx context.Context, p piece) (err error) {
	name := filepath.Join(o.Dir, p.table+".tbl")
	f, err := os.CreateTemp(o.Dir, "."+p.table+".*")
	if err != nil {
		return fs.Explain(err, o.Dir)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 1<<20)
	if err = dbgen.WriteTBL(ctx, b, p.table, o.SF, 0, 1); err != nil {
		return err
	}
	if err = b.Flush(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
