package inproc

import (
	"io"
	"sync"

	"github.com/millrace-engine/millrace/transport"
)

// window is the bytes of one direction that may wait for its reader; the ring
// grows to it as they come.
const (
	window = transport.Quantum
	small  = 4 << 10
)

// pipe is one direction of a stream: a ring of bytes.
type pipe struct {
	mu    sync.Mutex
	moved *sync.Cond
	ring  []byte // nil before the first byte
	at, n int    // where the bytes that wait begin, and how many they are
	ended bool   // the writer is done
	err   error  // of the reader, at once
	shut  error  // of the writer
	left  bool   // shut because the reader wants no more, which is no fault
}

func newPipe() *pipe {
	p := &pipe{}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for len(b) > 0 || written == 0 {
		for p.n == window && p.shut == nil {
			p.moved.Wait()
		}
		switch {
		case p.shut != nil:
			return written, p.shut
		case p.ended:
			return written, io.ErrClosedPipe
		case len(b) == 0:
			return written, nil
		}
		p.grow(len(b))
		size := len(p.ring)
		from := (p.at + p.n) % size
		k := copy(p.ring[from:min(size, from+size-p.n)], b)
		p.n += k
		b, written = b[k:], written+k
		p.moved.Broadcast()
	}
	return written, nil
}

// grow makes room for more bytes, within the window.
func (p *pipe) grow(more int) {
	size := len(p.ring)
	if p.n+more <= size || size == window {
		return
	}
	for size = max(size, small); size < min(window, p.n+more); {
		size *= 2
	}
	ring := make([]byte, size)
	if p.n > 0 {
		k := copy(ring, p.ring[p.at:min(len(p.ring), p.at+p.n)])
		copy(ring[k:], p.ring[:p.n-k])
	}
	p.ring, p.at = ring, 0
}

// read returns io.EOF at the end; ended tells that it was reached.
func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.n == 0 && !p.ended && p.err == nil && len(b) > 0 {
		p.moved.Wait()
	}
	switch {
	case p.err != nil:
		return 0, p.err
	case len(b) == 0:
		return 0, nil
	case p.n == 0:
		return 0, io.EOF
	}
	k := copy(b, p.ring[p.at:min(len(p.ring), p.at+p.n)])
	p.at, p.n = (p.at+k)%len(p.ring), p.n-k
	p.moved.Broadcast()
	return k, nil
}

// end is what the writer does last.
func (p *pipe) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.moved.Broadcast()
	if p.left {
		return nil
	}
	return p.shut
}

// leave is what a reader does that wants no more: the writer fails from now on.
func (p *pipe) leave(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut == nil {
		p.shut, p.left = err, true
	}
	p.moved.Broadcast()
}

// fail ends the pipe for both sides, unless everything was written and read.
func (p *pipe) fail(reader, writer error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && !(p.ended && p.n == 0) {
		p.err, p.ring = reader, nil
	}
	if p.shut == nil {
		p.shut = writer
	}
	p.moved.Broadcast()
}
