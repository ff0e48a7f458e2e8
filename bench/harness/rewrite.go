package harness

import (
	"context"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Rewrite lets an engine write the tables of a suite as Parquet files into a
// directory, in the order of their rows, and changes the suite to them. If the
// directory is there already, its files are taken.
func Rewrite(ctx context.Context, s *Suite, e Engine, threads int, dir, scratch string) error {
	tables := map[string]string{}
	for name := range s.Tables {
		tables[name] = filepath.Join(dir, name+".parquet")
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		staging := dir + ".tmp"
		defer os.RemoveAll(staging)
		if err := os.MkdirAll(staging, 0o755); err != nil {
			return fs.ExplainWrite(err, staging)
		}
		x, err := newSession(e, s, threads, 0, scratch, guard(ThisMachine()))
		if err != nil {
			return err
		}
		defer x.close()
		copies := map[string]string{}
		for name := range s.Tables {
			copies[name] = filepath.Join(staging, name+".parquet")
		}
		rep, _, err := x.call(ctx, Request{Op: "copy", Tables: copies})
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		if err != nil {
			return diag.New(diag.WriteFailed, "%s did not write the tables: %v", e.Name, err).WithPath(dir)
		}
		if rep.Error != "" {
			return diag.New(diag.WriteFailed, "%s did not write the tables: %s", e.Name, rep.Error).WithPath(dir)
		}
		if err := os.Rename(staging, dir); err != nil {
			return fs.ExplainWrite(err, dir)
		}
	}
	s.Tables = tables
	s.Data += ", written anew by " + e.Name
	var err error
	s.Bytes, err = Size(tables)
	return err
}

// Size returns the bytes of tables' files.
func Size(tables map[string]string) (int64, error) {
	var sum int64
	for _, path := range tables {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return 0, fs.Explain(err, path)
		}
		err = filepath.WalkDir(real, func(p string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				sum += info.Size()
			}
			return err
		})
		if err != nil {
			return 0, fs.Explain(err, path)
		}
	}
	return sum, nil
}
