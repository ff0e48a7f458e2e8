// Package analyze resolves names, functions and types: an unresolved logical
// plan becomes one whose expressions are attributes with ids, typed calls and
// explicit casts, after Spark 4's rules in ANSI mode.
//
//	parser / DataFrame ─► resolve (bottom-up, with scopes) ─► Check ─► optimize
//
//	Relation            ─► Scan, or the plan of a view or CTE
//	SELECT list         ─► Project or Aggregate, each item an attribute or alias with an id
//	HAVING, ORDER BY    ─► Filter, Sort over the list with hidden columns, dropped above
//	USING, NATURAL      ─► a condition; the merged columns come first
//	UNION …             ─► Union or SetOp over sides cast to common types
//
// Invariants, which Check verifies:
//
//   - N1 Every attribute of a result refers to an output of the node's children,
//     or of an enclosing query (listed in Subquery.Outer).
//   - N2 Each reference to a table, view or CTE gets fresh ids; no id is put out
//     twice.
//   - N3 Arguments have exactly the types of the chosen signature.
//   - N4 An attribute is nullable where its definition is.
//
// An error names the place and the nearest known name. It imports columnar,
// expr, logical, catalog and eval (to fold literals and limits). It is tested by
// the goldens under testdata and by TPC-H.
package analyze
