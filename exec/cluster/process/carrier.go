package process

import (
	"fmt"
	"net"
	"strings"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/auto"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// underway is the quanta that a process sends at a time: enough to keep a network
// busy, few enough that what is urgent does not wait behind them.
const underway = 4

// streams bounds those that a peer has open at once: the results of every task
// that runs, which wait for each other in the driver, and fetches besides. Who
// fetches bounds what it asks for.
const streams = 1024

// Carrier returns a process's transport, with the one egress of the process, in an
// order (nil: by urgency). It speaks the schemes, as "local,quic,tcp", the first
// that works with each peer.
func Carrier(schemes string, c *identity.Credential, order transport.Order) (transport.Transport, error) {
	egress := transport.NewEgress(underway, order)
	by := map[string]transport.Transport{}
	var last transport.Transport
	for _, s := range strings.Split(schemes, ",") {
		switch s {
		case local.Scheme:
			last = local.New(c.Name, local.Options{Limit: streams})
		case tcp.Scheme:
			last = tcp.New(c, tcp.Options{Egress: egress, Limit: streams})
		case quic.Scheme:
			last = quic.New(c, quic.Options{Egress: egress})
		default:
			return nil, fmt.Errorf("there is no transport %q", s)
		}
		by[s] = last
	}
	if len(by) == 1 {
		return last, nil
	}
	return auto.New(by), nil
}

// maxSocketPath is how long a path of a socket may be.
const maxSocketPath = 100

// Address is where a process listens by these schemes: at a socket in dir, if there
// is one and its path is not too long, and on the host.
func Address(schemes, dir, id, host string) transport.Addr {
	var out []transport.Addr
	for _, s := range strings.Split(schemes, ",") {
		if s != local.Scheme {
			out = append(out, transport.Addr(s+"://"+net.JoinHostPort(host, "0")))
		} else if path := dir + "/" + id + ".sock"; dir != "" && len(path) <= maxSocketPath {
			out = append(out, transport.Addr(s+"://"+path))
		}
	}
	return auto.Join(out...)
}
