package process

import (
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
)

// Environment is the variable that makes a process an executor.
const Environment = "MILLRACE_EXECUTOR"

// Spec is all that an executor has to know.
type Spec struct {
	Name       identity.Name
	Credential []byte // identity.Credential.Encode
	Transport  string // schemes, as Carrier takes them
	Driver     transport.Addr
	Host       string // where it serves its blocks to other hosts
	Slots      int
	Memory     int64 // bytes
	SpillDir   string
	SpillLimit int64
	Fetch      service.Limits
	Keep       string // directory for executor.Config.Keep, or ""
	// ArtifactDir and ArtifactLimit are of the store where artifacts go.
	ArtifactDir   string
	ArtifactLimit int64
	// Binary is what is to run in place of the binary that reads this; nil: nothing.
	Binary *Binary `json:",omitempty"`
	// CachePolicy names one of cache.Policies, for programs that do not bring their own.
	CachePolicy string
	// CacheFront is a front.Mode.
	CacheFront string
	// Dir is for sockets. The executor removes it when it has lost whoever started
	// it, and Parents, from the inside out, if nothing is left in them.
	Dir     string
	Parents []string
}
