package remote

import (
	"context"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// inline is the size up to which values travel in the message that needs them.
const inline = 256 << 10

// hurry is how long an executor waits for a piece that another is getting.
const hurry = 500 * time.Millisecond

// broadcasts are the values that executors get from the driver and from each
// other. The zero value is ready.
type broadcasts struct {
	mu     sync.Mutex
	jobs   map[int]map[int]*broadcasting // by job and number
	number int
}

// broadcasting is one of them.
type broadcasting struct {
	ref     broadcast.Ref
	value   []byte
	spread  *broadcast.Spread
	changed chan struct{} // closed and replaced when somebody may go on
}

// add offers a value of a job, which must not change.
func (s *broadcasts) add(job int, value []byte) broadcast.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	r := broadcast.NewRef(job, s.number, value)
	if s.jobs == nil {
		s.jobs = map[int]map[int]*broadcasting{}
	}
	if s.jobs[job] == nil {
		s.jobs[job] = map[int]*broadcasting{}
	}
	s.jobs[job][r.Number] = &broadcasting{ref: r, value: value, spread: broadcast.NewSpread(r.Pieces()), changed: make(chan struct{})}
	return r
}

// drop forgets a job's values; who gets one is told that there is none.
func (s *broadcasts) drop(job int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.jobs[job] {
		x.wake()
	}
	delete(s.jobs, job)
}

// lose says that an executor is not there any more.
func (s *broadcasts) lose(id exec.ExecutorID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		for _, x := range j {
			x.spread.Leave(string(id), true)
			x.wake()
		}
	}
}

func (x *broadcasting) wake() {
	close(x.changed)
	x.changed = make(chan struct{})
}

// get returns a value that is offered, nil if there is none of that name.
func (s *broadcasts) get(r broadcast.Ref) *broadcasting {
	if x := s.jobs[r.Job][r.Number]; x != nil && x.ref == r {
		return x
	}
	return nil
}

// next decides what an executor gets next, waiting for others. It is false if the
// value is not offered any more, or ctx ended.
func (s *broadcasts) next(ctx context.Context, id exec.ExecutorID, r broadcast.Ref) (piece int, from string, done, ok bool) {
	wait := time.NewTimer(hurry)
	defer wait.Stop()
	for hurried := false; ; {
		s.mu.Lock()
		x := s.get(r)
		if x == nil {
			s.mu.Unlock()
			return 0, "", false, false
		}
		piece, from, v := x.spread.Next(string(id), hurried)
		changed := x.changed
		s.mu.Unlock()
		if v != broadcast.Wait {
			return piece, from, v == broadcast.Done, true
		}
		select {
		case <-changed:
		case <-wait.C:
			hurried = true
		case <-ctx.Done():
			return 0, "", false, false
		}
	}
}

// tell changes what is known of an executor.
func (s *broadcasts) tell(r broadcast.Ref, f func(*broadcast.Spread)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.get(r); x != nil {
		f(x.spread)
		x.wake()
	}
}

// spread guides an executor through a value, until it has all of it.
func (b *Backend) spread(ctx context.Context, id exec.ExecutorID, r broadcast.Ref, f *message.Conn, stream transport.Stream) {
	defer b.values.tell(r, func(s *broadcast.Spread) { s.Leave(string(id), false) })
	for {
		k, body, err := f.Read()
		if err != nil || k != kindNext {
			return
		}
		m, err := message.Decode[next](body)
		if err != nil {
			return
		}
		b.values.tell(r, func(s *broadcast.Spread) { s.Got(string(id), m.Got) })
		n, from, done, ok := b.values.next(ctx, id, r)
		if !ok {
			return
		}
		s := step{Piece: n, From: from, Done: done}
		if from != "" {
			b.mu.Lock()
			if p := b.peers[exec.ExecutorID(from)]; p != nil {
				s.Blocks = p.hello.Blocks
			}
			b.mu.Unlock()
		}
		if f.Send(kindStep, s) != nil {
			return
		}
		if done {
			stream.CloseWrite() // what was sent arrives then
			return
		}
		if from != "" {
			continue
		}
		b.values.mu.Lock()
		x := b.values.get(r)
		b.values.mu.Unlock()
		if x == nil {
			return
		}
		data := r.Piece(x.value, n)
		b.sent.Add(int64(len(data)))
		if f.Write(kindPiece, data) != nil {
			return
		}
	}
}
