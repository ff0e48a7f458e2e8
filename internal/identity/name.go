package identity

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Role is what a process does in an application or a cluster.
type Role string

// The roles of an application, and those of a standalone cluster.
const (
	Driver   Role = "driver"
	Executor Role = "executor"

	Master Role = "master"
	Worker Role = "worker"
	Client Role = "client" // who submits, and drivers where they ask for executors
)

var roles = []Role{Driver, Executor, Master, Worker, Client}

// Name is who a process is.
type Name struct {
	App  string // the application's id, or the cluster's
	Role Role
	ID   string // of the process within its application and role
}

// String is APP/ROLE/ID.
func (n Name) String() string { return n.App + "/" + string(n.Role) + "/" + n.ID }

// scheme begins the URI of a certificate's holder.
const scheme = "millrace"

func (n Name) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: n.App, Path: "/" + string(n.Role) + "/" + n.ID}
}

// ParseName is the reverse of Name.String.
func ParseName(s string) (Name, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 {
		return Name{}, fmt.Errorf("identity: %.200q is not APP/ROLE/ID", s)
	}
	n := Name{App: p[0], Role: Role(p[1]), ID: p[2]}
	return n, n.check()
}

// maxPart bounds each part of a name.
const maxPart = 64

// check refuses names that are not made as I2 says.
func (n Name) check() error {
	if !slices.Contains(roles, n.Role) {
		return fmt.Errorf("identity: there is no role %.64q", string(n.Role))
	}
	for _, p := range []string{n.App, n.ID} {
		good := len(p) > 0 && len(p) <= maxPart && strings.Trim(p, ".") != ""
		for _, c := range []byte(p) {
			good = good && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
		}
		if !good {
			return fmt.Errorf("identity: %.80q is no name: use letters, digits, - and _", p)
		}
	}
	return nil
}
