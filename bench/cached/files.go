package cached

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace"
)

// Files measures a query over many small Parquet files, run again and again, with
// footers and page indexes kept in memory and without.
func Files(ctx context.Context, o Options, count int) ([]Row, error) {
	dir := filepath.Join(o.Dir, "files")
	if err := manyFiles(ctx, o, dir, count); err != nil {
		return nil, err
	}
	q := fmt.Sprintf("SELECT count(*), sum(v3), max(v7) FROM parquet.`%s` WHERE id BETWEEN 100 AND 149", dir)
	modes := []string{"on", "off"}
	sessions := make([]*millrace.Session, len(modes))
	for i, mode := range modes {
		s, closed, err := o.Open("", "cache.front="+mode)
		if err != nil {
			return nil, err
		}
		defer closed()
		sessions[i] = s
	}
	rows := make([]Row, len(modes))
	var want []string
	for run := range o.Runs + 1 {
		for i, mode := range modes {
			if run <= 1 { // the first run reads all footers in any way
				rows[i] = Row{Job: "files", Way: "footers kept: " + mode}
			}
			if err := rows[i].run(ctx, sessions[i], q, &want); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range rows {
		o.Tell(r)
	}
	return rows, nil
}

// manyFiles makes copies of a file of 1,000 rows and 24 columns.
func manyFiles(ctx context.Context, o Options, dir string, count int) error {
	s, closed, err := o.Open("")
	if err != nil {
		return err
	}
	defer closed()
	q := "SELECT id"
	for i := range 23 {
		q += fmt.Sprintf(", id * %d AS v%d", i+3, i)
	}
	df, err := s.SQL(ctx, q+" FROM range(1000)")
	if err != nil {
		return err
	}
	first := filepath.Join(o.Dir, "first")
	if err := df.Repartition(1).Write().Mode("overwrite").Parquet(ctx, first); err != nil {
		return err
	}
	made, err := filepath.Glob(filepath.Join(first, "*.parquet"))
	if err != nil || len(made) == 0 {
		return errors.Join(err, fmt.Errorf("there is no Parquet file in %s", first))
	}
	data, err := os.ReadFile(made[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range count {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.parquet", i)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
