package exchange

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/shuffle"
)

// Outputs tells where the outputs of exchanges are.
type Outputs interface {
	Outputs(job, exchange int) (epoch uint64, outputs []shuffle.MapStatus)
}

// Local reads exchange output out of stores in this process, by reference.
// Epochs are the states of the exchanges that the task was planned on: reading
// another one fails, since it may lack outputs.
type Local struct {
	Store   *cache.Store
	Peers   func(executor string) *cache.Store // nil: every output is in Store
	Outputs Outputs
	Job     int
	Epochs  map[int]uint64
}

var _ op.Exchanges = (*Local)(nil)

// blocks returns the batches of partitions from … to−1, by map output. It fails
// with all outputs that are gone, so that they are made again in one go.
func (l *Local) blocks(exchange, from, to int) ([][]*columnar.Batch, error) {
	epoch, maps, err := l.outputs(exchange)
	if err != nil {
		return nil, err
	}
	var gone []int
	out := make([][]*columnar.Batch, len(maps))
	for i, m := range maps {
		store := l.Store
		if l.Peers != nil {
			store = l.Peers(m.Executor)
		}
		for p := from; p < min(to, len(m.Rows)); p++ {
			if m.Rows[p] == 0 {
				continue
			}
			var b []*columnar.Batch
			ok := false
			if store != nil {
				b, ok = store.Get(cache.BlockID{Job: l.Job, Exchange: exchange, Map: m.Map, Attempt: m.Attempt, Partition: p})
			}
			if !ok {
				gone = append(gone, m.Map)
				break
			}
			out[i] = append(out[i], b...)
		}
	}
	if gone != nil {
		return nil, &exec.Failure{Kind: exec.FetchFailed, Exchange: exchange, Map: gone[0], More: gone[1:], Epoch: epoch,
			Cause: fmt.Errorf("the outputs of map tasks %d of exchange %d are gone", gone, exchange)}
	}
	return out, nil
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
	runs, err := l.blocks(exchange, partition, partition+1)
	if err != nil {
		return nil, err
	}
	return &list{slices.Concat(runs...)}, nil
}

// Runs implements op.Exchanges.
func (l *Local) Runs(_ context.Context, exchange, partition int) ([]op.BatchIterator, error) {
	runs, err := l.blocks(exchange, partition, partition+1)
	if err != nil {
		return nil, err
	}
	var out []op.BatchIterator
	for _, r := range runs {
		if len(r) > 0 {
			out = append(out, &list{r})
		}
	}
	return out, nil
}

// All implements op.Exchanges.
func (l *Local) All(_ context.Context, exchange int) (op.BatchIterator, error) {
	runs, err := l.blocks(exchange, 0, math.MaxInt)
	if err != nil {
		return nil, err
	}
	return &list{slices.Concat(runs...)}, nil
}

type list struct{ batches []*columnar.Batch }

func (l *list) Next(ctx context.Context) (*columnar.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(l.batches) == 0 {
		return nil, io.EOF
	}
	b := l.batches[0]
	l.batches = l.batches[1:]
	return b, nil
}

func (l *list) Close() error { return nil }

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
		s.it = &list{}
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
