// Package exchange is where stages meet: the sink that distributes a stage's
// rows over partitions, and the source that reads them.
package exchange

import (
	"context"
	"errors"
	"slices"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// Sink writes the output of one task. Rows are spread by partition in the task's
// memory (kernel.Spread); what became full goes to the store, which takes it to disk
// when memory is short.
type Sink struct {
	hashed bool

	writer  *cache.Writer
	task    exec.TaskID
	out     *stage.Output
	schema  *columnar.Schema
	spread  *kernel.Spread // nil: columns are nested, and parts have appenders
	parts   []part
	next    int                 // round robin
	keys    []*keyset.Collector // of the output's runtime filters
	scratch *memory.Scratch
	memory  memory.Reservation
}

type part struct {
	appender *kernel.Appender // of nested columns
	shuffle.Part
}

// Options say how the output of a task is kept.
type Options struct {
	Hashed bool        // the map status tells a hash of the rows, too
	Level  cache.Level // of the blocks
	Shared bool        // other processes of the host will read it: rows lie where they can see them
}

// NewSink returns the sink of a task whose rows have the given schema.
func NewSink(store *cache.Store, task exec.TaskID, out *stage.Output, schema *columnar.Schema, t *op.TaskContext, o Options) *Sink {
	s := &Sink{hashed: o.Hashed, task: task, out: out, schema: schema, memory: t.Memory.Child("exchange"), next: task.Task}
	s.scratch = memory.NewScratch(s.memory)
	types := make([]columnar.Type, schema.Len())
	for i, f := range schema.Fields {
		types[i] = f.Type
	}
	s.parts = make([]part, max(1, out.Partitioning.Count))
	if kernel.Spreads(schema) {
		s.spread = kernel.NewSpread(schema, carried(out.Partitioning, types), len(s.parts), s.memory, o.Shared && o.Level == cache.MemoryAndDisk)
	} else {
		for i := range s.parts {
			s.parts[i].appender = kernel.NewAppender(types, s.memory)
		}
	}
	for _, f := range out.Filters {
		s.keys = append(s.keys, keyset.NewCollector(types[f.Column], s.memory))
	}
	id := cache.BlockID{Job: task.Job, Exchange: out.Exchange, Map: task.Task, Attempt: Attempt(task)}
	s.writer = store.NewWriter(id, len(s.parts), o.Level)
	return s
}

// Attempt numbers the attempts of a map task through those of its stage.
func Attempt(t exec.TaskID) int { return t.Attempt + t.StageAttempt*1000 }

// Write adds a batch's selected rows to their partitions. Round robin deals
// batches, from a partition that depends on the task alone.
func (s *Sink) Write(ctx context.Context, b *columnar.Batch) error {
	for i, f := range s.out.Filters {
		s.scratch.Reset()
		s.keys[i].Add(&b.Cols[f.Column], b.Sel, s.scratch)
	}
	s.scratch.Reset()
	var rows []uint16
	var ends []uint32
	switch {
	case len(s.parts) == 1:
		rows, ends = kernel.One(b.Rows, b.Sel, 0, 1, s.scratch)
	case s.out.Partitioning.Kind == physical.RoundRobin:
		s.next++
		rows, ends = kernel.One(b.Rows, b.Sel, s.next%len(s.parts), len(s.parts), s.scratch)
	default:
		keyed := *b
		keyed.Hash, keyed.HashOf = kernel.HashBatch(b, s.out.Partitioning.Keys, s.scratch), s.out.Partitioning.Keys
		b = &keyed
		rows, ends = kernel.Partition(b.Hash, b.Rows, b.Sel, len(s.parts), s.scratch)
	}
	if s.spread == nil {
		return s.append(ctx, b, rows, ends)
	}
	if s.spread.Add(b, rows, ends, s.scratch) {
		s.spread.Flush()
	}
	return s.hand(ctx)
}

// leastShared is the bytes from which on a batch is mapped by another process that
// reads it: copying fewer costs less, and mappings are few.
const leastShared = 32 << 10

// carried returns the keys whose hash goes along with the rows: where it is as
// quickly computed again as it is read, and takes as much as a column, it does not.
func carried(p physical.Partitioning, types []columnar.Type) columnar.KeySet {
	if p.Kind != physical.HashPartitioning || p.Count < 2 || !slices.ContainsFunc(p.Keys, func(k int) bool { return types[k].IsBytes() }) {
		return nil
	}
	return p.Keys
}

// hand hands full pieces over to the store.
func (s *Sink) hand(ctx context.Context) (err error) {
	for _, p := range s.spread.Take() {
		if err == nil {
			s.count(p.Partition, p.Batch)
			if p.Region != nil {
				var sheet []byte
				if p.Region.File() != nil && p.Batch.DataBytes() >= leastShared {
					sheet = chunk.Sheet(p.Batch, p.Region)
				}
				err = s.writer.AppendIn(ctx, p.Region, p.Partition, p.Batch, sheet)
			} else {
				err = s.writer.Append(ctx, p.Partition, p.Batch, p.Batch.DataBytes())
			}
		}
		if p.Region != nil {
			p.Region.Release()
		}
	}
	return err
}

// count takes note of what a partition gets.
func (s *Sink) count(p int, b *columnar.Batch) {
	x := &s.parts[p]
	if s.hashed {
		x.Add(b)
	} else {
		x.Count(b)
	}
	x.Bytes += b.MemoryBytes()
}

// append appends rows to those of their partitions.
func (s *Sink) append(ctx context.Context, b *columnar.Batch, rows []uint16, ends []uint32) error {
	from := uint32(0)
	for p, end := range ends {
		if end > from {
			if err := s.add(ctx, p, b, rows[from:end], int(end-from)); err != nil {
				return err
			}
		}
		from = end
	}
	return nil
}

func (s *Sink) add(ctx context.Context, p int, b *columnar.Batch, rows []uint16, n int) error {
	x := &s.parts[p]
	if x.appender.Len()+n > columnar.MaxRows {
		if err := s.flush(ctx, p); err != nil {
			return err
		}
	}
	err := x.appender.AppendRows(b, rows)
	if errors.Is(err, memory.ErrSpill) { // the rows are in, but they are not paid for
		return s.yield(ctx)
	}
	return err
}

// yield hands over all partitions that hold as much as their share of what the
// sink holds: memory is short.
func (s *Sink) yield(ctx context.Context) error {
	all := int64(0)
	for p := range s.parts {
		all += s.parts[p].appender.Bytes()
	}
	for p := range s.parts {
		if s.parts[p].appender.Bytes()*int64(len(s.parts)) >= all {
			if err := s.flush(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush hands the rows of a partition over to the store.
func (s *Sink) flush(ctx context.Context, p int) error {
	x := &s.parts[p]
	if x.appender.Len() == 0 {
		return nil
	}
	n, held := x.appender.Bytes(), x.appender.Held()
	b := x.appender.Take(s.schema)
	s.count(p, b)
	err := s.writer.Append(ctx, p, b, n)
	s.memory.Shrink(held)
	return err
}

// Commit makes the partitions visible as blocks and tells what there is.
func (s *Sink) Commit(ctx context.Context) (shuffle.MapStatus, error) {
	if s.spread != nil {
		s.spread.Finish()
		if err := s.hand(ctx); err != nil {
			return shuffle.MapStatus{}, err
		}
	}
	parts := make([]shuffle.Part, len(s.parts))
	for p := range s.parts {
		if s.spread == nil {
			if err := s.flush(ctx, p); err != nil {
				return shuffle.MapStatus{}, err
			}
		}
		parts[p] = s.parts[p].Part
	}
	if err := s.writer.Commit(); err != nil {
		return shuffle.MapStatus{}, err
	}
	s.close()
	return shuffle.NewMapStatus(s.task.Task, Attempt(s.task), s.hashed, parts), nil
}

// Keys returns the keys of what was written, encoded, by runtime filter.
func (s *Sink) Keys() []exec.Keys {
	var out []exec.Keys
	for i, f := range s.out.Filters {
		out = append(out, exec.Keys{Filter: f.ID, Set: s.keys[i].Set().Append(nil)})
	}
	return out
}

// Usage returns the most bytes that the sink held in the task's memory, and those
// that it wrote to disk.
func (s *Sink) Usage() (peak, spilled int64) { return s.memory.Peak(), s.writer.Spilled() }

// Abort gives everything back, unless Commit succeeded.
func (s *Sink) Abort() {
	s.writer.Abort()
	s.close()
}

func (s *Sink) close() {
	if s.spread != nil {
		s.spread.Close()
	}
	for _, k := range s.keys {
		k.Close()
	}
	s.scratch.Close()
	s.memory.Close()
}
