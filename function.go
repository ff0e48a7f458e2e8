package millrace

import "github.com/millrace-engine/millrace/artifacts/function"

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
