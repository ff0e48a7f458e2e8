//go:build !invariants

// Package invariants says whether checks that cost time are compiled in. Build
// and test with -tags invariants to have them: memory that was handed back is
// poisoned, what should be impossible panics.
package invariants

// Enabled reports whether the checks are compiled in.
const Enabled = false

// Poison overwrites memory that is handed back, so that whoever reads it still
// notices. It does nothing without the build tag.
func Poison([]byte) {}
