// Package spilltest makes spilling fail on purpose: a disk that is full, one
// that cannot be read, one that gives back other bytes.
//
//	spill.Space ─ Open ─► Faults ─► the device that Open gave before
//	                        └─ the n-th create, write or read after Arm fails
//
// It counts what was asked for, so that a test can choose a call at random after
// a run without faults, and what is open, so that it sees what was left behind.
package spilltest

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/millrace-engine/millrace/exec/spill"
)

// Kind is a way to fail.
type Kind uint8

const (
	// NoCreate: a file cannot be made for want of space.
	NoCreate Kind = iota
	// NoSpace: nothing of a write fits.
	NoSpace
	// HalfWrite: half of a write fits.
	HalfWrite
	// Unreadable: a read fails by EIO.
	Unreadable
	// Flipped: a read returns a bit that was not written.
	Flipped
	kinds
)

// Kinds is how many ways to fail there are.
const Kinds = int(kinds)

func (k Kind) String() string {
	return [...]string{"no create", "no space", "half a write", "unreadable", "flipped bit"}[k]
}

// call is what is asked of a device.
type call uint8

const (
	create call = iota
	write
	read
	calls
)

func (k Kind) call() call { return [...]call{create, write, write, read, read}[k] }

// Faults fails one call, or all from one on. It is safe for concurrent use.
type Faults struct {
	mu      sync.Mutex
	armed   bool
	kind    Kind
	at      int64 // calls until it fails
	forever bool
	fired   bool
	counts  [calls]int64
	files   int
}

// Install lets all that a space writes and reads go through the faults.
func (f *Faults) Install(s *spill.Space) {
	open := s.Open
	s.Open = func(dir string) (spill.Device, error) {
		if f.step(create) {
			return nil, fmt.Errorf("open %s: %w", dir, syscall.ENOSPC)
		}
		d, err := open(dir)
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.files++
		f.mu.Unlock()
		return &device{Device: d, faults: f}, nil
	}
}

// Arm makes the n-th call from now on fail, and with forever all later ones of
// its sort too.
func (f *Faults) Arm(k Kind, n int64, forever bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.kind, f.at, f.forever, f.fired = true, k, n, forever, false
}

// Disarm ends the faults and reports whether there was one since Arm. Calls are
// counted anew.
func (f *Faults) Disarm() (fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.counts = false, [calls]int64{}
	return f.fired
}

// Calls returns how many calls there were that can fail in this way.
func (f *Faults) Calls(k Kind) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[k.call()]
}

// Files returns how many files are open.
func (f *Faults) Files() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files
}

// step counts a call and reports whether it fails.
func (f *Faults) step(c call) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[c]++
	if !f.armed || f.kind.call() != c {
		return false
	}
	f.at--
	fails := f.at == 0 || f.at < 0 && f.forever
	f.fired = f.fired || fails
	return fails
}

// way returns how calls fail.
func (f *Faults) way() Kind {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kind
}

// device is a file whose calls may fail.
type device struct {
	spill.Device
	faults *Faults
}

func (d *device) WriteAt(p []byte, off int64) (n int, err error) {
	if !d.faults.step(write) {
		return d.Device.WriteAt(p, off)
	}
	if d.faults.way() == HalfWrite {
		if n, err = d.Device.WriteAt(p[:len(p)/2], off); err != nil {
			return n, err
		}
	}
	return n, fmt.Errorf("write: %w", syscall.ENOSPC)
}

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	fails := d.faults.step(read)
	if fails && d.faults.way() == Unreadable {
		return 0, fmt.Errorf("read: %w", syscall.EIO)
	}
	n, err := d.Device.ReadAt(p, off)
	if fails && n > 0 {
		p[n/2] ^= 0x10
	}
	return n, err
}

func (d *device) Close() error {
	d.faults.mu.Lock()
	d.faults.files--
	d.faults.mu.Unlock()
	return d.Device.Close()
}
