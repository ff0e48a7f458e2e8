//go:build unix

package filelock

import (
	"os"
	"syscall"
)

// Works reports whether the system has such locks.
const Works = true

// Shared locks a file, unless somebody has it locked exclusively.
func Shared(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) }

// Exclusive locks a file. It reports whether nobody else has it locked.
func Exclusive(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
