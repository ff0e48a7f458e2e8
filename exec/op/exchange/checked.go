package exchange

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// want is what the rows of a block should add up to.
type want struct {
	sum    shuffle.Sum
	told   bool // else any rows are fine; the driver knows the sum over all blocks
	hashed bool
}

func wanted(m *shuffle.MapStatus, partition int) want {
	sum, told := m.Sum(partition)
	return want{sum, told, m.Hashed}
}

// read sums up what the iterators of parts, or of all, read. One task's iterators
// may be read by several goroutines.
type read struct {
	reader   *Reader
	exchange int
	epoch    uint64
	open     int // iterators that have not come to their end; guarded by reader.mu
	parts    []stage.Part
	reads    []shuffle.Read // by part
}

// begin opens the account of what n iterators read together of parts.
func (r *Reader) begin(exchange int, epoch uint64, parts []stage.Part, n int) *read {
	x := &read{reader: r, exchange: exchange, epoch: epoch, open: n, parts: parts}
	for _, p := range parts {
		s := shuffle.Read{Exchange: exchange, Partition: p.From, More: p.To - p.From - 1, Maps: p.Maps, Epoch: shuffle.Contents(epoch)}
		if p.To == math.MaxInt {
			s.Partition, s.More = shuffle.All, 0
		}
		x.reads = append(x.reads, s)
	}
	if n == 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reads = append(r.reads, x.reads...)
	}
	return x
}

// add takes in a block that was read to its end and fits.
func (r *read) add(id cache.BlockID, s shuffle.Sum) {
	r.reader.mu.Lock()
	defer r.reader.mu.Unlock()
	for i, p := range r.parts {
		if id.Partition >= p.From && id.Partition < p.To && p.Has(id.Map) {
			r.reads[i].Sum = r.reads[i].Plus(s)
			return
		}
	}
}

// end tells that an iterator came to its end.
func (r *read) end() {
	r.reader.mu.Lock()
	defer r.reader.mu.Unlock()
	if r.open--; r.open == 0 {
		r.reader.reads = append(r.reader.reads, r.reads...)
	}
}

// checked is the blocks of one holder with what they should add up to.
type checked struct {
	it    Blocks
	ids   []cache.BlockID
	wants []want
	at    int         // the block that sum is of
	sum   shuffle.Sum // so far
}

// next returns the next batch after checking the blocks that ended before it.
func (c *checked) next(ctx context.Context, r *read) (*columnar.Batch, error) {
	b, err := c.it.Next(ctx)
	switch {
	case err == nil:
		if err := c.through(c.it.Block(), r); err != nil {
			return nil, err
		}
		if c.wants[c.at].hashed {
			c.sum.Add(b)
		} else {
			c.sum.Count(b)
		}
		return b, nil
	case errors.Is(err, io.EOF):
		if bad := c.through(len(c.ids), r); bad != nil {
			return nil, bad
		}
	}
	return nil, err
}

// through checks the blocks before a block.
func (c *checked) through(block int, r *read) error {
	if block < c.at {
		return c.mismatch(block, r) // more of one that was at its end
	}
	for ; c.at < block; c.at++ {
		if w := &c.wants[c.at]; w.told && c.sum != w.sum {
			return c.mismatch(c.at, r)
		}
		r.add(c.ids[c.at], c.sum)
		c.sum = shuffle.Sum{}
	}
	return nil
}

// mismatch takes the map output for gone: it is made again.
func (c *checked) mismatch(block int, r *read) error {
	id := c.ids[block]
	return &shuffle.GoneError{Maps: []int{id.Map}, Cause: &shuffle.MismatchError{
		Exchange: r.exchange, Map: id.Map, Partition: id.Partition, Want: c.wants[block].sum, Got: c.sum}}
}

// sequence reads one holder's blocks after the other's and says of outputs that
// are gone which exchange they are of.
type sequence struct {
	read *read
	its  []checked
	done bool
}

func (s *sequence) Next(ctx context.Context) (*columnar.Batch, error) {
	for len(s.its) > 0 {
		b, err := s.its[0].next(ctx, s.read)
		if err == nil {
			return b, nil
		}
		if g := (*shuffle.GoneError)(nil); errors.As(err, &g) {
			return nil, lost(s.read.exchange, s.read.epoch, g)
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		err = s.its[0].it.Close()
		s.its = s.its[1:]
		if err != nil {
			return nil, err
		}
	}
	if !s.done && s.read != nil {
		s.done = true
		s.read.end()
	}
	return nil, io.EOF
}

func (s *sequence) Close() error {
	var err error
	for i := range s.its {
		err = errors.Join(err, s.its[i].it.Close())
	}
	s.its, s.done = nil, true
	return err
}
