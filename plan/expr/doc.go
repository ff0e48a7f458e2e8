// Package expr holds expressions: the nodes, column identity, and the function
// table. It describes; package eval computes.
//
//	parser / DataFrame ──► Name Star UnresolvedCall Subquery …   (unresolved)
//	analyzer           ──► Attr Call Cast Case Agg Literal …     (resolved, coerced)
//	planner            ──► Attr becomes Column (position)        (bound)
//
// Canonical names of operators as functions:
//
//   - - * / % div     arithmetic; unary minus is "negative", unary plus vanishes
//     = <=> < <= > >=   comparison; <> is not(=)
//     and or not        three-valued logic
//     isnull isnotnull istrue isfalse isunknown isnan
//     like ilike rlike  (like takes value, pattern and optionally the escape)
//     in                value, then the list
//     ||                concatenation; & | ^ ~ << >> bits
//     between is rewritten to >= and <= by the parser
//
// It imports columnar and diag only. It is tested by tables over the function
// table and by the golden files of the analyzer.
package expr
