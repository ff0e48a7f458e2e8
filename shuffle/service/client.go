package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// waits are the pauses before a fetch is tried again; each is up to half longer.
var waits = []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second}

// ahead is how many chunks a fetch holds that its reader has not had.
const ahead = 4

// Client fetches from other executors, over one connection to each.
type Client struct {
	transport transport.Transport

	mu    sync.Mutex
	conns map[transport.Peer]transport.Conn
}

// NewClient returns a client. It must be closed.
func NewClient(t transport.Transport) *Client {
	return &Client{transport: t, conns: map[transport.Peer]transport.Conn{}}
}

// Close ends all fetches.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.conns {
		x.Close()
	}
	clear(c.conns)
}

// conn returns the connection to a peer.
func (c *Client) conn(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	c.mu.Lock()
	x, ok := c.conns[to]
	c.mu.Unlock()
	if ok {
		return x, nil
	}
	x, err := c.transport.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if y, ok := c.conns[to]; ok { // another was faster
		x.Close()
		return y, nil
	}
	c.conns[to] = x
	return x, nil
}

// forget closes a connection that failed.
func (c *Client) forget(to transport.Peer, x transport.Conn) {
	c.mu.Lock()
	if c.conns[to] == x {
		delete(c.conns, to)
	}
	c.mu.Unlock()
	x.Close()
}

// Read fetches the rows of blocks of one exchange, one block after the other. It
// begins at once; the reader must be closed. The ids are of one job and exchange.
func (c *Client) Read(ctx context.Context, from transport.Peer, ids []cache.BlockID, schema *columnar.Schema, r memory.Reservation) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	x := &Reader{client: c, from: from, schema: schema, memory: r, cancel: cancel, arrived: make(chan arrival, ahead)}
	x.rest.Version, x.rest.Job, x.rest.Exchange = version, ids[0].Job, ids[0].Exchange
	for _, id := range ids {
		x.rest.Blocks = append(x.rest.Blocks, block{id.Map, id.Attempt, id.Partition})
	}
	x.done.Go(func() {
		defer close(x.arrived)
		x.run(ctx)
	})
	return x
}

// Reader reads what is fetched. It is used by one goroutine at a time.
type Reader struct {
	client  *Client
	from    transport.Peer
	schema  *columnar.Schema
	memory  memory.Reservation
	cancel  context.CancelFunc
	done    sync.WaitGroup
	arrived chan arrival
	held    int64 // of the batch that the reader has
	block   int   // of which it is

	rest   fetch // what has not arrived; owned by run
	passed int   // blocks that were there before the first of rest
}

// arrival is a batch or the error that ends the fetch.
type arrival struct {
	batch *columnar.Batch
	block int
	bytes int64 // charged
	err   error
}

// Next returns the next batch, valid until the next Next or Close, or io.EOF.
func (x *Reader) Next(ctx context.Context) (*columnar.Batch, error) {
	x.giveBack()
	select {
	case a, ok := <-x.arrived:
		if !ok {
			return nil, io.EOF
		}
		x.held, x.block = a.bytes, a.block
		return a.batch, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Block returns the place, among the blocks asked for, of the one that the last
// batch is of.
func (x *Reader) Block() int { return x.block }

func (x *Reader) giveBack() {
	if x.held > 0 {
		x.memory.Shrink(x.held)
	}
	x.held = 0
}

// Close ends the fetch and waits for it. It is idempotent.
func (x *Reader) Close() error {
	x.cancel()
	for a := range x.arrived {
		if a.bytes > 0 {
			x.memory.Shrink(a.bytes)
		}
	}
	x.done.Wait()
	x.giveBack()
	return nil
}

// run fetches until all has arrived, trying again from where it stopped.
func (x *Reader) run(ctx context.Context) {
	for try := 0; ; {
		before := len(x.rest.Blocks)<<32 - int(x.rest.Skip)
		err := x.try(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if g := (*shuffle.GoneError)(nil); errors.As(err, &g) {
			x.pass(ctx, arrival{err: err})
			return
		}
		if len(x.rest.Blocks)<<32-int(x.rest.Skip) != before {
			try = 0 // something arrived
		}
		if try == len(waits) || transport.KindOf(err) == transport.Refused {
			x.pass(ctx, arrival{err: &shuffle.GoneError{Maps: x.maps(), Cause: err}})
			return
		}
		wait := time.NewTimer(waits[try] + rand.N(waits[try]/2))
		try++
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
}

// maps returns the map tasks of what has not arrived, each once.
func (x *Reader) maps() (out []int) {
	seen := map[int]bool{}
	for _, b := range x.rest.Blocks {
		if !seen[b[0]] {
			seen[b[0]] = true
			out = append(out, b[0])
		}
	}
	return out
}

func (x *Reader) pass(ctx context.Context, a arrival) bool {
	select {
	case x.arrived <- a:
		return true
	case <-ctx.Done():
		return false
	}
}

// try asks for the rest once.
func (x *Reader) try(ctx context.Context) (err error) {
	conn, err := x.client.conn(ctx, x.from)
	if err != nil {
		return err
	}
	defer func() {
		if k := transport.KindOf(err); k == transport.Lost || k == transport.Closed {
			x.client.forget(x.from, conn)
		}
	}()
	s, err := conn.Open(ctx, transport.Normal)
	if err != nil {
		return err
	}
	defer s.Cancel(transport.CodeContext)
	m := message.New(s, maxMessage)
	if err := m.Send(kindFetch, x.rest); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	at := 0 // the block of rest that chunks were of
	for {
		k, body, err := m.Read()
		if err != nil {
			return err
		}
		switch k {
		case kindEnd:
			return nil
		case kindGone:
			g, err := message.Decode[gone](body)
			if err != nil {
				return err
			}
			if len(g.Maps) == 0 {
				return fmt.Errorf("%w: nothing is gone", message.ErrMalformed)
			}
			return &shuffle.GoneError{Maps: g.Maps}
		case kindChunk:
		default:
			return fmt.Errorf("%w: kind %d", message.ErrMalformed, k)
		}
		if len(body) < 4 {
			return fmt.Errorf("%w: a chunk of %d bytes", message.ErrMalformed, len(body))
		}
		n := int(binary.LittleEndian.Uint32(body))
		if n < at || n-at >= len(x.rest.Blocks) {
			return fmt.Errorf("%w: a chunk of block %d", message.ErrMalformed, n)
		}
		b, err := chunk.Decode(body[4:], x.schema)
		if err != nil {
			return err
		}
		if n > at {
			x.rest.Blocks, x.rest.Skip = x.rest.Blocks[n-at:], 0
			x.passed += n - at
			at = n
		}
		x.rest.Skip += int64(b.Rows)
		a := arrival{batch: b, block: x.passed}
		if size := b.MemoryBytes(); x.memory != nil && x.memory.TryGrow(size) {
			a.bytes = size
		}
		if !x.pass(ctx, a) {
			if a.bytes > 0 {
				x.memory.Shrink(a.bytes)
			}
			return ctx.Err()
		}
	}
}
