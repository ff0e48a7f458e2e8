package standalone

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// Control is the transport between the parts of a cluster.
func Control(c *identity.Credential) transport.Transport {
	return tcp.New(c, tcp.Options{Lost: Silence})
}

// separator is between the addresses of several masters.
const separator = ","

// MasterAt is the master of a process's cluster, at host:port, or several of these.
func MasterAt(c *identity.Credential, at string) transport.Peer {
	all := strings.Split(at, separator)
	for i := range all {
		all[i] = tcp.Scheme + "://" + all[i]
	}
	return transport.Peer{Addr: transport.Addr(strings.Join(all, separator)), Name: identity.Name{App: c.Name.App, Role: identity.Master}}
}

// Load returns the credential of a process of a cluster, by the token in a file.
func Load(path string, role identity.Role, id string) (*identity.Credential, error) {
	c, err := identity.Load(path, role, id)
	if err != nil {
		return nil, diag.New(diag.ClusterFailed, "there is no way into the cluster: %v", err).WithPath(path).WithCause(err).
			WithRemedy("copy the master's token to %s (mode 0600), or name its file by --token or cluster.token", path)
	}
	return c, nil
}

// asking bounds a request.
const asking = 15 * time.Second

// Request asks a master once.
func Request[T any](ctx context.Context, t transport.Transport, master transport.Peer, verb message.Kind, body any, answer message.Kind) (T, error) {
	var none T
	ctx, stop := context.WithTimeout(ctx, asking)
	defer stop()
	conn, err := Dial(ctx, t, master)
	if err != nil {
		return none, Unreachable(string(master.Addr), err)
	}
	defer conn.Close()
	s, err := conn.Open(ctx, transport.Control)
	if err != nil {
		return none, Unreachable(string(master.Addr), err)
	}
	defer s.Cancel(transport.CodeContext)
	v, err := Ask[T](message.New(s, MaxMessage), verb, body, answer)
	if err != nil {
		return none, Unreachable(string(master.Addr), err)
	}
	return v, nil
}

// HostTowards returns the address of this machine from which a master, the first of
// several to which there is a way, is reached: there its executors may dial in.
func HostTowards(master string) (string, error) {
	var c net.Conn
	var err error
	for _, at := range strings.Split(master, separator) {
		if c, err = net.Dial("udp", at); err == nil { // sends nothing
			break
		}
	}
	if err != nil {
		return "", diag.New(diag.ClusterFailed, "there is no way to %s: %v", master, err).WithCause(err)
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	return host, err
}
