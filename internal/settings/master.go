package settings

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Place is where a master URL says that queries run.
type Place struct {
	Executors int
	Slots     int   // of each executor
	Memory    int64 // budget of each executor in bytes; 0: the setting memory
	Processes bool  // the executors are processes of their own
}

// maxPlaces bounds the executors of a machine, and the slots of an executor.
const maxPlaces = 1024

// ParseMaster reads a master URL.
func ParseMaster(master string) (Place, error) {
	bad := diag.New(diag.InvalidSetting, "the master URL %q is not supported", master).WithRemedy("use local, local[n], local[*] or local-cluster[executors,cores,MiB]")
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
