//go:build !linux

package artifacts

import "syscall"

// Child is how processes that run artifacts are started: here they end when their pipe
// does.
func Child() *syscall.SysProcAttr { return nil }
