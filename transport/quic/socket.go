package quic

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// chosen is how often a port is chosen anew that somebody took meanwhile.
const chosen = 8

// sockets opens those of a listener: as many as a peer has data connections, where the
// system lets sockets share a port.
//
// Only these share one, and their port is that of a socket which did not. Asked for any
// port, the kernel takes those of sockets that share theirs for free if the new one shares
// its own too, whoever has them: of 2,000 such sockets 68 had the port of another, and
// what was sent to either went to one of both.
func (t *Transport) sockets(ctx context.Context, address string) (all []net.PacketConn, err error) {
	if !sharing || !t.own || t.o.Connections == 1 {
		s, err := t.o.ListenPacket(ctx, address)
		return []net.PacketConn{s}, err
	}
	for range chosen {
		var probe net.PacketConn
		if probe, err = t.o.ListenPacket(ctx, address); err != nil {
			return nil, err
		}
		at := probe.LocalAddr().String()
		if err = probe.Close(); err != nil {
			return nil, err
		}
		if all, err = together(ctx, at, t.o.Connections); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return all, err
}

// together opens n sockets that share a port.
func together(ctx context.Context, address string, n int) (all []net.PacketConn, err error) {
	lc := net.ListenConfig{Control: share}
	for range n {
		s, err := lc.ListenPacket(ctx, "udp", address)
		if err != nil {
			for _, s := range all {
				err = errors.Join(err, s.Close())
			}
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
