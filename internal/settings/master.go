package settings

import (
	"net"
	"runtime"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Place is where a master URL says that queries run.
type Place struct {
	Executors int
	Slots     int    // of each executor
	Memory    int64  // budget of each executor in bytes; 0: the setting memory
	Processes bool   // the executors are processes of this machine
	Cluster   string // host:port of the master of a standalone cluster, or of several, with commas; the others are zero then
}

// Scheme begins the URL of a standalone cluster's master, MasterPort is where it
// listens when nothing else is said.
const (
	Scheme     = "millrace://"
	MasterPort = "7077"
)

// maxPlaces bounds the executors of a machine, and the slots of an executor.
const maxPlaces = 1024

// ParseMaster reads a master URL.
func ParseMaster(master string) (Place, error) {
	bad := diag.New(diag.InvalidSetting, "the master URL %q is not supported", master).WithRemedy("use local, local[n], local[*], local-cluster[executors,cores,MiB] or millrace://host:port")
	if host, ok := strings.CutPrefix(master, Scheme); ok {
		all := strings.Split(host, ",")
		for i, host := range all {
			if !strings.Contains(host, ":") || strings.HasSuffix(host, "]") {
				host += ":" + MasterPort
			}
			name, port, err := net.SplitHostPort(host)
			if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 || name == "" || strings.ContainsAny(name, "/@ ") {
				return Place{}, bad
			}
			all[i] = host
		}
		return Place{Cluster: strings.Join(all, ",")}, nil
	}
	if master == "local" {
		return Place{Executors: 1, Slots: 1}, nil
	}
	kind, in, ok := strings.Cut(master, "[")
	in, closed := strings.CutSuffix(in, "]")
	if !ok || !closed {
		return Place{}, bad
	}
	switch {
	case kind == "local" && in == "*":
		return Place{Executors: 1, Slots: runtime.GOMAXPROCS(0)}, nil
	case kind == "local":
		n, err := strconv.Atoi(in)
		if err != nil || n < 1 || n > maxPlaces {
			return Place{}, bad
		}
		return Place{Executors: 1, Slots: n}, nil
	case kind != "local-cluster":
		return Place{}, bad
	}
	var n [3]int
	parts := strings.Split(in, ",")
	if len(parts) != len(n) {
		return Place{}, bad
	}
	for i, x := range parts {
		var err error
		if n[i], err = strconv.Atoi(strings.TrimSpace(x)); err != nil || n[i] < 1 {
			return Place{}, bad
		}
	}
	if n[0] > maxPlaces || n[1] > maxPlaces || n[2] < 16 {
		return Place{}, bad
	}
	return Place{Executors: n[0], Slots: n[1], Memory: int64(n[2]) << 20, Processes: true}, nil
}
