package local

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/millrace-engine/millrace/internal/identity"
)

// sameUser refuses peers that run as another user. Root is another user too.
func sameUser(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) {
		cred, got = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if got != nil {
		return got
	}
	if int(cred.Uid) != os.Getuid() {
		return &identity.Refusal{Reason: fmt.Sprintf("the peer runs as user %d, not %d", cred.Uid, os.Getuid())}
	}
	return nil
}
