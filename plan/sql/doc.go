// Package sql turns text in Spark's SQL dialect into unresolved logical plans.
//
//	text ──lexer──► []token ──parser──► logical.Plan with expr.Name, expr.Star,
//	                                    expr.UnresolvedCall, expr.Subquery …
//
//	statement.go  command.go      one statement, one command
//	query.go      from.go         SELECT, set operations, CTEs; FROM
//	group.go      window.go       GROUP BY with sets; OVER and WINDOW
//	expression.go predicate.go    precedence climbing
//	primary.go    call.go         names, literals, calls with their own syntax
//	literal.go    interval.go     numbers, strings, typed literals
//	type.go                       types and schemas
//
// Conventions of the plans that leave here:
//
//   - A missing FROM is a Values of one row without columns.
//   - SELECT without GROUP BY is a Project, even with aggregate functions in
//     it; with GROUP BY or HAVING it is an Aggregate. HAVING is a Filter with
//     Having above it; then Distinct, Sort and Limit from the inside out.
//   - GROUP BY ALL is the one key expr.Name{"ALL"}; ordinals are plain literals.
//   - LIMIT and OFFSET are in CountExpr and OffsetExpr; Count is -1.
//   - a, b in FROM is an Inner join without a condition; CROSS JOIN is Cross.
//   - Functions are lower case: Fn of db.F(x) is "db.f". count(*) has one Star.
//   - BETWEEN, simple CASE, LIKE ANY and IS DISTINCT FROM are rewritten, their
//     operand shared by pointer. <>, NOT IN, NOT LIKE … are a not around.
//   - (a, b) is a call of struct; x[i] and f(x).name are calls of getitem.
//   - EXTRACT(f FROM x) is extract('f', x).
//   - TIMESTAMP '…' without a zone in the text is a Cast of the string, because
//     the session's zone decides; with one it is a Literal, as DATE '…' always is.
//   - Named windows are replaced by what they stand for.
//   - A place is the operator's for operators, the first word's for the rest.
//
// Invariants:
//
//   - P1 Whatever the text, the parser returns a plan or one *diag.Error with a
//     place inside the text (or at its end); it never panics, and time and
//     stack are bounded: nesting by maxDepth, chains by maxChain, text by MaxText.
//   - P2 The first error wins: fail moves to the end of the input, where every
//     loop ends, and nodes made afterwards are thrown away.
//   - P3 Spark syntax that is known and not done is UNSUPPORTED_FEATURE with its
//     place, not a syntax error.
//
// It imports plan/logical, plan/expr, plan/catalog, columnar, columnar/text and
// internal/diag. It is tested by goldens under testdata (go test -rewrite), by
// deleting and replacing every token of a long query, and by fuzzing.
package sql
