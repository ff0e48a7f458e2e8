//go:build unix

package tempdir

import (
	"os"
	"syscall"
)

// lock locks a directory, if nobody else has and it is still there.
func lock(path string) (*os.File, bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		if _, err := os.Stat(path); err == nil {
			return f, true
		}
	}
	_ = f.Close()
	return nil, false
}
