// Package event is the vocabulary of what happens while queries run, and the bus
// that tells subscribers. The bus never blocks the scheduler: a subscriber that
// does not keep up loses events and is told how many.
package event

import (
	"sync"
	"time"
)

// Event is something that happened. Kind is one of the constants; the other
// fields are set where they mean something.
type Event struct {
	Kind     Kind            `json:"kind"`
	Time     time.Time       `json:"time"`
	Job      int             `json:"job"`
	Stage    int             `json:"stage,omitempty"`
	Attempt  int             `json:"attempt,omitempty"` // of the stage
	Task     int             `json:"task,omitempty"`
	Retry    int             `json:"retry,omitempty"` // attempt of the task
	Tasks    int             `json:"tasks,omitempty"` // of a stage
	Stages   int             `json:"stages,omitempty"`
	Executor string          `json:"executor,omitempty"`
	Locality string          `json:"locality,omitempty"` // of a started task that has an input somewhere: process, node or any
	Error    string          `json:"error,omitempty"`
	Millis   float64         `json:"ms,omitempty"`
	Metrics  []OperatorStats `json:"operators,omitempty"`
	Dataset  int             `json:"dataset,omitempty"`
	Lost     int             `json:"lost,omitempty"` // events that this subscriber missed before
	App      *App            `json:"app,omitempty"`  // of app_started

	// Of started jobs: the statement, or what else the program says the job is for, and
	// its stages as EXPLAIN FORMATTED shows them.
	Query string `json:"query,omitempty"`
	Plan  string `json:"plan,omitempty"`

	// Of ended tasks, stages and jobs: what the task (of several, the hungriest) had
	// reserved at most, and what was spilled, output of exchanges included.
	PeakBytes    int64 `json:"peak_bytes,omitempty"`
	SpilledBytes int64 `json:"spilled_bytes,omitempty"`
	// Of ended jobs: what the driver's process had reserved then, and at most.
	ReservedBytes     int64 `json:"reserved_bytes,omitempty"`
	ReservedPeakBytes int64 `json:"reserved_peak_bytes,omitempty"`
	// Of ended jobs: the cached datasets that there were then.
	Cached []Cached `json:"cached,omitempty"`
}

// Cached is what all executors together hold of a cached dataset, as they told with the
// last task that each has ended.
type Cached struct {
	Dataset     int    `json:"dataset"`
	Name        string `json:"name,omitempty"` // of a cached table; "": a frame that was persisted
	Level       string `json:"level"`          // as MEMORY_AND_DISK
	Partitions  int    `json:"partitions"`     // that it has,
	Held        int    `json:"held"`           // and those that somebody holds
	Rows        int64  `json:"rows"`           // of these
	MemoryBytes int64  `json:"memory_bytes"`
	DiskBytes   int64  `json:"disk_bytes"`
	Evicted     int64  `json:"evicted"` // blocks that have left memory so far
	Reads       int64  `json:"reads"`   // blocks that tasks have read so far,
	Hits        int64  `json:"hits"`    // and those that were in memory where they ran
}

// App is an application: a session.
type App struct {
	ID       string            `json:"id"`
	Name     string            `json:"name,omitempty"`
	Master   string            `json:"master"`
	Version  string            `json:"version,omitempty"` // of the program
	Memory   int64             `json:"memory"`            // budget of the driver's process, in bytes
	Settings map[string]string `json:"settings,omitempty"`
}

// Kind is what happened.
type Kind string

// The kinds.
const (
	AppStarted    Kind = "app_started"
	AppEnded      Kind = "app_ended"
	JobStarted    Kind = "job_started"
	JobEnded      Kind = "job_ended"
	StageStarted  Kind = "stage_started"
	StageEnded    Kind = "stage_ended"
	TaskStarted   Kind = "task_started"
	TaskEnded     Kind = "task_ended"
	ExecutorAdded Kind = "executor_added"
	ExecutorLost  Kind = "executor_lost"
	// ExecutorDraining: it gets no more tasks; its outputs go to others, then it ends.
	ExecutorDraining Kind = "executor_draining"
	// OutputMoved: what a task put into its exchange lies on another executor now.
	OutputMoved Kind = "output_moved"
	// PartitionCopied: one more executor holds a partition (Task) of a cached dataset.
	PartitionCopied Kind = "partition_copied"
)

// OperatorStats is what one operator of one task (or of all tasks of a stage
// together) did. Nanos includes the inputs' time.
type OperatorStats struct {
	Node            string `json:"node"`
	Depth           int    `json:"depth"`
	Rows            int64  `json:"rows"`
	Batches         int64  `json:"batches"`
	Bytes           int64  `json:"bytes"` // of the rows put out
	Nanos           int64  `json:"nanos"`
	BytesRead       int64  `json:"bytes_read,omitempty"`
	RowsRead        int64  `json:"rows_read,omitempty"`
	RowGroups       int64  `json:"row_groups,omitempty"`
	RowGroupsPruned int64  `json:"row_groups_pruned,omitempty"`
	PagesPruned     int64  `json:"pages_pruned,omitempty"`
	RowsPruned      int64  `json:"rows_pruned,omitempty"`
	FrontHits       int64  `json:"front_hits,omitempty"`   // footers and indexes of files that lay in memory,
	FrontMisses     int64  `json:"front_misses,omitempty"` // and that were read
	PeakBytes       int64  `json:"peak_bytes,omitempty"`   // reserved at most, by one task
	SpilledBytes    int64  `json:"spilled_bytes,omitempty"`
	Dataset         int    `json:"dataset,omitempty"`       // that is scanned
	CacheHits       int64  `json:"cache_hits,omitempty"`    // blocks of cached datasets that were in memory,
	CacheDisk       int64  `json:"cache_disk,omitempty"`    // on disk,
	CacheFetched    int64  `json:"cache_fetched,omitempty"` // on another executor,
	CacheMisses     int64  `json:"cache_misses,omitempty"`  // and that were computed
}

// Add adds another task's numbers.
func (s *OperatorStats) Add(o OperatorStats) {
	s.Rows += o.Rows
	s.Batches += o.Batches
	s.Bytes += o.Bytes
	s.Nanos += o.Nanos
	s.BytesRead += o.BytesRead
	s.RowsRead += o.RowsRead
	s.RowGroups += o.RowGroups
	s.RowGroupsPruned += o.RowGroupsPruned
	s.PagesPruned += o.PagesPruned
	s.RowsPruned += o.RowsPruned
	s.PeakBytes = max(s.PeakBytes, o.PeakBytes)
	s.SpilledBytes += o.SpilledBytes
	s.FrontHits += o.FrontHits
	s.FrontMisses += o.FrontMisses
	s.CacheHits += o.CacheHits
	s.CacheDisk += o.CacheDisk
	s.CacheFetched += o.CacheFetched
	s.CacheMisses += o.CacheMisses
}

// OwnNanos is the time of an operator without that of its inputs.
func OwnNanos(ops []OperatorStats, i int) int64 {
	own := ops[i].Nanos
	for k := i + 1; k < len(ops) && ops[k].Depth > ops[i].Depth; k++ {
		if ops[k].Depth == ops[i].Depth+1 {
			own -= ops[k].Nanos
		}
	}
	return max(own, 0) // clocks of inputs that ran apart may have counted more
}

// Bus tells subscribers about events. A nil Bus tells nobody.
type Bus struct {
	mu   sync.Mutex
	subs map[int]*subscriber
	next int
}

type subscriber struct {
	c    chan Event
	lost int
}

// Subscribe returns a channel of at most buffer waiting events and a function
// that ends the subscription and closes the channel.
func (b *Bus) Subscribe(buffer int) (<-chan Event, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[int]*subscriber{}
	}
	id := b.next
	b.next++
	s := &subscriber{c: make(chan Event, buffer)}
	b.subs[id] = s
	return s.c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, ok := b.subs[id]; ok {
			delete(b.subs, id)
			close(s.c)
		}
	}
}

// Heard reports whether anybody listens: what is dear to tell need not be told else.
func (b *Bus) Heard() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

// Publish tells every subscriber that has room.
func (b *Bus) Publish(e Event) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		e.Lost = s.lost
		select {
		case s.c <- e:
			s.lost = 0
		default:
			s.lost++
		}
	}
}
