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
}

// carrier returns a process's transport.
func carrier(name string, c *identity.Credential) (transport.Transport, error) {
	switch name {
	case local.Scheme:
		return local.New(c.Name, local.Options{}), nil
	case tcp.Scheme:
		return tcp.New(c, tcp.Options{}), nil
	case quic.Scheme:
		return quic.New(c, quic.Options{}), nil
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
