package cache

// lru lets blocks leave that were read longest ago.
type lru struct{ queue }

// NewLRU returns a policy by which the block leaves first that was read, or added,
// longest ago.
func NewLRU() Policy { return &lru{newQueue()} }

func (l *lru) Added(b Candidate)                { l.push(b.ID) }
func (l *lru) Removed(id BlockID)               { l.drop(id) }
func (l *lru) Victims(yield func(BlockID) bool) { l.all(yield) }

func (l *lru) Read(id BlockID) {
	if l.has(id) {
		l.push(id)
	}
}
