//go:build unix

package artifacts

import (
	"io/fs"
	"os"
	"syscall"
)

func lockShared(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) }

// lockExclusive reports whether this process is the only one that has the file
// locked now; the lock goes with the file.
func lockExclusive(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// private reports a directory of this user that others may not write to.
func private(i fs.FileInfo) bool {
	st, ok := i.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && i.Mode().Perm()&0o022 == 0
}
