//go:build !linux

package wasm

import "syscall"

// bound does nothing here: a child ends when its pipe does.
func bound() *syscall.SysProcAttr { return nil }
