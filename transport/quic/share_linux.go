package quic

import "syscall"

// sharing tells that several sockets may listen at one port, among which the
// kernel distributes clients by their addresses.
const sharing = true

// reusePort is SO_REUSEPORT, socket(7).
const reusePort = 15

func share(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1) }); e != nil {
		return e
	}
	return err
}
