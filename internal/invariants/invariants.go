//go:build invariants

// Package invariants says whether checks that cost time are compiled in. Build
// and test with -tags invariants to have them: memory that was handed back is
// poisoned, what should be impossible panics.
package invariants

// Enabled reports whether the checks are compiled in.
const Enabled = true

// Poison overwrites memory that is handed back, so that whoever reads it still
// notices. It does nothing without the build tag.
func Poison(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = Poisoned
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
