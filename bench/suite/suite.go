// Package suite makes the suites that the benchmark harness runs: TPC-H, the micro
// benchmarks and those of little memory, with their data.
//
//	tpch, micro, memory ─► Open ─► harness.Suite
//	                         └──► files, where they are missing
package suite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/memory"
	"github.com/millrace-engine/millrace/bench/micro"
	"github.com/millrace-engine/millrace/bench/table"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say which data a suite uses.
type Options struct {
	SF       float64
	Dir      string // with the data; made where it is missing
	Workers  int
	Progress func(what string)
}

// Open returns a suite, tpch, micro or memory, with its data in place.
func Open(ctx context.Context, name string, o Options) (*harness.Suite, error) {
	s := &harness.Suite{Name: name, SF: o.SF, Tables: map[string]string{}}
	switch name {
	case "tpch":
		missing := false
		for _, t := range dbgen.Tables() {
			s.Tables[t.Name] = filepath.Join(o.Dir, t.Name+".parquet")
			if _, err := os.Stat(s.Tables[t.Name]); err != nil {
				missing = true
			}
		}
		if missing {
			if err := tpch.Gen(ctx, tpch.GenOptions{SF: o.SF, Format: "parquet", Dir: o.Dir, Workers: o.Workers, Progress: o.Progress}); err != nil {
				return nil, err
			}
		}
		s.Title = fmt.Sprintf("TPC-H, scale factor %g", o.SF)
		s.Data = "Parquet files of Millrace's generator"
		for n := 1; n <= tpch.Queries; n++ {
			text, err := tpch.Query(n)
			if err != nil {
				return nil, err
			}
			s.Queries = append(s.Queries, harness.Query{Name: fmt.Sprintf("q%02d", n), SQL: text})
		}
	case "micro":
		if err := micro.Gen(ctx, micro.Options{SF: o.SF, Options: table.Options{Dir: o.Dir, Workers: o.Workers, Progress: o.Progress}}); err != nil {
			return nil, err
		}
		s.Tables = table.Paths(micro.Tables(o.SF), o.Dir)
		s.Title = fmt.Sprintf("Micro benchmarks, scale factor %g", o.SF)
		s.Data = "Parquet files of bench/micro"
		s.Queries = micro.Queries(o.SF, o.Dir)
	case "memory":
		if !(o.SF > 0 && o.SF <= 1000) {
			return nil, diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most 1000, not %g", o.SF)
		}
		tables := memory.Tables(o.SF)
		if err := table.Gen(ctx, tables, table.Options{Dir: o.Dir, Workers: o.Workers, Progress: o.Progress}); err != nil {
			return nil, err
		}
		s.Tables = table.Paths(tables, o.Dir)
		s.Title = fmt.Sprintf("More than memory holds, scale factor %g", o.SF)
		s.Data = "Parquet files of bench/memory"
		s.Queries = memory.Queries(o.SF)
	default:
		return nil, diag.New(diag.InvalidArgument, "there is no suite %q", name).WithRemedy("use tpch, micro or memory")
	}
	var err error
	s.Bytes, err = harness.Size(s.Tables)
	return s, err
}
