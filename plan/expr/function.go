package expr

import "github.com/millrace-engine/millrace/columnar"

// FunctionKind separates functions by where they may stand.
type FunctionKind uint8

// Scalar functions map rows to values; aggregate functions map groups; window
// functions need an OVER clause; table functions stand in FROM.
const (
	ScalarFunction FunctionKind = iota
	AggregateFunction
	WindowFunction
	TableFunction
)

// Function is an entry of the function table: everything the planner needs to
// know about a function. How it is computed is package eval's (scalar) or the
// aggregate operator's business, chosen by Name and argument types.
type Function struct {
	Name string // canonical, lower case
	// Source is what finds the function on an executor where its name does not, ""
	// elsewhere.
	Source string
	Kind   FunctionKind
	// Resolve picks the signature for the given argument types: the types that
	// the arguments must be cast to (implicitly) and the result type. args
	// holds the unresolved-free arguments, so that literals can be looked at
	// (round's scale, for example). A failure is a *diag.Error without place.
	Resolve func(args []Expr) (Signature, error)
	// Deterministic is false for rand(), uuid() …: not folded, not pushed, not
	// duplicated.
	Volatile bool
	// NullOnNull: any null argument makes the result null (strict). Non-strict
	// functions (coalesce, and, isnull …) decide themselves.
	NullOnNull bool
	// Fallible functions may raise an error on some input (division, overflow
	// in ANSI mode, element_at): never evaluated on rows that do not count.
	Fallible bool
	// NeverNull: the result is never null whatever the arguments (isnull, count).
	NeverNull bool
	// OrderSensitive aggregates depend on the order of rows (first, collect_list).
	OrderSensitive bool
	// Scalar, Aggregate or Table computes a function that is not the engine's own; all are
	// nil for those that are.
	Scalar    ForeignScalar
	Aggregate ForeignAggregate
	Table     ForeignTable
	// Partition is of what only plans call, on whole partitions.
	Partition ForeignPartition
	// Doc is one sentence for SHOW FUNCTIONS and godoc of generated wrappers.
	Doc string
	// Args names the parameters, for messages and generated wrappers.
	Args []string
}

// Key is what plans hold: Source, or else the name.
func (f *Function) Key() string {
	if f.Source != "" {
		return f.Source
	}
	return f.Name
}

// Signature is the outcome of resolving a call.
type Signature struct {
	Args   []columnar.Type // one per argument
	Result columnar.Type
	// Nullable overrides the rule from NullOnNull/NeverNull when true: the
	// result may be null although no argument is (try_divide, nullif …).
	Nullable bool
}
