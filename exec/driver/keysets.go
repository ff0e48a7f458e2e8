package driver

import (
	"fmt"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op/keyset"
)

// keysets is what the tasks of a job have told of their keys, for runtime filters.
// A filter is published once, when its stage is complete: a stage that runs again
// has the same keys, since those whose rows may be others make no filters. So is
// one of which a set is not there, for want of memory: it is not made.
type keysets struct {
	memory memory.Reservation
	sets   map[int]map[int][]byte // by filter and task, encoded
	over   map[int]bool           // filters that were published, or are not to be
}

func newKeysets(m *memory.Broker, job int) *keysets {
	return &keysets{memory: m.Reserve(fmt.Sprintf("job %d keys", job), 0), sets: map[int]map[int][]byte{}, over: map[int]bool{}}
}

// take takes in what a task told.
func (k *keysets) take(task int, told []exec.Keys) {
	for _, t := range told {
		if k.over[t.Filter] {
			continue
		}
		if !k.memory.TryGrow(int64(len(t.Set))) {
			k.drop(t.Filter)
			continue
		}
		if k.sets[t.Filter] == nil {
			k.sets[t.Filter] = map[int][]byte{}
		}
		k.memory.Shrink(int64(len(k.sets[t.Filter][task])))
		k.sets[t.Filter][task] = t.Set
	}
}

// drop forgets a filter's sets for good.
func (k *keysets) drop(filter int) {
	for _, s := range k.sets[filter] {
		k.memory.Shrink(int64(len(s)))
	}
	delete(k.sets, filter)
	k.over[filter] = true
}

// unite returns the keys of all tasks of a stage for a filter, once.
func (k *keysets) unite(filter, tasks int) (exec.Keys, bool) {
	defer k.drop(filter)
	parts := k.sets[filter]
	if k.over[filter] || len(parts) != tasks {
		return exec.Keys{}, false
	}
	need := int64(0)
	for _, p := range parts {
		need += 16 * int64(len(p)) // decoded, and merged
	}
	if !k.memory.TryGrow(need) {
		return exec.Keys{}, false
	}
	defer k.memory.Shrink(need)
	var sets []*keyset.Set
	for task := range tasks {
		s, err := keyset.Decode(parts[task])
		if err != nil {
			return exec.Keys{}, false
		}
		sets = append(sets, s)
	}
	return exec.Keys{Filter: filter, Set: keyset.Unite(sets).Append(nil)}, true
}

func (k *keysets) close() { k.memory.Close() }
