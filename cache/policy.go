package cache

import "time"

// Policy decides in which order blocks of cached datasets leave memory. There is one
// for each priority: those of a lower one leave first. The store calls it from one
// goroutine at a time, and never for a block that it was not told of by Added.
// Policies order; they never say that a block must stay: who is asked for memory goes
// on until there is enough.
type Policy interface {
	// Added tells that a block is in memory, or is being written there, and once more how
	// large it has become. Removed tells that it no longer is, and Read that somebody
	// reads it.
	Added(b Candidate)
	Read(id BlockID)
	Removed(id BlockID)
	// Victims calls yield with blocks, that which should leave first before others, until
	// it returns false. Those that do leave are told to Removed after Victims returned.
	Victims(yield func(BlockID) bool)
}

// Candidate is a block in memory.
type Candidate struct {
	ID    BlockID
	Bytes int64
	// Cost is about how long it took to make the block's map output, all blocks together;
	// 0 while that is not known.
	Cost time.Duration
	// Kept tells that it goes to disk when it leaves memory, else it must be made again.
	Kept bool
}

// Policies are those that the setting cache.policy names.
var Policies = map[string]func() Policy{"s3fifo": NewS3FIFO, "lru": NewLRU, "cost": NewCost}
