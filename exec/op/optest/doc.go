// Package optest runs an operator under everything that must not change its
// rows: batches of 1, 3 and many rows, selections, constants and dictionaries,
// inputs that overwrite what they returned, a budget so small that it must
// spill; and under what must end well: an early close, an input that fails, a
// device that is full, a context that is cancelled.
//
// It is the one harness for operators that keep rows. It imports columnar,
// exec/op and exec/spill; it is used by tests alone.
package optest
