//go:build !unix

package link

import "net"

// Alive reports whether an idle connection is good, as far as that is known.
func Alive(net.Conn) bool { return true }
