// Package eval computes expressions on batches: batch in, vectors out.
//
//	Compile ─► nodes in order, common subexpressions once ─► Eval: one vector a node
//	CompileFilter ─► conjuncts ─► Select: the surviving rows
//	Fold, Prune: the same nodes on constants and on statistics
//
// Invariants:
//
//   - E1 A result has one value per row of the batch; rows that are not selected
//     hold anything and never raise an error.
//   - E2 Constants stay constants; a function of one dictionary column is
//     computed once per value.
//   - E3 Branches of CASE, IF, COALESCE, AND and OR that can fail are computed
//     for the rows that reach them only.
//
// It imports expr, kernel, memory and text, is used by one goroutine at a time,
// and is tested against a row-at-a-time reference.
package eval
