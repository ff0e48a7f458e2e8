//go:build unix

package process

import "syscall"

// apart keeps an interrupt at the terminal from the executors: the driver ends
// them in order.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
