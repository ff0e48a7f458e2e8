// Package memory is where every byte of working memory is asked for before it
// is used.
//
//	Broker (one per process, one budget) ── arbiter: who may have how much
//	  ├── Admit: a job, and below it what each stage shares
//	  ├── Start: a task ── Child per operator, with a Floor each
//	  │     Grow / TryGrow / Shrink in bytes; the Broker sees 1 MiB quanta
//	  └── Store: blocks, which lend memory and give it back (Reclaimer)
//
//	Slabs (64 KiB – 16 MiB and more, outside the Go heap, pooled by the process)
//	  ├── Scratch per operator, charged to its Reservation
//	  └── Region: rows that several blocks have in common; shared ones are files
//	      without a name, which other processes map for reading
//
//	SetMemoryLimit = budget and some room − slabs (Govern)
//
// Invariants:
//
//   - M1 The sum of what reservations hold never exceeds the budget, but by the
//     minimum of who starts while nobody else runs, or all others are parked, and
//     by what is taken for a batch or a page. Nobody grows while it does.
//   - M2 The hot path (growing inside an already granted quantum) takes no lock.
//   - M3 A reservation that is closed gives everything back, its children's
//     share included; the Broker's Reserved is then what it was before.
//   - M4 Who waits (Admit, Start) holds nothing; who runs never waits for others'
//     memory. So there is no deadlock.
//   - M5 Nobody reads a slab after FreeSlab, or scratch after Reset or Close.
//     The invariants build tag poisons both, so that tests notice; a shared region
//     that is released is not mapped any more.
//
// The arbiter is pure and tested by simulation; the rest by random use from many
// goroutines. The package imports the standard library, golang.org/x/sys/unix,
// internal/diag and internal/invariants.
package memory

import (
	"context"
	"errors"
)

// Level is how scarce memory is, polled once per batch.
type Level uint8

// Idle: grow freely. Tight: spill in the background, stop prefetching. Critical:
// spill now.
const (
	Idle Level = iota
	Tight
	Critical
)

// ErrSpill is returned by Grow when the caller must give memory back (spill)
// before it may have more. The caller may retry after it did.
var ErrSpill = errors.New("memory: reservation cannot grow, spill first")

// Reservation is a right to use bytes. It is safe for concurrent use by the
// goroutines of one task. Sizes are bytes.
type Reservation interface {
	// Grow asks for n more bytes. Blocks give way to it first, on the caller's
	// goroutine and bounded by ctx; it does not wait for other tasks. Where that
	// is not enough it returns ErrSpill.
	Grow(ctx context.Context, n int64) error
	// TryGrow asks for n more bytes without waiting and without I/O. A refusal
	// makes blocks give way in the background.
	TryGrow(n int64) bool
	// Shrink gives n bytes back. Giving back more than is held is a bug and
	// panics under the invariants build tag.
	Shrink(n int64)
	// Take counts n bytes that are used whether or not the budget has them, since
	// without them nothing would go on: scratch for a batch, a page that is being
	// read. They are the root's: children keep their floors. Return gives them back.
	Take(n int64)
	Return(n int64)
	// Held returns the bytes held now, children included; Peak the most ever.
	Held() int64
	Peak() int64
	// Pressure tells how scarce memory is for this reservation: in the whole
	// process, or because it holds more than its share while others starve.
	Pressure() Level
	// Child returns a reservation that draws from this one.
	Child(name string) Reservation
	// Transfer moves n held bytes to another reservation of the same Broker
	// without giving them back in between.
	Transfer(to Reservation, n int64) error
	// Close gives back everything held. It is idempotent.
	Close()
}
