//go:build unix

package link

import (
	"errors"
	"net"
	"syscall"
)

// Alive reports whether an idle connection is good: it is open, and nothing came
// that nobody asked for.
func Alive(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, e := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = errors.Is(e, syscall.EAGAIN)
		return true
	})
	return err == nil && alive
}
