package cache

import (
	"slices"
	"sync"
)

// Registry is what the driver knows of cached datasets: which executor holds which
// partition. It is told after the fact, so what it says is where to look, not what
// must be there. It is safe for concurrent use.
type Registry struct {
	mu   sync.Mutex
	sets map[int]*set
}

type set struct {
	parts   []held
	missing int // partitions that nobody holds
	// Blocks that tasks read, and of them those in memory where the task ran.
	reads, hits int64
	uses        map[string]Usage // by executor, as it told last
}

type held struct {
	executors   []string
	attempts    []int // of each
	rows, bytes int64
}

// Size is what a dataset's partitions that somebody holds add up to. Bytes are those
// of all columns in memory.
type Size struct {
	Partitions, Held int
	Rows, Bytes      int64
	Copies           int   // of all partitions together
	Reads, Hits      int64 // blocks that tasks read so far, and those in memory where the task ran
	Memory, Disk     int64 // bytes that executors hold, all copies together, as they told last
	Evicted          int64 // blocks that left memory so far
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{sets: map[int]*set{}} }

// Begin makes a dataset of so many partitions known, once.
func (r *Registry) Begin(dataset, partitions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets[dataset] == nil {
		r.sets[dataset] = &set{parts: make([]held, partitions), missing: partitions, uses: map[string]Usage{}}
	}
}

// End forgets a dataset.
func (r *Registry) End(dataset int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sets, dataset)
}

// Add tells that an executor holds a partition. It reports whether the dataset is
// known: who adds to another one is to drop what it holds.
func (r *Registry) Add(dataset, partition int, executor string, attempt int, rows, bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sets[dataset]
	if s == nil || partition < 0 || partition >= len(s.parts) {
		return false
	}
	p := &s.parts[partition]
	if len(p.executors) == 0 {
		s.missing--
	}
	if at := slices.Index(p.executors, executor); at >= 0 {
		p.attempts[at] = attempt
	} else {
		p.executors, p.attempts = append(p.executors, executor), append(p.attempts, attempt)
	}
	p.rows, p.bytes = rows, bytes
	return true
}

// Read tells that a task read blocks of a dataset, of which hits were in memory.
func (r *Registry) Read(dataset int, hits, reads int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sets[dataset]; s != nil {
		s.hits, s.reads = s.hits+hits, s.reads+reads
	}
}

// Use tells what an executor holds of a dataset now.
func (r *Registry) Use(executor string, u Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sets[u.Dataset]; s != nil {
		s.uses[executor] = u
	}
}

// Lose forgets what an executor holds.
func (r *Registry) Lose(executor string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sets {
		delete(s.uses, executor)
		for i := range s.parts {
			p := &s.parts[i]
			at := slices.Index(p.executors, executor)
			if at < 0 {
				continue
			}
			p.executors, p.attempts = slices.Delete(p.executors, at, at+1), slices.Delete(p.attempts, at, at+1)
			if len(p.executors) == 0 {
				s.missing++
			}
		}
	}
}

// Held counts the partitions of a dataset that each executor holds.
func (r *Registry) Held(dataset int) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	if s := r.sets[dataset]; s != nil {
		for _, p := range s.parts {
			for _, e := range p.executors {
				out[e]++
			}
		}
	}
	return out
}

// Alone reports whether an executor holds what no other one does.
func (r *Registry) Alone(executor string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sets {
		for i := range s.parts {
			if p := &s.parts[i]; len(p.executors) == 1 && p.executors[0] == executor {
				return true
			}
		}
	}
	return false
}

// Holders returns the executors that hold a partition, the first to have it first, and
// the attempt that each has.
func (r *Registry) Holders(dataset, partition int) (executors []string, attempts []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sets[dataset]
	if s == nil || partition < 0 || partition >= len(s.parts) {
		return nil, nil
	}
	return slices.Clone(s.parts[partition].executors), slices.Clone(s.parts[partition].attempts)
}

// Complete reports whether somebody holds every partition of a dataset.
func (r *Registry) Complete(dataset int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sets[dataset]
	return s != nil && s.missing == 0
}

// Size returns what is held of a dataset.
func (r *Registry) Size(dataset int) (n Size) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sets[dataset]
	if s == nil {
		return n
	}
	n.Reads, n.Hits = s.reads, s.hits
	for _, u := range s.uses {
		n.Memory, n.Disk, n.Evicted = n.Memory+u.Memory, n.Disk+u.Disk, n.Evicted+u.Evicted
	}
	n.Partitions, n.Held = len(s.parts), len(s.parts)-s.missing
	for _, p := range s.parts {
		n.Copies += len(p.executors)
		if len(p.executors) > 0 {
			n.Rows, n.Bytes = n.Rows+p.rows, n.Bytes+p.bytes
		}
	}
	return n
}
