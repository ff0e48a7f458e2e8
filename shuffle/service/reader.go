package service

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
)

// Pauses before a request is tried again, each up to half longer.
var pauses = []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second}

// maxSilent is how often nobody answers who dials before the holder counts as gone:
// each time takes longer than the pauses.
const maxSilent = 2

// busyPatience is how long a holder may be busy in one go.
const busyPatience = 2 * time.Minute

// Reader reads what is fetched. It is used by one goroutine at a time.
type Reader struct {
	client *Client
	from   transport.Peer
	schema *columnar.Schema
	cancel context.CancelFunc
	done   sync.WaitGroup
	lane   *lane
	held   arrival // that the consumer has
	block  int     // of which it is, among those asked for
	hungry bool    // the lane was told so

	bell  chan struct{} // rings when arrived or over changes
	mu    sync.Mutex
	queue []arrival
	over  bool
	err   error // once over and the queue is empty; nil: all arrived

	// What has not arrived: blocks, the first from a row on. Owned by run.
	job, exchange int
	rest          []block
	passed        int // blocks that were there before the first of rest
	row           int64
	try           int
	damaged       int64 // progress at which a chunk was damaged, plus one
	arrived       int64 // rows and blocks: grows with all progress
	unmapped      bool  // memory of the holder cannot be mapped
}

// arrival is a batch and what it takes of the lane: also where it lies in the
// holder's memory, since that may drop it meanwhile.
type arrival struct {
	batch  *columnar.Batch
	region *memory.Region // that it lies in and holds; nil: the Go heap
	block  int
	bytes  int64
}

// Next returns the next batch, valid until the next Next or Close, or io.EOF.
func (x *Reader) Next(ctx context.Context) (*columnar.Batch, error) {
	x.giveBack()
	for {
		x.mu.Lock()
		if len(x.queue) > 0 {
			a := x.queue[0]
			x.queue[0] = arrival{}
			x.queue = x.queue[1:]
			x.mu.Unlock()
			x.starve(false)
			x.held, x.block = a, a.block
			return a.batch, nil
		}
		over, err := x.over, x.err
		x.mu.Unlock()
		if over {
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		x.starve(true)
		select {
		case <-x.bell:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Block returns the place, among the blocks asked for, of the one that the last
// batch is of.
func (x *Reader) Block() int { return x.block }

func (x *Reader) starve(hungry bool) {
	if x.hungry != hungry {
		x.hungry = hungry
		x.lane.starve(hungry)
	}
}

func (a *arrival) release() {
	if a.region != nil {
		a.region.Release()
	}
}

func (x *Reader) giveBack() {
	if x.held.bytes > 0 {
		x.lane.back(x.held.bytes)
	}
	x.held.release()
	x.held = arrival{}
}

// Close ends the fetch and waits for it. It is idempotent.
func (x *Reader) Close() error {
	x.cancel()
	x.done.Wait()
	x.lane.close()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.queue {
		x.queue[i].release()
	}
	x.held.release()
	x.queue, x.held = nil, arrival{}
	return nil
}

func (x *Reader) ring() {
	select {
	case x.bell <- struct{}{}:
	default:
	}
}

// pass hands a batch to the consumer. It never waits: there is a place for all
// that was asked for.
func (x *Reader) pass(b *columnar.Batch, r *memory.Region) {
	n := b.MemoryBytes()
	x.lane.spend(n)
	x.mu.Lock()
	x.queue = append(x.queue, arrival{b, r, x.passed, n})
	x.mu.Unlock()
	x.ring()
}

func (x *Reader) finish(err error) {
	x.mu.Lock()
	x.over, x.err = true, err
	x.mu.Unlock()
	x.ring()
}

// run asks until all has arrived, trying again from where it stopped.
func (x *Reader) run(ctx context.Context) error {
	busy, silent := time.Duration(0), 0
	for len(x.rest) > 0 {
		before := x.arrived
		err := x.request(ctx)
		if ctx.Err() != nil {
			return x.ended(ctx)
		}
		if x.arrived != before {
			x.try, busy, silent = 0, 0, 0
		}
		wait := time.Duration(0)
		var gone *shuffle.GoneError
		var b *busyError
		var corrupt *shuffle.CorruptError
		switch {
		case err == nil:
			continue
		case errors.As(err, &gone):
			return err
		case errors.As(err, &b):
			if busy += b.after; busy > busyPatience {
				return x.gone(err)
			}
			wait = b.after
		case errors.As(err, &corrupt):
			if corrupt.Where == shuffle.OnDisk || x.damaged == x.arrived+1 {
				return x.gone(err)
			}
			x.damaged = x.arrived + 1
			x.try++ // asked for once more, at once
			continue
		case x.try >= len(pauses), transport.KindOf(err) == transport.Refused:
			return x.gone(err)
		default:
			if transport.Silent(err) {
				silent++
			}
			if silent >= maxSilent {
				return x.gone(err)
			}
			wait = pauses[x.try]
			x.try++
		}
		if err := x.client.options.Pause(ctx, wait+rand.N(wait/2+1)); err != nil {
			if ctx.Err() != nil {
				return x.ended(ctx)
			}
			return err
		}
	}
	return nil
}

// ended says why ctx is over: the holder is, or whoever reads gave up.
func (x *Reader) ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errLost) {
		return x.gone(errLost)
	}
	return ctx.Err()
}

// gone says that what has not arrived cannot be had. What is damaged is one map
// task's; what is out of reach is all of them.
func (x *Reader) gone(cause error) error {
	g := &shuffle.GoneError{Cause: cause}
	if c := (*shuffle.CorruptError)(nil); errors.As(cause, &c) {
		g.Maps = []int{c.Map}
		return g
	}
	seen := map[int]bool{}
	for _, b := range x.rest {
		if !seen[b.Map] {
			seen[b.Map] = true
			g.Maps = append(g.Maps, b.Map)
		}
	}
	return g
}

// busyError means that the holder asks to be asked later.
type busyError struct{ after time.Duration }

func (b *busyError) Error() string { return "the holder is busy" }
