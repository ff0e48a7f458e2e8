// Package optimize rewrites an analyzed plan into an equal one that runs
// faster. Rules are pure functions in an explicit order:
//
//	subqueries    every subquery becomes a join
//	setops        INTERSECT, EXCEPT and DISTINCT become joins and aggregates
//	simplify      constants are folded, conditions normalised
//	pushdown      conditions move to where their columns come from
//	empty         what yields no rows is removed
//	semijoins     semi joins with few rows move to the relation that they reduce
//	joins         inner joins are ordered by estimated sizes; build sides chosen
//	reduce        aggregates that are joined with few rows aggregate only those
//	multiply      sides of a join of very many pairs are grouped before it
//	share         equal subplans are computed once
//
// Invariants:
//
//   - R1 A rule never changes which rows a query yields, nor their ids.
//   - R2 An expression that can fail is not moved below a filter that guards it,
//     nor copied.
//
// Projection pruning happens in planning, which asks every node for the columns
// that are needed only. The package imports logical, expr, catalog and eval.
package optimize
