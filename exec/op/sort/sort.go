package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// sorter orders a task's rows.
type sorter struct {
	node    *physical.Sort
	child   op.Operator
	scratch *memory.Scratch
	memory  memory.Reservation
	size    int
	buffer  *buffer
	order   *memory.Scratch // of the buffer's rows and their keys; paid for with them
	runs    *runs
	sorted  op.BatchIterator
}

// NewSort returns the operator that orders a task's rows.
func NewSort(n *physical.Sort, child op.Operator) op.Operator { return &sorter{node: n, child: child} }

func (s *sorter) Open(ctx context.Context, t *op.TaskContext) error {
	s.memory = t.Memory.Child("sort")
	s.scratch = memory.NewScratch(s.memory)
	s.size = t.BatchRows
	keys, err := newKeyer(s.node.Order, t.EvalOptions())
	if err != nil {
		return err
	}
	schema := s.node.Child.Schema()
	s.buffer, s.order = newBuffer(keys, schema, s.memory), memory.NewScratch(nil)
	s.runs = &runs{file: t.Spill, keys: keys, schema: schema, size: s.size, memory: s.memory}
	return s.child.Open(ctx, t)
}

func (s *sorter) Next(ctx context.Context) (*columnar.Batch, error) {
	if s.sorted == nil {
		if err := s.consume(ctx); err != nil {
			return nil, err
		}
	}
	return s.sorted.Next(ctx)
}

// consume sorts the whole input.
func (s *sorter) consume(ctx context.Context) error {
	for {
		b, err := s.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		short, err := s.buffer.add(ctx, b)
		if err != nil {
			return err
		}
		if short {
			if err := s.spill(ctx); err != nil {
				return err
			}
		}
	}
	if len(s.runs.list) == 0 {
		all, order, err := s.buffer.ordered(s.order)
		s.sorted = newRows(all, order, s.size, s.scratch)
		return err
	}
	if s.buffer.appender.Len() > 0 {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	s.buffer.drop()
	s.scratch.Close()
	m, err := s.runs.merge(ctx)
	if err == nil {
		s.sorted = m
	}
	return err
}

// spill writes what the buffer holds as a run.
func (s *sorter) spill(ctx context.Context) error {
	all, order, err := s.buffer.ordered(s.order)
	if err != nil {
		return err
	}
	err = s.runs.add(ctx, newRows(all, order, s.size, s.scratch))
	s.scratch.Reset()
	s.order.Close()
	s.buffer.empty()
	return err
}

// Usage implements op.Accountant.
func (s *sorter) Usage() (peak, spilled int64) { return usage(s.memory, s.runs) }

func usage(r memory.Reservation, x *runs) (peak, spilled int64) {
	if r != nil {
		peak = r.Peak()
	}
	if x != nil {
		spilled = x.spilled
	}
	return peak, spilled
}

func (s *sorter) Close() error {
	var err error
	if s.sorted != nil {
		err = s.sorted.Close()
		s.sorted = ended{}
	}
	if s.scratch != nil {
		s.scratch.Close()
		s.order.Close()
		s.memory.Close()
	}
	s.buffer = nil
	return errors.Join(err, s.child.Close())
}

// ended is what is left of an iterator after Close.
type ended struct{}

func (ended) Next(context.Context) (*columnar.Batch, error) { return nil, io.EOF }
func (ended) Close() error                                  { return nil }
