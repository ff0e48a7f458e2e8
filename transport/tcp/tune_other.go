//go:build !linux

package tcp

import "syscall"

func tune(_, _ string, _ syscall.RawConn) error { return nil }
