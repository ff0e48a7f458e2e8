package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/shuffle"
)

// Outputs tells where the outputs of exchanges are.
type Outputs interface {
	Outputs(job, exchange int) (epoch uint64, outputs []shuffle.MapStatus)
}

// Local reads exchange output out of stores in this process, by reference as far
// as it lies in memory. Epochs are the states of the exchanges that the task was
// planned on: reading another one fails, since it may lack outputs.
type Local struct {
	Store   *cache.Store
	Peers   func(executor string) *cache.Store // nil: every output is in Store
	Outputs Outputs
	Job     int
	Epochs  map[int]uint64
	Memory  memory.Reservation // charged for what is read from disk
}

var _ op.Exchanges = (*Local)(nil)

// place is a block and where it lies.
type place struct {
	store *cache.Store
	id    cache.BlockID
}

// blocks returns the places of partitions from … to−1, by map output. It fails
// with all outputs that are gone, so that they are made again in one go.
func (l *Local) blocks(exchange, from, to int) ([]*blocks, error) {
	epoch, maps, err := l.outputs(exchange)
	if err != nil {
		return nil, err
	}
	var gone []int
	var out []*blocks
	for _, m := range maps {
		store := l.Store
		if l.Peers != nil {
			store = l.Peers(m.Executor)
		}
		run := &blocks{local: l, exchange: exchange, epoch: epoch}
		for p := from; p < min(to, len(m.Rows)); p++ {
			if m.Rows[p] == 0 {
				continue
			}
			id := cache.BlockID{Job: l.Job, Exchange: exchange, Map: m.Map, Attempt: m.Attempt, Partition: p}
			if store == nil || !store.Has(id) {
				gone = append(gone, m.Map)
				break
			}
			run.places = append(run.places, place{store, id})
		}
		if run.places != nil {
			out = append(out, run)
		}
	}
	if gone != nil {
		return nil, lost(exchange, epoch, gone)
	}
	return out, nil
}

// lost is the failure of a reader that found outputs gone.
func lost(exchange int, epoch uint64, gone []int) error {
	return &exec.Failure{Kind: exec.FetchFailed, Exchange: exchange, Map: gone[0], More: gone[1:], Epoch: epoch,
		Cause: fmt.Errorf("the outputs of map tasks %d of exchange %d are gone", gone, exchange)}
}

// outputs returns the outputs that the task was planned on.
func (l *Local) outputs(exchange int) (uint64, []shuffle.MapStatus, error) {
	epoch, maps := l.Outputs.Outputs(l.Job, exchange)
	if want := l.Epochs[exchange]; epoch != want {
		return 0, nil, &exec.Failure{Kind: exec.FetchFailed, Exchange: exchange, Map: -1, Epoch: want,
			Cause: fmt.Errorf("exchange %d is in epoch %d, the task was planned on %d", exchange, epoch, want)}
	}
	return epoch, maps, nil
}

// Partition implements op.Exchanges.
func (l *Local) Partition(_ context.Context, exchange, partition int) (op.BatchIterator, error) {
	return concat(l.blocks(exchange, partition, partition+1))
}

// Runs implements op.Exchanges.
func (l *Local) Runs(_ context.Context, exchange, partition int) ([]op.BatchIterator, error) {
	runs, err := l.blocks(exchange, partition, partition+1)
	out := make([]op.BatchIterator, len(runs))
	for i, r := range runs {
		out[i] = r
	}
	return out, err
}

// All implements op.Exchanges.
func (l *Local) All(_ context.Context, exchange int) (op.BatchIterator, error) {
	return concat(l.blocks(exchange, 0, math.MaxInt))
}

// concat makes one iterator of those of all map outputs.
func concat(runs []*blocks, err error) (op.BatchIterator, error) {
	if err != nil {
		return nil, err
	}
	all := &blocks{}
	for i, r := range runs {
		if i == 0 {
			*all = *r
		} else {
			all.places = append(all.places, r.places...)
		}
	}
	return all, nil
}

// blocks reads blocks one after the other; the one at work is pinned.
type blocks struct {
	local    *Local
	exchange int
	epoch    uint64
	places   []place
	pinned   *cache.Pinned
}

func (b *blocks) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if b.pinned != nil {
			x, err := b.pinned.Next(ctx, b.local.Memory)
			if !errors.Is(err, io.EOF) {
				return x, err
			}
			b.pinned.Close()
			b.pinned = nil
		}
		if len(b.places) == 0 {
			return nil, io.EOF
		}
		p := b.places[0]
		pinned, ok := p.store.Get(p.id)
		if !ok {
			return nil, lost(b.exchange, b.epoch, []int{p.id.Map})
		}
		b.pinned, b.places = pinned, b.places[1:]
	}
}

func (b *blocks) Close() error {
	if b.pinned != nil {
		b.pinned.Close()
		b.pinned = nil
	}
	b.places = nil
	return nil
}

// source is the operator over an exchange that is not merged.
type source struct {
	node *physical.Source
	it   op.BatchIterator
	out  columnar.Batch
}

// NewSource returns the operator of a Source that reads a partition or all.
func NewSource(n *physical.Source) op.Operator { return &source{node: n} }

func (s *source) Open(ctx context.Context, t *op.TaskContext) (err error) {
	if s.node.Mode == physical.ReadAll {
		s.it, err = t.Exchanges.All(ctx, s.node.Exchange)
		return err
	}
	a, ok := t.Leaves[s.node.Leaf]
	if !ok {
		s.it = &blocks{}
		return nil
	}
	s.it, err = t.Exchanges.Partition(ctx, s.node.Exchange, a.Partition)
	return err
}

func (s *source) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := s.it.Next(ctx)
	if err != nil {
		return nil, err
	}
	s.out = *b
	s.out.Schema = s.node.Out
	return &s.out, nil
}

func (s *source) Close() error {
	if s.it == nil {
		return nil
	}
	return s.it.Close()
}
