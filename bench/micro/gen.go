package micro

import (
	"context"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/bench/table"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say what data to make.
type Options struct {
	SF float64
	table.Options
}

// Gen makes what is missing of Dir/TABLE.parquet, folders of four files each, and
// Dir/lineitem.csv.
func Gen(ctx context.Context, o Options) error {
	if !(o.SF > 0 && o.SF <= 1000) {
		return diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most 1000, not %g", o.SF)
	}
	if err := table.Gen(ctx, Tables(o.SF), o.Options); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "lineitem.csv")); err == nil {
		return nil
	}
	return tpch.Gen(ctx, tpch.GenOptions{SF: o.SF, Format: "csv", Dir: o.Dir, Tables: []string{"lineitem"}, Workers: o.Workers, Progress: o.Progress})
}
