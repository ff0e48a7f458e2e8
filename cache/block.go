package cache

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// BlockID names the output of one attempt of a map task for one partition. It is
// comparable.
type BlockID struct{ Job, Exchange, Map, Attempt, Partition int }

// String prints "job 3 exchange 1 map 4.0 partition 2".
func (b BlockID) String() string {
	return fmt.Sprintf("job %d exchange %d map %d.%d partition %d", b.Job, b.Exchange, b.Map, b.Attempt, b.Partition)
}

// Level says where a block may lie.
type Level uint8

// MemoryAndDisk: in memory while there is room, then on disk; it is never lost.
// MemoryOnly: in memory while there is room, then nowhere. DiskOnly: on disk.
const (
	MemoryAndDisk Level = iota
	MemoryOnly
	DiskOnly
)

// Disk is where blocks go that memory has no room for.
type Disk interface {
	// NewFile returns the file of a map output of so many partitions; out's Partition
	// is not looked at. Nothing needs to be on disk yet.
	NewFile(out BlockID, partitions int) File
}

// File holds the blocks of one map output. It is safe for concurrent use by
// writers of different runs.
type File interface {
	NewRun(partition int) Run
	// Commit tells that the map task has written all it has. Runs may follow of blocks
	// that leave memory later.
	Commit() error
	// Close gives the space of all runs back.
	Close() error
}

// Run is an append-only sequence of rows on disk. It has one writer at a time.
type Run interface {
	// Append writes the rows of a batch that count before it returns.
	Append(ctx context.Context, b *columnar.Batch) error
	// Stored returns the bytes on disk.
	Stored() int64
	// Drop gives its space back. Nobody may be reading it.
	Drop()
	// Open returns the batches appended so far. What a reader needs is charged to
	// r, which may be nil, until it is closed: memory.ErrSpill if that is refused.
	Open(ctx context.Context, r memory.Reservation) (Reader, error)
}

// Reader yields batches until io.EOF, each valid until the next call.
type Reader interface {
	Next(ctx context.Context) (*columnar.Batch, error)
	// NextStored is Next without decoding: the rows as columnar/chunk encodes them,
	// and how many they are.
	NextStored(ctx context.Context) (data []byte, rows int, err error)
	// Skip passes over batches that have at most n rows together, without reading
	// them, and returns how many rows those have, and whether there are more.
	Skip(n int64) (skipped int64, more bool)
	Close()
}

// state is where a block is in its life. One that is not in the store is absent.
type state uint8

const (
	ready state = iota
	spilling
	deleting
	writing // no one sees it yet
)

// block is a block of the store. Its fields are guarded by its shard's lock,
// apart from id, level and out.
type block struct {
	id      BlockID
	level   Level
	out     *output
	state   state
	pins    int
	busy    bool  // being spilt, also when it is dropped meanwhile
	runs    []Run // the rows that come first
	batches []resident
	cost    cost         // of batches
	bytes   atomic.Int64 // of batches, without dictionaries
	spare   Run          // the batches, on disk too
	leaves  bool         // the batches go with the last pin
	known   bool         // it was committed, and its bytes are counted as those of its dataset

	// Of blocks of datasets, not changed once others see them:
	priority int
	made     time.Duration    // how long it took to make the map output
	encoded  bool             // the batches are packed,
	schema   *columnar.Schema // and these are their columns
}

// resident is a batch in memory, or a packed one.
type resident struct {
	packed *packed // of a block that is encoded; then the rest is not set
	batch  *columnar.Batch
	region *memory.Region // that it lies in; nil: it is stable
	sheet  []byte         // of a region that is shared (columnar/chunk)
}

// output is what the blocks of a map output have in common: their file.
type output struct {
	id         BlockID // of any of the blocks
	partitions int
	file       File        // made by the first run
	blocks     int         // that are not absent; guarded by the store's mu
	wanted     atomic.Bool // what its writer has in memory
}

// cost is what a list of batches takes in memory.
type cost struct {
	bytes  int64 // of each batch alone
	shares []share
}

// share is what several batches have in common and is paid for once: a dictionary,
// or the region that they lie in.
type share struct {
	dict   *columnar.Dictionary
	region *memory.Region
}

func (s share) bytes() int64 {
	if s.region != nil {
		return s.region.Size()
	}
	v := columnar.Vector{Dict: s.dict}
	return v.MemoryBytes()
}

// add counts a batch that takes n bytes besides its dictionaries and its region.
func (c *cost) add(x resident, n int64) {
	c.bytes += n
	if x.packed != nil {
		return
	}
	if x.region != nil {
		c.share(share{region: x.region})
	}
	for i := range x.batch.Cols {
		if d := x.batch.Cols[i].Dict; d != nil {
			c.share(share{dict: d})
		}
	}
}

func (c *cost) share(s share) {
	if !slices.Contains(c.shares, s) {
		c.shares = append(c.shares, s)
	}
}
