package shuffle

import "fmt"

// GoneError says that outputs of map tasks are not where they were said to be.
type GoneError struct {
	Maps  []int // at least one
	Cause error // may be nil
}

// Error implements error.
func (g *GoneError) Error() string {
	if g.Cause != nil {
		return fmt.Sprintf("the outputs of map tasks %d cannot be had: %v", g.Maps, g.Cause)
	}
	return fmt.Sprintf("the outputs of map tasks %d are gone", g.Maps)
}

// Unwrap returns the cause.
func (g *GoneError) Unwrap() error { return g.Cause }
