package connector

import (
	"encoding/json"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// opened is a Table of files whose schema and statistics are known once it is
// opened.
type opened struct {
	name   string
	schema *columnar.Schema
	stats  catalog.Statistics
	desc   catalog.Descriptor
}

func (t *opened) Name() string                   { return t.name }
func (t *opened) Schema() *columnar.Schema       { return t.schema }
func (t *opened) Statistics() catalog.Statistics { return t.stats }
func (t *opened) Descriptor() catalog.Descriptor { return t.desc }

// NewTable returns the table of a connector at a path. What Splits and Scan need to
// know of it, desc, travels as JSON; Describe reads it.
func NewTable(c Connector, path string, schema *columnar.Schema, stats catalog.Statistics, desc any) (Table, error) {
	data, err := json.Marshal(desc)
	if err != nil {
		return nil, err
	}
	return &opened{c.Name() + " " + path, schema, stats, catalog.Descriptor{Connector: c.Name(), Data: data}}, nil
}

// Describe reads what NewTable was told.
func Describe(d catalog.Descriptor, desc any) error {
	if err := json.Unmarshal(d.Data, desc); err != nil {
		return diag.New(diag.Internal, "the description of a table of format %s is damaged: %v", d.Connector, err)
	}
	return nil
}
