package tcp

import "syscall"

// notSent (TCP_NOTSENT_LOWAT, tcp(7)) bounds the bytes that the kernel takes
// before it could send them: what lies there has passed the egress and would go
// before anything more urgent.
const (
	notSent      = 25
	notSentBytes = 512 << 10
)

func tune(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSent, notSentBytes) }); e != nil {
		return e
	}
	return err
}
