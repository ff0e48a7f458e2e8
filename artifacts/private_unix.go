//go:build unix

package artifacts

import (
	"io/fs"
	"os"
	"syscall"
)

// private reports a directory of this user that others may not write to.
func private(i fs.FileInfo) bool {
	st, ok := i.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && i.Mode().Perm()&0o022 == 0
}
