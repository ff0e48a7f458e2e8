// Package exchange is where stages meet: the sink that distributes a stage's
// rows over partitions, and the source that reads them.
package exchange

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// Sink writes the output of one task.
type Sink struct {
	store   *cache.Store
	task    exec.TaskID
	out     *stage.Output
	schema  *columnar.Schema
	parts   []part
	next    int // round robin
	scratch *memory.Scratch
	memory  memory.Reservation
}

type part struct {
	appender *kernel.Appender
	batches  []*columnar.Batch
	rows     int64
	bytes    int64
}

// NewSink returns the sink of a task whose rows have the given schema.
func NewSink(store *cache.Store, task exec.TaskID, out *stage.Output, schema *columnar.Schema, t *op.TaskContext) *Sink {
	s := &Sink{store: store, task: task, out: out, schema: schema, memory: t.Memory.Child("exchange"), next: task.Task}
	s.scratch = memory.NewScratch(s.memory)
	types := make([]columnar.Type, schema.Len())
	for i, f := range schema.Fields {
		types[i] = f.Type
	}
	s.parts = make([]part, max(1, out.Partitioning.Count))
	for i := range s.parts {
		s.parts[i].appender = kernel.NewAppender(types, s.memory)
	}
	return s
}

// Write adds a batch's selected rows to their partitions. Round robin deals
// batches, from a partition that depends on the task alone.
func (s *Sink) Write(_ context.Context, b *columnar.Batch) error {
	switch {
	case len(s.parts) == 1:
		return s.add(0, b, b.Sel, b.Selected())
	case s.out.Partitioning.Kind == physical.RoundRobin:
		s.next++
		return s.add(s.next%len(s.parts), b, b.Sel, b.Selected())
	}
	s.scratch.Reset()
	keyed := *b
	keyed.Hash, keyed.HashOf = kernel.HashBatch(b, s.out.Partitioning.Keys, s.scratch), s.out.Partitioning.Keys
	rows, ends := kernel.Partition(keyed.Hash, b.Rows, b.Sel, len(s.parts), s.scratch)
	from := uint32(0)
	for p, end := range ends {
		if end > from {
			if err := s.add(p, &keyed, rows[from:end], int(end-from)); err != nil {
				return err
			}
		}
		from = end
	}
	return nil
}

func (s *Sink) add(p int, b *columnar.Batch, rows []uint16, n int) error {
	x := &s.parts[p]
	if x.appender.Len()+n > columnar.MaxRows {
		s.flush(x)
	}
	err := x.appender.AppendRows(b, rows)
	if errors.Is(err, memory.ErrSpill) { // the rows are in, but they are not paid for
		return diag.New(diag.MemoryLimit, "an exchange holds %d MiB and the memory budget has nothing left", s.memory.Held()>>20).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or let the query touch less data").WithCause(err)
	}
	return err
}

func (s *Sink) flush(x *part) {
	if x.appender.Len() == 0 {
		return
	}
	b := x.appender.Take(s.schema)
	x.rows += int64(b.Rows)
	x.bytes += b.MemoryBytes()
	x.batches = append(x.batches, b)
}

// Commit stores the partitions as blocks and tells what there is. The blocks
// are charged to the store, no longer to the task.
func (s *Sink) Commit(context.Context) (shuffle.MapStatus, error) {
	st := shuffle.MapStatus{Map: s.task.Task, Attempt: s.task.Attempt + s.task.StageAttempt*1000}
	for p := range s.parts {
		s.flush(&s.parts[p])
	}
	s.close() // what follows is charged to the store
	for p := range s.parts {
		x := &s.parts[p]
		st.Rows, st.Bytes = append(st.Rows, x.rows), append(st.Bytes, x.bytes)
		if len(x.batches) > 0 {
			id := cache.BlockID{Job: s.task.Job, Exchange: s.out.Exchange, Map: st.Map, Attempt: st.Attempt, Partition: p}
			if err := s.store.Put(id, x.batches); err != nil {
				return st, err
			}
		}
	}
	return st, nil
}

// Abort gives everything back.
func (s *Sink) Abort() { s.close() }

func (s *Sink) close() {
	s.scratch.Close()
	s.memory.Close()
}
