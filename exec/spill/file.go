package spill

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// File holds the runs of one task. It is safe for concurrent use; a single Run
// has one writer at a time.
type File struct {
	space *Space

	mu     sync.RWMutex // device and closed
	device Device
	closed bool

	end     atomic.Int64 // where the next chunk goes
	spilled atomic.Int64
	live    atomic.Int64
}

// extent is where a chunk lies and what it takes, in bytes.
type extent struct {
	at     int64
	stored int64
	raw    int64
	rows   int
}

// NewRun returns an empty run; the name is for messages.
func (f *File) NewRun(name string) *Run { return &Run{file: f, name: name} }

// Spilled returns the bytes written so far, those given back included.
func (f *File) Spilled() int64 { return f.spilled.Load() }

// Close gives the disk space back. Runs cannot be read any more. It is
// idempotent.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	f.space.forget(f)
	f.space.live.Add(-f.live.Swap(0))
	if f.device == nil {
		return nil
	}
	return f.device.Close()
}

// opened returns the device, opened if it is not yet.
func (f *File) opened() (Device, error) {
	f.mu.RLock()
	d, closed := f.device, f.closed
	f.mu.RUnlock()
	if d != nil && !closed {
		return d, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, os.ErrClosed
	}
	if f.device == nil {
		var err error
		if f.device, err = f.space.device(); err != nil {
			return nil, err
		}
	}
	return f.device, nil
}

// encoded are buffers for chunks on their way to the device.
var encoded = sync.Pool{New: func() any { return new([]byte) }}

// write stores a batch of about raw bytes as a chunk at the file's end.
func (f *File) write(b *columnar.Batch, raw int64) (extent, error) {
	buffer := encoded.Get().(*[]byte)
	defer func() {
		invariants.Poison(*buffer)
		encoded.Put(buffer)
	}()
	codec := f.space.codec.choose()
	start := time.Now()
	data, err := chunk.Append((*buffer)[:0], b, codec)
	if err != nil {
		return extent{}, err
	}
	*buffer = data
	packed := time.Now()
	x, err := f.put(data, b.Selected(), raw)
	if err != nil {
		return extent{}, err
	}
	f.space.codec.observe(codec, raw, x.stored, packed.Sub(start), time.Since(packed))
	return x, nil
}

// put stores a chunk of so many rows and about raw bytes at the file's end.
func (f *File) put(data []byte, rows int, raw int64) (extent, error) {
	n := int64(len(data))
	at := f.end.Add(n) - n
	if err := f.store(data, at); err != nil {
		return extent{}, f.space.failed(n, err)
	}
	return extent{at: at, stored: n, raw: raw, rows: rows}, nil
}

// store writes data and counts it. Close waits for it.
func (f *File) store(data []byte, at int64) error {
	if _, err := f.opened(); err != nil {
		return err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return os.ErrClosed
	}
	n := int64(len(data))
	if err := f.space.take(n); err != nil {
		return err
	}
	if _, err := f.device.WriteAt(data, at); err != nil {
		f.device.Punch(at, n) // a part of it may be there
		f.space.live.Add(-n)
		return err
	}
	f.live.Add(n)
	f.spilled.Add(n)
	f.space.written.Add(n)
	return nil
}

// read fills data with a chunk.
func (f *File) read(data []byte, x extent) error {
	d, err := f.opened()
	if err == nil {
		_, err = d.ReadAt(data, x.at)
	}
	if err != nil {
		return f.unreadable(err)
	}
	return nil
}

func (f *File) unreadable(cause error) error {
	dir := f.space.where()
	return diag.New(diag.SpillFailed, "what was spilled to %s cannot be read back: %v", dir, cause).WithPath(dir).WithCause(cause).
		WithRemedy("check the device, or name another directory by spill.dir (MILLRACE_SPILL_DIR)")
}

// release gives back the disk space of a chunk.
func (f *File) release(x extent) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return // all is given back
	}
	if f.device != nil {
		f.device.Punch(x.at, x.stored)
	}
	f.live.Add(-x.stored)
	f.space.live.Add(-x.stored)
}
