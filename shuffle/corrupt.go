package shuffle

import "fmt"

// Damage is where a chunk was damaged, as far as its holder can tell.
type Damage uint8

// The places. OnNetwork also stands for this process's own memory: what the
// holder reads again is whole.
const (
	Unknown   Damage = iota // the holder does not say
	OnDisk                  // what the holder has stored does not verify
	InMemory                // the holder encodes it otherwise each time, or damaged
	OnNetwork               // the holder has it whole
	damages
)

// Valid reports whether there is such a place.
func (d Damage) Valid() bool { return d < damages }

func (d Damage) String() string {
	return [...]string{"at a place unknown", "on the holder's disk", "in the holder's memory", "on its way"}[min(d, OnNetwork)]
}

// CorruptError says that a chunk of an output arrived damaged, and did again.
type CorruptError struct {
	Map, Attempt, Partition int
	Row                     int64 // of the block, at which the chunk begins
	Where                   Damage
	Cause                   error
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("the output of map task %d.%d for partition %d is damaged %s, from row %d on: %v", e.Map, e.Attempt, e.Partition, e.Where, e.Row, e.Cause)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Cause }
