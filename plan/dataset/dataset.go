// Package dataset lets queries read rows that are kept: parts of their plans that
// are those of a cached dataset become scans of it.
//
//	analyzed plan ── Substitute ──► plan with scans of *Table ── planner ──► Scan with an origin
//	                    │ find
//	                    ▼
//	          datasets of the session, by Key
//
// Invariants:
//
//   - N1 Plans of one Key compute the same rows: it has the files that are read, with
//     what tells when they change, every expression, and the time zone.
//   - N2 A scan that takes a plan's place defines the plan's columns, under their ids.
//   - N3 A partition of an origin has the same rows whenever it is computed, as far as
//     the plan decides: see Origin.
//
// It imports catalog, logical, physical, stage and optimize (for fingerprints), and is
// tested by plans as text and through SQL.
package dataset

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Table is a cached dataset as the planner sees it.
type Table struct {
	ID      int
	Label   string // for EXPLAIN
	Columns *columnar.Schema
	Known   catalog.Statistics
	Storage physical.Storage
	Origin  physical.Plan
}

var _ catalog.Table = (*Table)(nil)

// Name implements catalog.Table.
func (t *Table) Name() string { return t.Label }

// Schema implements catalog.Table.
func (t *Table) Schema() *columnar.Schema { return t.Columns }

// Statistics implements catalog.Table.
func (t *Table) Statistics() catalog.Statistics { return t.Known }

// Descriptor implements catalog.Table. No connector reads a dataset.
func (t *Table) Descriptor() catalog.Descriptor {
	return catalog.Descriptor{Connector: "dataset", Data: []byte{byte(t.ID), byte(t.ID >> 8), byte(t.ID >> 16), byte(t.ID >> 24)}}
}

// Key names an analyzed plan by what it computes.
func Key(p logical.Plan, zone string) string { return zone + " " + optimize.Fingerprint(p) }

// Substitute replaces the parts of an analyzed plan that find knows by their keys,
// the largest first, subqueries included.
func Substitute(p logical.Plan, zone string, find func(key string) (*Table, bool)) (logical.Plan, error) {
	switch p.(type) {
	case *logical.Write, *logical.Values: // nothing to gain
	default:
		if t, ok := find(Key(p, zone)); ok {
			return t.scan(p.Output()), nil
		}
	}
	kids := p.Children()
	fresh := make([]logical.Plan, len(kids))
	for i, k := range kids {
		var err error
		if fresh[i], err = Substitute(k, zone, find); err != nil {
			return nil, err
		}
	}
	if len(kids) > 0 {
		p = p.WithChildren(fresh)
	}
	return logical.MapExprs(p, func(e expr.Expr) (expr.Expr, error) {
		return expr.Transform(e, func(e expr.Expr) (expr.Expr, error) {
			q, ok := e.(*expr.Subquery)
			if !ok {
				return e, nil
			}
			inner, err := Substitute(q.Plan.(logical.Plan), zone, find)
			if err != nil {
				return nil, err
			}
			d := *q
			d.Plan = inner
			return &d, nil
		})
	})
}

// scan reads all columns of the table as attrs (N2).
func (t *Table) scan(attrs []*expr.Attr) *logical.Scan {
	s := &logical.Scan{Table: t, Attrs: attrs}
	for i := range attrs {
		s.Columns = append(s.Columns, i)
	}
	return s
}

// Statistics returns what is known of a plan's rows before they are computed.
func Statistics(p logical.Plan) catalog.Statistics {
	s := catalog.Statistics{Rows: optimize.NewEstimator().Rows(p), Bytes: -1}
	for _, a := range p.Output() {
		s.Columns = append(s.Columns, statistics(p, a.ID))
	}
	return s
}

// statistics follows a column down to the table that it is read from: what holds for
// the table's rows holds for some of them.
func statistics(p logical.Plan, id expr.ID) catalog.ColumnStatistics {
	switch x := p.(type) {
	case *logical.Scan:
		all := x.Table.Statistics().Columns
		for i, a := range x.Attrs {
			if a.ID == id && x.Columns[i] < len(all) {
				return all[x.Columns[i]]
			}
		}
	case *logical.Filter, *logical.Sort, *logical.Limit, *logical.Repartition:
		return statistics(p.Children()[0], id)
	case *logical.Project:
		for _, e := range x.List {
			if l, ok := e.(*expr.Alias); ok && l.ID == id {
				e = l.Arg
				if a, ok := e.(*expr.Attr); ok {
					return statistics(x.Child, a.ID)
				}
			} else if a, ok := e.(*expr.Attr); ok && a.ID == id {
				return statistics(x.Child, id)
			}
		}
	}
	return catalog.ColumnStatistics{Distinct: -1, NullCount: -1}
}

// Origin makes a plan one whose partitions are the same whenever one of them is
// computed alone (N3): where its tasks share what they do, or deal rows by chance,
// rows are distributed over so many partitions by all their columns.
func Origin(p physical.Plan, partitions int) (physical.Plan, error) {
	g, err := stage.Cut(p)
	if err != nil {
		return nil, err
	}
	last := g.Stages[g.Result]
	if last.Class != stage.Unstable && !together(last.Root) {
		return p, nil
	}
	n, _ := physical.Numbers(p)
	to := physical.Partitioning{Kind: physical.HashPartitioning, Count: max(1, partitions)}
	for i, f := range p.Schema().Fields {
		if !f.Type.IsNested() && f.Type.Kind != columnar.Null {
			to.Keys = append(to.Keys, i)
		}
	}
	if len(to.Keys) == 0 {
		to = physical.Partitioning{Kind: physical.SinglePartition, Count: 1}
	}
	return &physical.Exchange{ID: n + 1, Partitioning: to, Child: p, Rows: -1}, nil
}

// together reports whether what a task yields depends on what others of its stage do.
func together(p physical.Plan) bool {
	switch x := p.(type) {
	case *physical.HashJoin:
		if x.Shared {
			return true
		}
	case *physical.LoopJoin:
		if x.Shared && (x.Kind == logical.Right || x.Kind == logical.Full) {
			return true
		}
	case *physical.Scan: // a dataset below has partitions of its own
		return false
	}
	for _, k := range p.Children() {
		if together(k) {
			return true
		}
	}
	return false
}
