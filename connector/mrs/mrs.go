// Package mrs reads .mrs files, the outputs of exchanges that shuffle.keep left, as
// tables: to look at what went from one stage to the next.
//
//	file ─► index ─► splits: partitions, up to about 16 MiB each ─► batches
//
// The option partition reads one partition alone. Each partition that is read to
// its end is compared with the row hash that was written (shuffle/file, M4).
//
// It imports columnar, connector, plan/catalog, plan/eval and shuffle/file. It is
// tested over files that shuffle/file writes.
package mrs

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/shuffle/file"
)

// splitBytes is about how many stored bytes a split has.
const splitBytes = 16 << 20

// Connector implements connector.Connector.
type Connector struct{}

var _ connector.Connector = (*Connector)(nil)

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "mrs" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".mrs"} }

// described is a table on its way to the tasks that scan it.
type described struct {
	Files     []fs.File
	Partition int // −1: all
}

// Open implements connector.Connector.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	d := described{Partition: -1}
	for k, v := range ref.Options {
		n, err := strconv.Atoi(v)
		if !strings.EqualFold(k, "partition") || err != nil || n < 0 {
			return nil, diag.New(diag.InvalidArgument, "an .mrs file has no option %s = %s", k, v).WithRemedy("the one there is, is partition, a number from 0 on")
		}
		d.Partition = n
	}
	var err error
	if d.Files, err = fs.Find(ref.Path); err != nil {
		return nil, err
	}
	var schema *columnar.Schema
	stats := catalog.Unknown()
	stats.Bytes, stats.Rows = 0, 0
	for i, x := range d.Files {
		f, closer, err := file.OpenPath(x.Path)
		if err != nil {
			return nil, explain(err, x.Path)
		}
		if err := closer.Close(); err != nil {
			return nil, explain(err, x.Path)
		}
		switch {
		case i == 0:
			schema = f.Schema
		case !schema.Equal(f.Schema):
			return nil, diag.New(diag.TypeMismatch, "%s and %s are of exchanges with different columns", d.Files[0].Path, x.Path).WithPath(x.Path).WithRemedy("read the files of one exchange at a time")
		}
		stats.Bytes += float64(f.Size)
		stats.Rows += float64(f.Total.Rows)
	}
	return connector.NewTable(c, ref.Path, schema, stats, d)
}

// explain is what the user sees of an error.
func explain(err error, path string) error {
	switch {
	case errors.Is(err, file.ErrAbsent):
		return diag.New(diag.CorruptFile, "%s is not a whole .mrs file: %v", path, err).WithPath(path).WithCause(err).
			WithRemedy("a file that is still being written has another name; if this one was copied, copy it again")
	case errors.Is(err, file.ErrCorrupt):
		return diag.New(diag.CorruptFile, "%s cannot be read: %v", path, err).WithPath(path).WithCause(err).WithRemedy("run the query that wrote it again")
	}
	return fs.Explain(err, path)
}

// partitions lists those of a file that are to be read.
func (d *described) partitions(f *file.File) []int {
	all := f.Filled()
	if d.Partition < 0 {
		return all
	}
	if slices.Contains(all, d.Partition) {
		return []int{d.Partition}
	}
	return nil
}

func decode(d catalog.Descriptor) (x described, err error) {
	err = connector.Describe(d, &x)
	return x, err
}

// Splits implements connector.Connector: each is a file and a range of its
// partitions.
func (c *Connector) Splits(_ context.Context, desc catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	d, err := decode(desc)
	if err != nil {
		return nil, err
	}
	var out []connector.Split
	for i, x := range d.Files {
		if req.Skip != nil && req.Skip(x.Path) {
			continue
		}
		f, closer, err := file.OpenPath(x.Path)
		if err != nil {
			return nil, explain(err, x.Path)
		}
		all := d.partitions(f)
		for from := 0; from < len(all); {
			s := connector.Split{Path: x.Path}
			to := from
			for ; to < len(all) && s.Bytes < splitBytes; to++ {
				p := f.Summary(all[to])
				s.Bytes += p.Stored
				s.Rows += p.Rows
			}
			for _, v := range []int{i, from, to} {
				s.Data = binary.AppendUvarint(s.Data, uint64(v))
			}
			out = append(out, s)
			from = to
		}
		if err := closer.Close(); err != nil {
			return nil, explain(err, x.Path)
		}
	}
	return out, nil
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, desc catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	d, err := decode(desc)
	if err != nil {
		return nil, err
	}
	var at [3]uint64
	for i := range at {
		v, n := binary.Uvarint(split)
		if n <= 0 {
			return nil, errSplit()
		}
		at[i], split = v, split[n:]
	}
	if at[0] >= uint64(len(d.Files)) {
		return nil, errSplit()
	}
	r := &reader{path: d.Files[at[0]].Path, req: req, scratch: memory.NewScratch(req.Memory)}
	if len(req.Filters) > 0 {
		if r.filter, err = eval.CompileFilter(req.Filters, req.Eval); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	if r.file, r.closer, err = file.OpenPath(r.path); err != nil {
		return nil, errors.Join(explain(err, r.path), r.Close())
	}
	all := d.partitions(r.file)
	if at[1] > at[2] || at[2] > uint64(len(all)) {
		return nil, errors.Join(errSplit(), r.Close())
	}
	r.partitions = all[at[1]:at[2]]
	return r, nil
}

func errSplit() error { return diag.New(diag.Internal, "a split of an .mrs table is damaged") }
