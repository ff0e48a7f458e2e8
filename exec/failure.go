package exec

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-engine/millrace/internal/diag"
)

// FailureKind is why a task failed.
type FailureKind uint8

// FetchFailed: a block that the task needs is gone. ExecutorLost: so is the
// executor. Transient: trying again may help. User: the query or its data are at
// fault, trying again is no use. Killed: on request. Bug: a panic or an
// invariant broken.
const (
	FetchFailed FailureKind = iota + 1
	ExecutorLost
	Transient
	User
	Killed
	Bug
)

func (k FailureKind) String() string {
	return [...]string{"", "fetch failed", "executor lost", "transient", "user error", "killed", "bug"}[k]
}

// Failure is a task's failure. For FetchFailed, Exchange and Map name the output
// that is gone and Epoch the state that the reader believed in; More are further
// outputs that it found gone. Map is −1 when the exchange has changed since the
// task was planned.
type Failure struct {
	Kind          FailureKind
	Cause         error
	Exchange, Map int
	More          []int
	Epoch         uint64
}

func (f *Failure) Error() string {
	if f.Kind == User && f.Cause != nil {
		return f.Cause.Error()
	}
	return fmt.Sprintf("%s: %v", f.Kind, f.Cause)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Classify wraps an error that a task returned. What a disk did to it is no fault of
// the query: another attempt writes anew, elsewhere if it can.
func Classify(err error) *Failure {
	var f *Failure
	var d *diag.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.As(err, &d) && d.Class == diag.SpillFailed:
		return &Failure{Kind: Transient, Cause: err}
	case errors.As(err, &d):
		return &Failure{Kind: User, Cause: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Failure{Kind: Killed, Cause: err}
	}
	return &Failure{Kind: Transient, Cause: err}
}
