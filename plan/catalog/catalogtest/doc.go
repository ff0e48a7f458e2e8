// Package catalogtest is a catalog without data: tables made of a schema and
// statistics, for the tests of the analyzer, the optimizer and the planner.
//
//	tables := catalogtest.TPCH()          // a catalog.Resolver
//	tables.Add(catalogtest.New("t", rows, catalogtest.Column{…}, …))
//
// Tables can be planned and shown, never scanned: no connector is named "test".
// It imports columnar, diag and plan/catalog.
package catalogtest
