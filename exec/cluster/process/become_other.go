//go:build !unix

package process

import (
	"context"
	"errors"
)

const specVariable = "MILLRACE_EXECUTOR_SPEC"

func (s *Spec) become(context.Context) error {
	return errors.New("workers on this system run no applications of their own")
}
