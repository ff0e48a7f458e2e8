package connector

import (
	"path"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Registry is the set of connectors of a process, fixed at start.
type Registry struct{ byName map[string]Connector }

// NewRegistry returns a registry of the given connectors.
func NewRegistry(cs ...Connector) *Registry {
	r := &Registry{byName: map[string]Connector{}}
	for _, c := range cs {
		r.byName[c.Name()] = c
	}
	return r
}

// Lookup returns the connector of a name, or an error that lists the names.
func (r *Registry) Lookup(name string) (Connector, error) {
	if c, ok := r.byName[strings.ToLower(name)]; ok {
		return c, nil
	}
	return nil, diag.New(diag.Unsupported, "there is no format %q", name).WithRemedy("formats are %s", strings.Join(r.Names(), ", "))
}

// ByExtension returns the connector for a path by its ending, .gz and the like
// set aside.
func (r *Registry) ByExtension(p string) (Connector, bool) {
	ext := strings.ToLower(path.Ext(p))
	switch ext {
	case ".gz", ".zst", ".bz2":
		ext = strings.ToLower(path.Ext(strings.TrimSuffix(p, path.Ext(p))))
	}
	for _, n := range r.Names() {
		for _, e := range r.byName[n].Extensions() {
			if e == ext {
				return r.byName[n], true
			}
		}
	}
	return nil, false
}

// Names lists the connectors, sorted.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.byName))
	for n := range r.byName {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
