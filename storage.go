package millrace

import (
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// StorageLevel says where the rows of a persisted frame may lie. With Memory and
// Disk, what memory has no room for goes to disk; with Memory alone it is computed
// again. Serialized keeps rows in memory as they would lie on disk: in fewer bytes, which
// each query decodes. Replicas is how many executors hold each partition, as far as there
// are so many: others copy it once it is computed, and again when one is lost. What has a
// higher Priority leaves memory later.
type StorageLevel struct {
	Memory, Disk, Serialized bool
	Replicas, Priority       int
}

// The levels with a name of their own.
var (
	MemoryAndDisk = StorageLevel{Memory: true, Disk: true}
	MemoryOnly    = StorageLevel{Memory: true}
	DiskOnly      = StorageLevel{Disk: true}

	MemoryAndDiskSerialized = StorageLevel{Memory: true, Disk: true, Serialized: true}
	MemoryOnlySerialized    = StorageLevel{Memory: true, Serialized: true}
)

// String prints the level as SQL names it: MEMORY_AND_DISK_SER_2.
func (l StorageLevel) String() string { return l.storage().String() }

// check refuses levels that make no sense.
func (l StorageLevel) check() error {
	switch {
	case !l.Memory && !l.Disk:
		return diag.New(diag.InvalidArgument, "a storage level needs memory or disk").WithRemedy("use MEMORY_AND_DISK")
	case l.Replicas < 0 || l.Replicas > 10:
		return diag.New(diag.InvalidArgument, "a dataset has 1 to 10 replicas, not %d", l.Replicas)
	}
	return nil
}

func (l StorageLevel) storage() physical.Storage {
	return physical.Storage{Memory: l.Memory, Disk: l.Disk, Serialized: l.Serialized, Replicas: max(1, l.Replicas), Priority: l.Priority}
}

// ParseStorageLevel reads what String prints, in any case.
func ParseStorageLevel(name string) (StorageLevel, error) {
	rest := strings.ToUpper(strings.TrimSpace(name))
	unknown := diag.New(diag.InvalidArgument, "there is no storage level %q", name).
		WithRemedy("use MEMORY_AND_DISK, MEMORY_ONLY or DISK_ONLY, with _SER and the number of replicas behind, as MEMORY_ONLY_SER_2")
	l := StorageLevel{}
	cut := func(prefix string) (ok bool) {
		rest, ok = strings.CutPrefix(rest, prefix)
		return ok
	}
	switch {
	case cut("MEMORY_AND_DISK"):
		l.Memory, l.Disk = true, true
	case cut("MEMORY_ONLY"):
		l.Memory = true
	case cut("DISK_ONLY"):
		l.Disk = true
	default:
		return l, unknown
	}
	if l.Memory {
		l.Serialized = cut("_SER")
	}
	if cut("_") {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			return l, unknown
		}
		l.Replicas, rest = n, ""
	}
	if rest != "" {
		return l, unknown
	}
	return l, l.check()
}
