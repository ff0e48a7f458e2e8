package millrace

import (
	"iter"

	"github.com/millrace-engine/millrace/artifacts/function"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Null is a value or null: as a parameter of a registered function it makes the
// function see nulls, as a result it may be one. Functions without it are not called
// for rows with a null, and give null there.
type Null[T any] = function.Null[T]

// FunctionOption declares something about a function.
type FunctionOption = function.Option

// Volatile declares that a function may give different results for the same
// arguments, as a random number: it is called once per row, never ahead or twice.
// Other functions are deterministic.
func Volatile() FunctionOption { return function.Volatile() }

// FunctionDoc is the sentence that SHOW FUNCTIONS has of a function.
func FunctionDoc(text string) FunctionOption { return function.Doc(text) }

// Scalar1 registers a function of one value, which SQL and CallFunction call by its
// name. Values are bool, int8 … int64, int, float32, float64, string, []byte,
// time.Time (a timestamp), or Null of one of these; arguments are cast as for the
// engine's functions.
//
// The function is package-level: what varies is an argument, in SQL a literal. It may
// be called concurrently. What it panics with, an error or anything else, becomes the
// query's error, with the function, its arguments and the line.
func Scalar1[A, R any](r *Registry, name string, f func(A) R, opts ...FunctionOption) {
	function.Scalar1(&r.functions, name, f, opts...)
}

// Scalar2 registers a function of two values, as Scalar1.
func Scalar2[A, B, R any](r *Registry, name string, f func(A, B) R, opts ...FunctionOption) {
	function.Scalar2(&r.functions, name, f, opts...)
}

// Scalar3 registers a function of three values, as Scalar1.
func Scalar3[A, B, C, R any](r *Registry, name string, f func(A, B, C) R, opts ...FunctionOption) {
	function.Scalar3(&r.functions, name, f, opts...)
}

// Vector1 registers a function that is called with many values at once, of the rows
// that count alone: it fills out, which has the length of as, and keeps neither.
func Vector1[A, R any](r *Registry, name string, f func(as []A, out []R), opts ...FunctionOption) {
	function.Vector1(&r.functions, name, f, opts...)
}

// Vector2 registers a function of many pairs of values at once, as Vector1.
func Vector2[A, B, R any](r *Registry, name string, f func(as []A, bs []B, out []R), opts ...FunctionOption) {
	function.Vector2(&r.functions, name, f, opts...)
}

// Table1 registers a table function of one value: it makes any number of rows. SQL
// calls it in FROM, behind LATERAL where its argument is a column, frames by Lateral:
//
//	SELECT t.id, w.word FROM t, LATERAL words(t.text) AS w
//	SELECT * FROM t LEFT JOIN LATERAL words(t.text) ON true   also rows without words
//
// The columns are the fields of the struct R, which are exported, of the types that
// Scalar1 lists or pointers to these, or, where R is one of these types, one column
// named value. The rows are taken as they are made: a function may make any number of
// them. The rest is as Scalar1 says.
func Table1[A, R any](r *Registry, name string, f func(A) iter.Seq[R], opts ...FunctionOption) {
	function.Table1(&r.functions, name, f, opts...)
}

// Table2 registers a table function of two values, as Table1.
func Table2[A, B, R any](r *Registry, name string, f func(A, B) iter.Seq[R], opts ...FunctionOption) {
	function.Table2(&r.functions, name, f, opts...)
}

// TableVector1 registers a table function that is called with many values at once, of
// the rows that count alone: with each row goes the index of the value that it was
// made for, in any order. The function does not keep as.
func TableVector1[A, R any](r *Registry, name string, f func(as []A) iter.Seq2[int, R], opts ...FunctionOption) {
	function.TableVector1(&r.functions, name, f, opts...)
}

// TableVector2 registers a table function of many pairs of values at once, as
// TableVector1.
func TableVector2[A, B, R any](r *Registry, name string, f func(as []A, bs []B) iter.Seq2[int, R], opts ...FunctionOption) {
	function.TableVector2(&r.functions, name, f, opts...)
}

// TableFunction is what a table function makes: a frame. Its arguments are Columns or
// SQL text without columns, as "'a b c'".
func (s *Session) TableFunction(name string, args ...any) *DataFrame {
	r, err := tableCall(name, args)
	return s.frame(r).with(r, err)
}

// Lateral calls a table function for each row: the row's columns, and the function's,
// once for each row that it makes. Arguments are Columns or SQL text.
func (d *DataFrame) Lateral(name string, args ...any) *DataFrame {
	r, err := tableCall(name, args)
	return d.with(&logical.Join{Kind: logical.Cross, Left: d.plan, Right: r, Lateral: true}, err)
}

// LateralOuter is Lateral that keeps rows that the function makes none for, with nulls.
func (d *DataFrame) LateralOuter(name string, args ...any) *DataFrame {
	r, err := tableCall(name, args)
	return d.with(&logical.Join{Kind: logical.Left, Left: d.plan, Right: r, Lateral: true}, err)
}

func tableCall(name string, args []any) (*logical.Relation, error) {
	r := &logical.Relation{Ref: catalog.TableRef{Parts: []string{name}}, Call: true}
	for _, a := range args {
		e, err := one(a)
		if err != nil {
			return r, err
		}
		r.Args = append(r.Args, e)
	}
	return r, nil
}

// Aggregate says how values of A become one R for each group, by way of a state S.
// Nulls are passed over. A state travels between processes and to disk: it is made of
// numbers, strings, times, and structs with exported fields, slices, arrays, maps and
// pointers of these. All functions are package-level; Add and Merge may change and
// return the state that they get.
type Aggregate[S, A, R any] = function.Aggregate[S, A, R]

// Aggregate1 registers an aggregate function of one value: it is computed partially
// where the rows are, its states are merged behind an exchange.
func Aggregate1[S, A, R any](r *Registry, name string, f Aggregate[S, A, R], opts ...FunctionOption) {
	function.Aggregate1(&r.functions, name, f, opts...)
}
