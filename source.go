package millrace

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"

	"github.com/millrace-engine/millrace/artifacts/function"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector/sequence"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Source is a user's own source of a dataset: what its partitions are, and how one is
// read, where its task runs. Each partition is a task.
type Source[P, T any] struct {
	// Partitions describe the parts, as a path with a range: values that travel, as the
	// elements of datasets do.
	Partitions []P
	// Read is package-level and registered by SourceFunc. What it panics with is the
	// query's error. It may be called again, where an attempt or output is lost, and
	// must yield the same then.
	Read func(P) iter.Seq[T]
	// PreferredLocations are the names of hosts (os.Hostname there) where a partition
	// is best read; its task waits a moment for a slot there, then goes elsewhere. It is
	// called here. Nil: no matter where.
	PreferredLocations func(P) []string
}

// SourceFunc registers the Read of a Source.
func SourceFunc[P, T any](r *Registry, f func(P) iter.Seq[T]) {
	function.SourceFunc(&r.functions, f)
}

// FromSource makes a dataset of a source.
func FromSource[P, T any](s *Session, source Source[P, T]) *Dataset[T] {
	n := len(source.Partitions)
	hosts := make([][]string, n)
	for i, p := range source.Partitions {
		if source.PreferredLocations != nil {
			hosts[i] = source.PreferredLocations(p)
		}
	}
	where, err := json.Marshal(hosts)
	if n == 0 {
		return Parallelize[T](s, nil, 1)
	}
	places := &logical.Relation{Ref: catalog.TableRef{Parts: []string{sequence.Format}, Format: sequence.Format, Path: sequence.Format, Options: map[string]string{
		"start": "0", "end": strconv.Itoa(n), "step": "1", "partitions": strconv.Itoa(n), sequence.HostsOption: string(where)}}}
	df := s.frame(places).with(places, err)
	list, err := function.ValueOf[[]P]()
	if err == nil && n > maxPartitions {
		err = fmt.Errorf("a source of %d partitions; the most are %d", n, maxPartitions)
	}
	if err != nil {
		return made[T](df.with(places, err))
	}
	symbol, err := function.Symbol(source.Read)
	name := function.TaskPrefix + "source:" + symbol
	if err == nil {
		_, err = program.functions.Finder().Find(name)
	}
	return made[T](df.with(&logical.Apply{Fn: name, Args: list.Append(nil, source.Partitions), Attrs: datasetColumns(), Child: places,
		List: []expr.Expr{expr.Lit("", columnar.BinaryType), &expr.Cast{Arg: &expr.Name{Parts: []string{"id"}}, To: columnar.StringType}}}, err))
}

// maxPartitions bounds those of a source.
const maxPartitions = 4096
