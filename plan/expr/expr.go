package expr

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Expr is one node of an expression tree. Nodes are immutable; WithChildren
// returns a copy with other children (as many as Children gave, in the same
// order). String renders SQL text for EXPLAIN and error messages.
//
// Type and Nullable are meaningful on resolved expressions only: Resolved
// reports that.
type Expr interface {
	Type() columnar.Type
	Nullable() bool
	Children() []Expr
	WithChildren(kids []Expr) Expr
	Pos() diag.Pos
	String() string
}

// ID identifies a column of a plan: two attributes are the same column if and
// only if their ids are equal, whatever their names. The analyzer hands ids out
// from one counter per statement.
type ID int64

// ---- unresolved nodes: the parser and the DataFrame API make them, the analyzer removes them ----

// Name is a column reference as written: a, t.a, db.t.a, or struct access.
type Name struct {
	Parts []string
	Place diag.Pos
}

// Star is * or t.*, with optional EXCEPT columns.
type Star struct {
	Qualifier []string
	Except    []string
	Place     diag.Pos
}

// UnresolvedCall is a function call as written. Operators are calls too, named
// by their symbol: + - * / % div = <> < <= > >= <=> and or not negative || & | ^ ~
// like ilike rlike in between isnull isnotnull istrue isfalse …; see package
// documentation for the canonical names.
type UnresolvedCall struct {
	Fn       string
	Args     []Expr
	Distinct bool
	Filter   Expr        // FILTER (WHERE …), or nil
	OrderBy  []SortOrder // WITHIN GROUP or ORDER BY inside the call
	Over     *WindowSpec // OVER (…), or nil
	// IgnoreNulls: the function passes over nulls.
	IgnoreNulls bool
	Place       diag.Pos
}

// Ordinal is an integer literal in GROUP BY or ORDER BY: the 1-based position
// in the select list. The parser emits plain literals there; the analyzer
// decides.

// WindowSpec is OVER (PARTITION BY … ORDER BY … frame).
type WindowSpec struct {
	Name        string // OVER w
	PartitionBy []Expr
	OrderBy     []SortOrder
	Frame       *Frame // nil = default
}

// Frame is the frame of a window: bounds are expressions, once resolved literals
// that are not null; nil = unbounded. Of RANGE they are in the unit of the key: its
// type, days for dates, µs for timestamps.
type Frame struct {
	Rows                   bool // ROWS, else RANGE
	Start, End             Expr
	StartFollow, EndFollow bool // FOLLOWING rather than PRECEDING; a zero literal is CURRENT ROW
}

// SubqueryKind tells how a subquery is used.
type SubqueryKind uint8

// Scalar yields one value (null for no row, an error for more than one); Exists
// a boolean; In compares Left with the subquery's columns, with SQL's
// three-valued logic. Negation is a not around it.
const (
	Scalar SubqueryKind = iota
	Exists
	In
)

// Query is the part of a logical plan that expressions need to know; package
// logical's Plan satisfies it (expr may not import logical).
type Query interface {
	Output() []*Attr
	String() string
}

// Subquery is a query inside an expression. Outer lists the attributes of the
// enclosing query that a resolved subquery refers to (empty: uncorrelated).
type Subquery struct {
	Kind  SubqueryKind
	Left  []Expr // In only
	Plan  Query
	Outer []*Attr
	Place diag.Pos
}

// ---- resolved nodes ----

// Attr is a resolved reference to a column of an input, or the definition of an
// output column. Qualifier is the table alias it can be addressed by.
type Attr struct {
	ID        ID
	Name      string
	Qualifier string
	Typ       columnar.Type
	Null      bool
	Place     diag.Pos
}

// Column is a reference by position into the input batch: what physical plans
// hold instead of Attr.
type Column struct {
	Index int
	Name  string
	Typ   columnar.Type
	Null  bool
}

// Literal is a constant. Value is nil for null, else by kind: bool; int64 (all
// integers, date days, time/timestamp/day-time µs, year-month months);
// float64 (float and double; float holds a value that fits); columnar.Int128
// (decimal, unscaled); string (string, binary). uint64 values above MaxInt64
// are stored as the same bits in int64.
type Literal struct {
	Value any
	Typ   columnar.Type
	Place diag.Pos
}

// Call is a scalar function or operator with resolved, already coerced
// arguments: the implementation is chosen by Fn and the argument types.
type Call struct {
	Fn    *Function
	Args  []Expr
	Typ   columnar.Type
	Null  bool
	Place diag.Pos
}

// Cast converts to a type. Try yields null where Cast fails (ANSI).
type Cast struct {
	Arg   Expr
	To    columnar.Type
	Try   bool
	Place diag.Pos
}

// Case is CASE WHEN … THEN … ELSE … END: the simple form is rewritten to
// equalities by the parser. Else may be nil (null).
type Case struct {
	Whens []When
	Else  Expr
	Place diag.Pos
}

// When is one branch of a Case.
type When struct{ Cond, Then Expr }

// Alias names an expression and gives its result an id.
type Alias struct {
	Arg   Expr
	Name  string
	ID    ID // 0 until analyzed
	Place diag.Pos
}

// Agg is a call of an aggregate function. It appears under a logical Aggregate
// only, and under a Window, where it may be one of a window function and has a
// frame.
type Agg struct {
	Fn          *Function
	Args        []Expr
	Distinct    bool
	Filter      Expr
	OrderBy     []SortOrder
	Frame       *Frame // in a Window; nil for functions that look at the whole partition
	IgnoreNulls bool   // in a Window; elsewhere the filter says it
	Typ         columnar.Type
	Null        bool
	Place       diag.Pos
}

// Over is a resolved call of a function over a window. It exists inside the
// analyzer only, which moves it into a Window.
type Over struct {
	Call        *Agg
	PartitionBy []Expr
	OrderBy     []SortOrder
	Place       diag.Pos
}

// SortOrder is one key of an ordering. Spark's default is ascending with nulls
// first, descending with nulls last.
type SortOrder struct {
	Expr      Expr
	Desc      bool
	NullsLast bool
}

func (o SortOrder) String() string {
	s := o.Expr.String()
	if o.Desc {
		s += " DESC"
	} else {
		s += " ASC"
	}
	if o.NullsLast {
		return s + " NULLS LAST"
	}
	return s + " NULLS FIRST"
}

func joinExprs(es []Expr) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
	}
	return strings.Join(parts, ", ")
}
