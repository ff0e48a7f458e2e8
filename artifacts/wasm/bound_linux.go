package wasm

import "syscall"

// bound ends a child with its parent, even one that loops, and keeps the terminal's
// interrupt from it.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
