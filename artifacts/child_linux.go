package artifacts

import "syscall"

// Child is how processes that run artifacts are started: they end with their parent,
// even those that loop, and the terminal's interrupt is kept from them.
func Child() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
