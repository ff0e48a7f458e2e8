// Package logical holds logical plans: what is to be computed, in relational
// terms, whether it came from SQL or from a DataFrame.
//
//	Relation (unresolved)  Scan  Values          leaves
//	Project Filter Aggregate Sort Limit Distinct Alias With Window   one child
//	Join SetOp Union                                                 two or more
//	CreateView Explain Describe Show Set Write                       commands
//
// Invariants:
//
//   - L1 Nodes are immutable; rewriting makes new ones.
//   - L2 After analysis every column is an *expr.Attr whose id is defined exactly
//     once below its use; every Scan of the same table defines fresh ids.
//   - L3 Output of an analyzed node lists exactly the attributes that its parent
//     may refer to.
//
// It imports expr and catalog. It is tested through the goldens of sql, analyze
// and optimize.
package logical
