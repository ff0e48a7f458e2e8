package process

import (
	"fmt"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// Environment is the variable that makes a process an executor.
const Environment = "MILLRACE_EXECUTOR"

// spec is all that an executor has to know.
type spec struct {
	Name       identity.Name
	Credential []byte // identity.Credential.Encode
	Transport  string
	Driver     transport.Addr
	At         transport.Addr // where it serves its blocks
	Slots      int
	Memory     int64 // bytes
	SpillDir   string
	SpillLimit int64
	Keep       string // directory for executor.Config.Keep, or ""
}

// underway is the quanta that a process sends at a time: enough to keep a network
// busy, few enough that what is urgent does not wait behind them.
const underway = 4

// streams bounds those that a peer has open at once: the results of every task
// that runs, which wait for each other in the driver, and fetches besides. Who
// fetches bounds what it asks for.
const streams = 1024

// carrier returns a process's transport, with the one egress of the process.
func carrier(name string, c *identity.Credential) (transport.Transport, error) {
	egress := transport.NewEgress(underway, nil)
	switch name {
	case local.Scheme:
		return local.New(c.Name, local.Options{Limit: streams}), nil
	case tcp.Scheme:
		return tcp.New(c, tcp.Options{Egress: egress, Limit: streams}), nil
	case quic.Scheme:
		return quic.New(c, quic.Options{Egress: egress}), nil
	}
	return nil, fmt.Errorf("there is no transport %q", name)
}

// address is where a process of an application listens.
func address(transportName, dir, id string) transport.Addr {
	if transportName == local.Scheme {
		return transport.Addr(local.Scheme + "://" + dir + "/" + id + ".sock")
	}
	return transport.Addr(transportName + "://127.0.0.1:0")
}
