package cache

import (
	"context"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Writer makes the blocks of one map output, one per partition. Nobody sees them
// before Commit. It is used by one goroutine at a time and ends with Commit or
// Abort.
type Writer struct {
	// Priority is that of a dataset's blocks: those with a higher one leave memory later.
	Priority int
	// Encoded keeps batches, which then have schemas, as they would lie on disk, in fewer
	// bytes. It is set before the first Append.
	Encoded bool

	store  *Store
	level  Level
	began  time.Time
	out    *output
	blocks []*block // by partition; nil: no rows yet
	held   int64    // bytes in memory, about
	spilt  int64
	ended  bool
}

// NewWriter returns a writer of the blocks of a map output; id's Partition is
// not looked at.
func (s *Store) NewWriter(id BlockID, partitions int, level Level) *Writer {
	w := &Writer{store: s, level: level, began: time.Now(), out: &output{id: id, partitions: partitions}, blocks: make([]*block, partitions)}
	for p := range w.blocks {
		id.Partition = p
		w.blocks[p] = &block{id: id, level: level, out: w.out, state: writing}
	}
	return w
}

// Append adds a stable batch, which takes n bytes without its dictionaries, to a
// partition: to memory, or to disk when there is no room or others need it. The
// store keeps the batch. Errors are those of the device and of a store without
// one that is full (class MemoryLimit).
func (w *Writer) Append(ctx context.Context, partition int, x *columnar.Batch, n int64) error {
	return w.append(ctx, partition, resident{batch: x}, n)
}

// AppendIn is Append of a batch that lies in a region: if the store keeps it, it
// holds the region and pays for it, once for all its batches. Sheet tells other
// processes where it lies there, nil if they are not to know.
func (w *Writer) AppendIn(ctx context.Context, r *memory.Region, partition int, x *columnar.Batch, sheet []byte) error {
	return w.append(ctx, partition, resident{batch: x, region: r, sheet: sheet}, 0)
}

func (w *Writer) append(ctx context.Context, partition int, h resident, n int64) error {
	b, s := w.blocks[partition], w.store
	size := n // of it alone, or of its part of the region
	if h.region != nil {
		size = h.size()
	}
	if w.Encoded && w.level != DiskOnly {
		p, err := pack(h.batch)
		if err != nil {
			return err
		}
		h = resident{packed: p}
		n, size, b.encoded, b.schema = h.size(), h.size(), true, p.schema
	}
	if b.id.cached() && b.bytes.Load() == 0 && w.level != DiskOnly { // policies compare it with what is there
		b.priority = w.Priority
		s.ranks.begin(b, size, w.level != MemoryOnly)
	}
	if w.level != DiskOnly && (s.charge(&b.cost, h, n) || b.id.cached() && s.makeRoom(ctx, b, size) && s.charge(&b.cost, h, n)) {
		b.batches = append(b.batches, h)
		b.bytes.Add(size)
		w.held += size
		return w.yield(ctx)
	}
	if s.disk == nil || w.level == MemoryOnly {
		return w.full(size)
	}
	if err := w.spillBlock(ctx, b); err != nil {
		return err
	}
	return w.write(ctx, b, h)
}

// yield gives memory back where it is needed more: in a process that has none left, or
// by datasets that are worth more.
func (w *Writer) yield(ctx context.Context) error {
	s := w.store
	switch wanted := w.out.wanted.Load(); {
	case !wanted && (w.held < leastReclaim || s.disk == nil || w.level == MemoryOnly || s.memory.Pressure() != memory.Critical):
		return nil
	case wanted && (s.disk == nil || w.level == MemoryOnly):
		return w.full(0)
	}
	w.out.wanted.Store(false)
	return w.spill(ctx)
}

// full is the error of blocks that must stay in memory, when n bytes more have no room.
func (w *Writer) full(n int64) error {
	return diag.New(diag.MemoryLimit, "the output of an exchange holds %d MiB and needs %d KiB more than the memory budget has left", w.store.memory.Held()>>20, (n+1023)>>10).
		WithRemedy("raise --memory (MILLRACE_MEMORY), or let the query touch less data")
}

// spill writes what the writer has in memory to disk.
func (w *Writer) spill(ctx context.Context) error {
	for _, b := range w.blocks {
		if err := w.spillBlock(ctx, b); err != nil {
			return err
		}
	}
	w.held = 0
	return nil
}

// spillBlock writes what a block has in memory to disk, so that what comes later
// lies behind it.
func (w *Writer) spillBlock(ctx context.Context, b *block) error {
	for _, x := range b.batches {
		if err := w.write(ctx, b, x); err != nil {
			return err
		}
	}
	for _, x := range b.batches {
		w.held -= min(w.held, x.size())
	}
	w.store.release(b.cost)
	b.batches, b.cost = nil, cost{}
	b.bytes.Store(0)
	w.store.ranks.remove(b)
	return nil
}

// write appends a batch to a block's run.
func (w *Writer) write(ctx context.Context, b *block, x resident) error {
	if b.runs == nil {
		b.runs = []Run{w.store.newRun(b)}
	}
	run := b.runs[0]
	from := run.Stored()
	err := x.put(ctx, run)
	w.spilt += run.Stored() - from
	w.store.spilled.Add(run.Stored() - from)
	return err
}

// Held returns the bytes that the writer has in memory, about.
func (w *Writer) Held() int64 { return w.held }

// Spilled returns the bytes that the writer wrote to disk.
func (w *Writer) Spilled() int64 { return w.spilt }

// Commit makes the blocks visible. An id that is there already stays as it is
// (B1). An error is the device's; then the writer is to be aborted.
func (w *Writer) Commit() error {
	if w.ended {
		return nil
	}
	if w.out.file != nil {
		if err := w.out.file.Commit(); err != nil {
			return err
		}
	}
	w.ended = true
	s := w.store
	var fresh, doubled []*block
	for _, b := range w.blocks {
		if b.batches != nil || b.runs != nil {
			w.out.blocks++ // nobody else knows it yet
			fresh = append(fresh, b)
		}
	}
	for _, b := range fresh {
		b.made = time.Since(w.began)
		h := s.shard(b.id)
		h.mu.Lock()
		b.state = ready
		_, known := h.blocks[b.id]
		if !known {
			h.blocks[b.id] = b
			b.known = true
			s.usages.count(b, b.bytes.Load(), b.stored(), 0)
		}
		h.mu.Unlock()
		if known {
			doubled = append(doubled, b)
		} else if b.batches != nil && b.id.cached() {
			s.ranks.add(b, b.bytes.Load(), w.level != MemoryOnly) // its size and cost are known now
		} else if b.batches != nil {
			s.mu.Lock()
			s.order = append(s.order, b)
			s.mu.Unlock()
		}
	}
	for _, b := range doubled {
		s.destroy(b)
	}
	if s.broker.Wanted() > 0 {
		s.Wake()
	}
	return nil
}

// Abort drops everything, unless Commit was called. It is idempotent.
func (w *Writer) Abort() {
	if w.ended {
		return
	}
	w.ended = true
	for _, b := range w.blocks {
		w.store.ranks.remove(b)
		w.store.release(b.cost)
		b.batches, b.cost = nil, cost{}
	}
	if w.out.file != nil {
		_ = w.out.file.Close() // it is scratch
	}
}
