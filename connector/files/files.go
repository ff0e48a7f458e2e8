// Package files is the list of connectors that a process has.
package files

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/csv"
	"github.com/millrace-engine/millrace/connector/ipc"
	"github.com/millrace-engine/millrace/connector/json"
	"github.com/millrace-engine/millrace/connector/mrs"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/connector/partition"
	"github.com/millrace-engine/millrace/connector/sequence"
	"github.com/millrace-engine/millrace/connector/text"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Registry returns the connectors, which keep what they can read again in f.
func Registry(f *front.Cache) *connector.Registry {
	return connector.NewRegistry(partition.Wrap(parquet.NewWith(f)), partition.Wrap(csv.New()), partition.Wrap(json.New()), partition.Wrap(text.New()), partition.Wrap(ipc.New()), mrs.New(), sequence.New())
}

// NewEncoder writes a table as one stream of bytes: arrow (an IPC stream) or
// parquet.
func NewEncoder(format string, w io.Writer, schema *columnar.Schema) (connector.Encoder, error) {
	spec := connector.WriteSpec{Schema: schema}
	switch format {
	case "arrow":
		return ipc.New().NewEncoder(w, spec)
	case "parquet":
		return parquet.New().NewEncoder(w, spec)
	}
	return nil, diag.New(diag.Unsupported, "there is no stream of the format %q", format).WithRemedy("use arrow or parquet")
}

// maxDepth bounds how many partition directories are entered.
const maxDepth = 32

// ByPath returns the connector for a path by its extension, or by that of the
// first file in a directory or its partition directories.
func ByPath(r *connector.Registry, path string) (connector.Connector, bool) {
	return byPath(r, path, 0)
}

func byPath(r *connector.Registry, path string, depth int) (connector.Connector, bool) {
	if c, ok := r.ByExtension(path); ok {
		return c, true
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, false
	}
	for _, e := range entries {
		p := filepath.Join(path, e.Name())
		if c, ok := r.ByExtension(e.Name()); ok && !e.IsDir() {
			return c, true
		}
		if e.IsDir() && strings.Contains(e.Name(), "=") && depth < maxDepth {
			if c, ok := byPath(r, p, depth+1); ok {
				return c, true
			}
		}
	}
	return nil, false
}
