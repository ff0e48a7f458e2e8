// Package analyze resolves names, functions and types: an unresolved logical
// plan becomes one whose expressions are attributes with ids, typed calls and
// explicit casts.
//
//	parser / DataFrame ─► resolve (bottom-up, with scopes) ─► optimize
//
// Invariants:
//
//   - N1 Every attribute of a result refers to an output of the node's children,
//     or of an enclosing query (listed in Subquery.Outer).
//   - N2 Each reference to a table, view or CTE gets fresh ids.
//   - N3 Arguments have exactly the types of the chosen signature.
//
// An error names the place and the nearest known name. It imports sql's output
// (logical, expr), catalog and eval (to fold limits).
package analyze
