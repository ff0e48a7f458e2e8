package physical

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Plan is one node of a physical plan. String is the node's own line.
type Plan interface {
	Schema() *columnar.Schema
	Children() []Plan
	WithChildren(kids []Plan) Plan
	String() string
}

// Scan reads splits of a table. Columns are the positions read, in the table's
// schema; Filters are conjuncts bound to Columns (position i is Columns[i]) that
// the scan applies exactly; Project lists which of Columns come out, in order
// (columns needed by filters only do not). A cached dataset is read in the same way:
// its origin is the scan's child, whose leaves have the numbers after its own, and
// Columns are positions in the origin's schema. RuntimeFilters name the filters that
// a join above may supply while running; applying them is optional.
type Scan struct {
	Leaf           int
	Name           string // for EXPLAIN
	Table          catalog.Descriptor
	Columns        []int
	Read           *columnar.Schema // schema of Columns
	Filters        []expr.Expr
	Project        []int
	RuntimeFilters []RuntimeFilter
	Rows           float64  // estimate after filters, −1 unknown
	Dataset        *Dataset // nil: Table says what is read
}

// RuntimeFilter connects a join's build keys with the rows of its probe side: the
// filter with an ID knows which values the build side has. Where rows pass that a
// node names, those whose column cannot match may be dropped: in the stage of the
// join, whose operator publishes the filter, or in another one, which is told when
// the exchange of the build side is complete. It may come late or never.
type RuntimeFilter struct {
	ID     int // unique within the query
	Column int // position in Scan.Columns, else in the node's rows
}

// Values yields literal rows. Leaf-assigned like a scan with one split.
type Values struct {
	Leaf int
	Out  *columnar.Schema
	Rows [][]*expr.Literal
}

// SourceMode is what part of an exchange's output a task reads.
type SourceMode uint8

// Partition: the partition that the task was assigned. All: every partition,
// in every task (broadcast, shared build side). Merge: as Partition, but the
// map outputs are sorted by Order and are merged.
const (
	ReadPartition SourceMode = iota
	ReadAll
	ReadMerge
)

// Source reads the output of an exchange: what plan/stage puts in an Exchange's
// place.
type Source struct {
	Leaf     int
	Exchange int // exchange number within the query
	Mode     SourceMode
	Order    []expr.SortOrder // ReadMerge
	Out      *columnar.Schema
	Rows     float64
}

// Filter keeps rows for which all conjuncts are true. RuntimeFilters are as those
// of a scan.
type Filter struct {
	Conjuncts      []expr.Expr
	RuntimeFilters []RuntimeFilter
	Child          Plan
}

// Project computes one column per expression.
type Project struct {
	Exprs []expr.Expr
	Out   *columnar.Schema
	Child Plan
}

// AggMode is which half of an aggregation a node does.
type AggMode uint8

// Partial: rows to states. Final: states to results. Complete: rows to results
// (input already partitioned by the keys). Merge: states to states. Eager: rows to
// results, of which a group may have several, each of a part of its rows. The state
// columns of each function are given by StateTypes.
const (
	AggPartial AggMode = iota
	AggFinal
	AggComplete
	AggMerge
	AggEager
)

// FromStates reports whether the input is states.
func (m AggMode) FromStates() bool { return m == AggFinal || m == AggMerge }

// ToStates reports whether the output is states.
func (m AggMode) ToStates() bool { return m == AggPartial || m == AggMerge }

// AggCall is one aggregate of an Aggregate node. Args and Filter are bound to the
// child; in Final and Merge mode Args are ignored and
// the states stand after the keys, in order. Arg types are kept for choosing the
// implementation.
type AggCall struct {
	Fn       string
	Args     []expr.Expr
	ArgTypes []columnar.Type
	Filter   expr.Expr // nil: all rows
	Distinct bool      // Complete mode only: the planner arranges that
	Result   columnar.Type
	Null     bool
	Place    diag.Pos
	Foreign  expr.ForeignAggregate // nil: one of the engine's own
}

// Aggregate groups rows. Output: keys, then states (Partial, Merge) or results. In
// Final and Merge mode the keys are the child's first len(Keys) columns. Without keys a
// Final or Complete node yields exactly one row, from one partition.
type Aggregate struct {
	Mode   AggMode
	Keys   []expr.Expr
	Aggs   []AggCall
	Out    *columnar.Schema
	Child  Plan
	Groups float64 // estimate, −1 unknown
}

// Expand repeats each row once per grouping set. Output: the child's columns, then
// the columns Keys, null where a set (indexes into Keys) leaves one out, then the
// set's number, a bigint.
type Expand struct {
	Keys  []int
	Sets  [][]int
	IDs   []int64
	Out   *columnar.Schema
	Child Plan
}

// Apply gives the values of List to a function on whole partitions; Out is what that
// makes.
type Apply struct {
	Fn      string // key of the function
	Args    []byte
	List    []expr.Expr
	Out     *columnar.Schema
	Child   Plan
	Foreign expr.ForeignPartition // nil until decoded
}

// Generate calls a table function for each row: columns Keep of the child, then the
// function's. Rows that it makes none for are left out, or, where Outer, stay with
// nulls.
type Generate struct {
	Fn    *expr.Function
	Args  []expr.Expr
	Keep  []int
	Outer bool
	Out   *columnar.Schema
	Child Plan
}

// Accumulate passes rows on and tells the driver of the values of List: their sum
// (Sum: one bigint or double) or all of them, once for each task that succeeds.
type Accumulate struct {
	ID    int // of the session's accumulator
	Name  string
	Sum   bool
	List  []expr.Expr
	Child Plan
}

// WindowCall is one function of a Window node. Args and Filter are bound to the
// child; Frame is nil for functions that look at the whole partition.
type WindowCall struct {
	Fn          string
	Args        []expr.Expr
	Filter      expr.Expr // nil: all rows
	IgnoreNulls bool
	Frame       *expr.Frame
	Result      columnar.Type
	Null        bool
	Place       diag.Pos
}

// Window computes functions over partitions of its input, which each task gets
// sorted by the columns PartitionBy and then Order. Output: the child's columns,
// then a result per call.
type Window struct {
	PartitionBy []int
	Order       []expr.SortOrder
	Calls       []WindowCall
	Out         *columnar.Schema
	Child       Plan
}

// HashJoin joins on equal keys. The build side is read wholly into a table. With
// Shared the build child is a Source in ReadAll mode, and the tasks of the stage
// on one executor build one table together; otherwise both children are
// partitioned alike and each task has its own table. Together tells that all
// tasks of the stage run on one executor: only then may a shared table remember
// what all of them did. LeftKeys and RightKeys are
// bound to their sides; NullSafe[i] makes nulls of key i equal. Residual is
// bound to left ++ right and part of the join condition. Output selects columns
// of left ++ right (of left, then the mark, for LeftMark).
type HashJoin struct {
	Kind                logical.JoinKind
	BuildLeft           bool
	Shared, Together    bool
	Left, Right         Plan
	LeftKeys, RightKeys []expr.Expr
	NullSafe            []bool
	Residual            expr.Expr
	Output              []int
	Out                 *columnar.Schema
	RuntimeFilters      []int // id of the filter published per key, 0 = none
	BuildRows           float64
	Place               diag.Pos
}

// LoopJoin joins on any condition: the right side is read wholly (Shared as for
// HashJoin), each left row meets each right row.
type LoopJoin struct {
	Kind        logical.JoinKind
	Shared      bool
	Left, Right Plan
	Cond        expr.Expr // nil: true
	Output      []int
	Out         *columnar.Schema
	Place       diag.Pos
}

// Sort orders the rows of one task.
type Sort struct {
	Order []expr.SortOrder
	Child Plan
}

// TopN keeps the first Count rows after Offset in an order. Partial nodes run in
// many tasks and keep Count+Offset rows. Filter, if not 0, is the id of a
// runtime filter of scans below, by which the node tells them behind which value
// of its first key, a column, rows are not wanted any more.
type TopN struct {
	Order         []expr.SortOrder
	Count, Offset int64
	Partial       bool
	Filter        int
	Child         Plan
}

// Limit keeps Count rows (−1: all) after Offset. Partial nodes keep Count+Offset
// rows per task.
type Limit struct {
	Count, Offset int64
	Partial       bool
	Child         Plan
}

// Union yields the rows of all inputs: in a task, of the inputs that have an
// assigned leaf.
type Union struct {
	Inputs []Plan
	Out    *columnar.Schema
}

// PartitioningKind is how an exchange distributes rows.
type PartitioningKind uint8

// Single: one partition. Hash: by the key hash of Keys. RoundRobin: evenly.
// Broadcast: one copy that every consumer task reads wholly. Range: by sampled
// bounds of Order (later).
const (
	SinglePartition PartitioningKind = iota
	HashPartitioning
	RoundRobin
	Broadcast
)

// Partitioning is a distribution over Count partitions. Fixed: the user asked for so
// many, and each is a task of its own.
type Partitioning struct {
	Kind  PartitioningKind
	Count int
	Keys  []int // columns of the exchanged schema, Hash only
	Fixed bool
}

// Exchange is a wide dependency: its child runs in a stage of its own. Filters are
// the runtime filters that hold the values which its rows have in a column.
type Exchange struct {
	ID           int // number within the query, assigned by the planner from 1
	Partitioning Partitioning
	// Order: map outputs are sorted so and the consumer merges them.
	Order   []expr.SortOrder
	Filters []RuntimeFilter
	Child   Plan
	Rows    float64
}

// Write stores rows as files; it yields one row per file written (path string,
// rows bigint, bytes bigint), which the driver commits.
type Write struct {
	Format      string
	Path        string // final target directory or file
	Staging     string // temporary directory below the target
	Mode        logical.WriteMode
	Options     []catalog.Option
	PartitionBy []int
	Child       Plan
}
