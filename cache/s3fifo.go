package cache

// s3fifo keeps blocks that were read more than once from those that are read once: a
// small queue, which blocks enter, a main one for those that were read while they
// were in it, and a ghost of ids that left the small one lately, which enter the main
// one when they come back (Yang et al., "FIFO queues are all you need for cache
// eviction", SOSP 2023). Blocks here are of about equal size, so that queues count them.
type s3fifo struct {
	small, main, ghost queue
	reads              map[BlockID]uint8 // since a block came, or since it was passed over
}

// What the paper found: a tenth of the blocks are on probation, and reads count up to 3.
const (
	smallShare = 10
	mostReads  = 3
)

// NewS3FIFO returns the policy S3-FIFO.
func NewS3FIFO() Policy {
	return &s3fifo{newQueue(), newQueue(), newQueue(), map[BlockID]uint8{}}
}

func (s *s3fifo) Added(b Candidate) {
	if _, known := s.reads[b.ID]; known {
		return
	}
	if s.ghost.drop(b.ID) {
		s.main.push(b.ID)
	} else {
		s.small.push(b.ID)
	}
	s.reads[b.ID] = 0
}

func (s *s3fifo) Read(id BlockID) {
	if n, ok := s.reads[id]; ok && n < mostReads {
		s.reads[id] = n + 1
	}
}

func (s *s3fifo) Removed(id BlockID) {
	delete(s.reads, id)
	if s.small.drop(id) {
		s.ghost.push(id)
		for s.ghost.len() > max(64, s.main.len()+s.small.len()) {
			s.ghost.drop(s.ghost.order.Front().Value.(BlockID))
		}
		return
	}
	s.main.drop(id)
}

// Victims names blocks of the small queue that nobody read, then those of the main
// one, each as often as it was read later. What was read moves to the main queue.
func (s *s3fifo) Victims(yield func(BlockID) bool) {
	var moved []BlockID
	s.small.all(func(id BlockID) bool {
		if s.reads[id] > 0 {
			moved = append(moved, id)
		}
		return true
	})
	for _, id := range moved {
		s.small.drop(id)
		s.main.push(id)
	}
	named := map[BlockID]bool{}
	name := func(q *queue, reads uint8) bool {
		on := true
		q.all(func(id BlockID) bool {
			if !named[id] && s.reads[id] <= reads {
				named[id] = true
				on = yield(id)
			}
			return on
		})
		return on
	}
	if s.small.len()*smallShare <= s.main.len() && !name(&s.main, 0) { // few are on probation: the main queue gives, too
		return
	}
	if !name(&s.small, mostReads) {
		return
	}
	for reads := range uint8(mostReads + 1) { // as the clock's hand would come round
		if !name(&s.main, reads) {
			if reads > 0 { // it did
				s.age()
			}
			return
		}
	}
}

func (s *s3fifo) age() {
	for id, n := range s.reads {
		if n > 0 {
			s.reads[id] = n - 1
		}
	}
}
