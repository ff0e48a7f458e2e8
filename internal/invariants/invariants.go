//go:build invariants

// Package invariants says whether checks that cost time are compiled in. Build
// and test with -tags invariants to have them: freed memory is poisoned, what
// should be impossible panics.
package invariants

// Enabled reports whether the checks are compiled in.
const Enabled = true
