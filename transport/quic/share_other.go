//go:build !linux

package quic

import "syscall"

const sharing = false

func share(_, _ string, _ syscall.RawConn) error { return nil }
