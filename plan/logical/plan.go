package logical

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Plan is one node of a logical plan. WithChildren and WithExprs return copies
// with as many children or expressions as Children and Exprs gave, in order.
// String is the node's own line, without its children.
type Plan interface {
	Output() []*expr.Attr
	Children() []Plan
	WithChildren(kids []Plan) Plan
	Exprs() []expr.Expr
	WithExprs(es []expr.Expr) Plan
	String() string
}

// Relation is an unresolved table reference: a name, a CTE, a view, a file, a table
// function.
type Relation struct {
	Ref   catalog.TableRef
	Place diag.Pos
	// Of a table function: what it is called with. Call is set without arguments, too.
	Call bool
	Args []expr.Expr
}

// Scan reads a table. Attrs are the columns produced, Columns their positions
// in the table's schema. Filters are conjuncts over Attrs that the scan applies
// (exactly: rows that do not satisfy them are not returned).
type Scan struct {
	Table   catalog.Table
	Attrs   []*expr.Attr
	Columns []int
	Filters []expr.Expr
}

// Values is a list of rows of expressions. Attrs are empty until analyzed. One
// row without columns stands for a missing FROM.
type Values struct {
	Rows  [][]expr.Expr
	Attrs []*expr.Attr
	Place diag.Pos
}

// Project computes one output column per expression: *expr.Alias or *expr.Attr
// once analyzed.
type Project struct {
	List  []expr.Expr
	Child Plan
}

// Filter keeps the rows whose condition is true.
type Filter struct {
	Cond  expr.Expr
	Child Plan
	// Having marks a HAVING clause until it is analyzed.
	Having bool
}

// Aggregate groups by Keys and computes List (aliases and attributes over keys
// and aggregate calls). No keys: one group, also for no rows. Grouping sets
// come as Sets: indexes into Keys, nil for plain GROUP BY. Once analyzed there are
// none: the keys are an Expand's. Where Eager, a group may come out in several rows,
// each of a part of its rows: as few or many as seem to pay while it runs.
type Aggregate struct {
	Keys  []expr.Expr
	Sets  [][]int
	List  []expr.Expr
	Child Plan
	Eager bool
}

// Expand repeats each row of its child once per grouping set: the child's columns,
// then Attrs, which are the keys, null where a set (indexes into Keys) leaves one
// out, then GID, which is the set's number of IDs.
type Expand struct {
	Keys  []expr.Expr
	Sets  [][]int
	IDs   []int64
	Attrs []*expr.Attr
	GID   *expr.Attr
	Child Plan
}

// JoinKind is the kind of a join.
type JoinKind uint8

// The kinds. LeftSemi and LeftAnti output the left columns. LeftSingle is a
// left outer join that fails when a left row has more than one match (a scalar
// subquery); LeftMark adds one boolean column, Mark, that is true for a match,
// false for none, null when a comparison with null leaves it open.
// NullAwareAnti is NOT IN: no match and no doubt.
const (
	Inner JoinKind = iota
	Left
	Right
	Full
	Cross
	LeftSemi
	LeftAnti
	NullAwareAnti
	LeftSingle
	LeftMark
)

var joinNames = [...]string{"Inner", "LeftOuter", "RightOuter", "FullOuter", "Cross", "LeftSemi", "LeftAnti", "NullAwareAnti", "LeftSingle", "LeftMark"}

func (k JoinKind) String() string { return joinNames[k] }

// LeftOnly reports kinds that output no right columns.
func (k JoinKind) LeftOnly() bool {
	return k == LeftSemi || k == LeftAnti || k == NullAwareAnti || k == LeftMark
}

// Join combines two inputs. Using and Natural exist until analyzed. Lateral
// marks a right side that may refer to the left's columns, until decorrelated.
type Join struct {
	Kind        JoinKind
	Left, Right Plan
	Cond        expr.Expr // nil: true
	Mark        *expr.Attr
	Using       []string
	Natural     bool
	Lateral     bool
	// BuildLeft asks for the hash table to be built on the left side, which is
	// much smaller; otherwise it is built on the right one.
	BuildLeft bool
	Place     diag.Pos
}

// Shared is one of several references to a subplan that is computed once. All
// references of an ID have the same Child; Attrs are this reference's own ids
// for the child's output, by position.
type Shared struct {
	ID    int
	Child Plan
	Attrs []*expr.Attr
}

// Sort orders the whole result.
type Sort struct {
	Order []expr.SortOrder
	Child Plan
}

// Limit keeps Count rows after skipping Offset; Count < 0 means all. CountExpr
// and OffsetExpr hold the written expressions until analyzed.
type Limit struct {
	Count, Offset         int64
	CountExpr, OffsetExpr expr.Expr
	Child                 Plan
}

// Edit changes columns of its child by name, in place, and keeps the others: Drop
// leaves some out, Rename gives some other names (old and new), Set computes some
// anew or adds them. It exists until analyzed.
type Edit struct {
	Drop   []string
	Rename [][2]string
	Set    []*expr.Alias
	Child  Plan
}

// Distinct removes duplicate rows. On, which exists until analyzed, names the
// columns that make a row a duplicate; of the others one row's values are kept.
type Distinct struct {
	Child Plan
	On    []string
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind uint8

// The set operations.
const (
	UnionOp SetOpKind = iota
	IntersectOp
	ExceptOp
)

// SetOp combines two inputs by position, or ByName until analyzed; then Missing
// fills columns that one side does not have with nulls. All keeps duplicates.
// Attrs are set by the analyzer.
type SetOp struct {
	Op          SetOpKind
	All         bool
	ByName      bool
	Missing     bool
	Left, Right Plan
	Attrs       []*expr.Attr
	Place       diag.Pos
}

// Union is UNION ALL of any number of inputs, after analysis. Attrs are its own
// ids; inputs match by position and have equal types.
type Union struct {
	Inputs []Plan
	Attrs  []*expr.Attr
}

// SubqueryAlias names a FROM item: (SELECT …) AS t(a, b). It exists until
// analyzed.
type SubqueryAlias struct {
	Name    string
	Columns []string
	Child   Plan
}

// With holds common table expressions until analyzed.
type With struct {
	CTEs  []CTE
	Child Plan
}

// CTE is one common table expression.
type CTE struct {
	Name    string
	Columns []string
	Plan    Plan
	Place   diag.Pos
}

// Repartition asks for a number of partitions, by keys when given.
type Repartition struct {
	Partitions int
	Keys       []expr.Expr
	Child      Plan
}

// Apply gives the values of a list, a partition at a time, to a function of the
// program, and puts out what it makes of them.
type Apply struct {
	Fn    string // key of the function
	Args  []byte
	List  []expr.Expr
	Attrs []*expr.Attr
	Child Plan
}

// Generate calls a table function for each row: its columns, then Attrs, the
// function's. A row that the function makes none for is left out, or, where Outer,
// stays with nulls.
type Generate struct {
	Fn    *expr.Function
	Args  []expr.Expr
	Attrs []*expr.Attr
	Outer bool
	Child Plan
	Place diag.Pos
}

// Accumulate passes rows on and adds the values of a list to an accumulator of the
// session: the sum of its one number in the type Sum, bigint or double, or, where
// that is of kind Null, the rows of values.
type Accumulate struct {
	ID    int
	Name  string
	Sum   columnar.Type
	List  []expr.Expr
	Child Plan
}

// Window computes window functions over partitions, each in the given order: the
// list are aliases of *expr.Agg, each with its frame; output is the child's columns
// plus those.
type Window struct {
	List        []expr.Expr
	PartitionBy []expr.Expr
	OrderBy     []expr.SortOrder
	Child       Plan
}

// ---- commands: each is the root of its statement ----

// CreateView is CREATE [OR REPLACE] TEMP VIEW name [(columns)] AS query.
type CreateView struct {
	Name    string
	Columns []string
	Replace bool
	Query   Plan
	// Using, Options: CREATE TEMP VIEW v USING csv OPTIONS (path '…').
	Ref   *catalog.TableRef
	Text  string // the query's text, for DESCRIBE
	Place diag.Pos
}

// CacheTable is CACHE [LAZY] TABLE name [OPTIONS (…)] [[AS] query]: the rows of a
// view, or of files, are kept. With a Query, Name is a view that is made of it.
type CacheTable struct {
	Name    string
	Table   Plan // what Name says, when there is no Query
	Query   Plan
	Lazy    bool
	Options map[string]string
	Place   diag.Pos
}

// UncacheTable is UNCACHE TABLE [IF EXISTS] name.
type UncacheTable struct {
	Name     string
	Table    Plan
	IfExists bool
	Place    diag.Pos
}

// ClearCache is CLEAR CACHE.
type ClearCache struct{}

// DropView is DROP VIEW [IF EXISTS] name.
type DropView struct {
	Name     string
	IfExists bool
	Place    diag.Pos
}

// ExplainMode selects what EXPLAIN prints.
type ExplainMode uint8

// EXPLAIN prints the physical plan; EXTENDED all plans; FORMATTED an outline
// with details per node; ANALYZE runs the statement and adds what happened.
const (
	ExplainSimple ExplainMode = iota
	ExplainExtended
	ExplainFormatted
	ExplainAnalyze
)

// Explain is EXPLAIN [mode] statement.
type Explain struct {
	Mode  ExplainMode
	Query Plan
}

// Describe is DESCRIBE [TABLE|QUERY] x.
type Describe struct {
	Query Plan // a Relation or a query
}

// ShowKind is what SHOW lists.
type ShowKind uint8

// The lists.
const (
	ShowTables ShowKind = iota
	ShowViews
	ShowColumns
	ShowFunctions
	ShowSettings
	ShowCache
)

// Show is SHOW what [IN x] [LIKE 'pattern'].
type Show struct {
	Kind    ShowKind
	Table   Plan // ShowColumns
	Pattern string
	Place   diag.Pos
}

// CreateFunction makes a function of a library of the session callable.
type CreateFunction struct {
	Name      string // lower case
	Params    []columnar.Type
	Result    columnar.Type
	Nulls     bool   // it is called for rows with nulls
	Library   string // as artifacts are named, or a path
	Symbol    string // what the library calls it
	Replace   bool
	Place     diag.Pos
	LibraryAt diag.Pos
}

// DropFunction forgets one.
type DropFunction struct {
	Name     string
	IfExists bool
	Place    diag.Pos
}

// Artifact adds a file or a library to the session, or lists those that it has (Path
// is empty then).
type Artifact struct {
	Library bool
	Path    string
	Place   diag.Pos
}

// Set is SET key = value, SET key, SET; Reset is RESET [key].
type Set struct {
	Key, Value string
	HasValue   bool
	Reset      bool
	Place      diag.Pos
}

// WriteMode is what a writer does when the target exists.
type WriteMode uint8

// The modes.
const (
	ErrorIfExists WriteMode = iota
	Overwrite
	Append
	Ignore
)

// Write stores a query's rows as files of a format under a path.
type Write struct {
	Format      string
	Path        string
	Mode        WriteMode
	Options     map[string]string
	PartitionBy []string
	Child       Plan
	Place       diag.Pos
}

// textColumn is the output of a command that answers with one string column.
func textColumn(name string) []*expr.Attr {
	return []*expr.Attr{{Name: name, Typ: columnar.StringType}}
}
