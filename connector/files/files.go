// Package files is the list of connectors that a process has.
package files

import (
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/csv"
	"github.com/millrace-engine/millrace/connector/ipc"
	"github.com/millrace-engine/millrace/connector/parquet"
)

// Registry returns the connectors.
func Registry() *connector.Registry {
	return connector.NewRegistry(parquet.New(), csv.New(), ipc.New())
}

// ByPath returns the connector for a path by its extension, or by that of the
// first file in a directory.
func ByPath(r *connector.Registry, path string) (connector.Connector, bool) {
	if c, ok := r.ByExtension(path); ok {
		return c, true
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, false
	}
	for _, e := range entries {
		if c, ok := r.ByExtension(filepath.Join(path, e.Name())); ok {
			return c, true
		}
	}
	return nil, false
}
