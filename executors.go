package millrace

import (
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
)

// ExecutorUsage is what an executor said last that it holds.
type ExecutorUsage struct {
	ID         string
	Reserved   int64 // bytes of its memory budget
	Blocks     int   // of exchange output and cached tables
	BlockBytes int64 // that those take in memory
	Told       int   // how often it has said so: every two seconds
}

// Executors returns what the session's executors hold, by their ids. It is nil where
// the session itself is the executor.
func (s *Session) Executors() []ExecutorUsage {
	b, ok := s.driver.Backend.(interface {
		Usage() (map[exec.ExecutorID]remote.Usage, map[exec.ExecutorID]int)
	})
	if !ok {
		return nil
	}
	var out []ExecutorUsage
	usage, beats := b.Usage()
	for id, u := range usage {
		out = append(out, ExecutorUsage{string(id), u.Reserved, u.Blocks, u.Bytes, beats[id]})
	}
	slices.SortFunc(out, func(x, y ExecutorUsage) int { return strings.Compare(x.ID, y.ID) })
	return out
}
