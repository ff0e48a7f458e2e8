package join

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
)

// fanout is the number of partitions that rows are spread over when memory is
// short, at each level.
const fanout = 16

// partOf returns the partition of a key hash at a level of recursion: bits that
// neither exchanges nor tables use, after the first level of a remix.
func partOf(h uint64, level int) int {
	if level > 0 {
		h = kernel.Remix(h, level)
	}
	return int(h >> 32 & (fanout - 1))
}

// partition sorts the selected rows of a batch by their partition: rows
// ends[p-1] … ends[p] of the result belong to partition p, in their old order.
func partition(hashes []uint64, b *columnar.Batch, level int, s *memory.Scratch) (rows []uint16, ends [fanout]uint32) {
	n := b.Selected()
	part := memory.Slice[uint8](s, n)
	for i := range n {
		p := partOf(hashes[b.RowAt(i)], level)
		part[i] = uint8(p)
		ends[p]++
	}
	at := uint32(0)
	for p, c := range ends {
		ends[p] = at
		at += c
	}
	rows = memory.Slice[uint16](s, n)
	for i, p := range part {
		rows[ends[p]] = uint16(b.RowAt(i))
		ends[p]++
	}
	return rows, ends
}

// scatterTo appends the selected rows of a batch to the runs of their
// partitions, which are made when first needed.
func scatterTo(ctx context.Context, file *spill.File, name string, runs []*spill.Run, b *columnar.Batch, hashes []uint64, level int, s *memory.Scratch) error {
	rows, ends := partition(hashes, b, level, s)
	from, c := uint32(0), *b
	for p, to := range ends {
		c.Sel = rows[from:to]
		from = to
		if len(c.Sel) == 0 {
			continue
		}
		if runs[p] == nil {
			runs[p] = file.NewRun(name)
		}
		if err := runs[p].Append(ctx, &c); err != nil {
			return err
		}
	}
	return nil
}

// aside takes a task's probe rows whose build rows are on disk.
type aside struct {
	file  *spill.File
	build []*spill.Run // the build side's partitions on disk
	runs  []*spill.Run // probe rows by partition
	bytes int64        // of them, when flushed
}

// divert moves the rows of live whose partition is on disk to their runs. It
// returns the batch and live without them.
func (a *aside) divert(ctx context.Context, b *columnar.Batch, hashes []uint64, live []uint16, s *memory.Scratch) (*columnar.Batch, []uint16, error) {
	gone := memory.Slice[uint16](s, len(live))[:0]
	k := 0
	for _, r := range live {
		live[k] = r
		if a.build[partOf(hashes[r], 0)] == nil {
			k++
		} else {
			gone = append(gone, r)
		}
	}
	if len(gone) == 0 {
		return b, live, nil
	}
	c := *b
	c.Sel = gone
	if err := scatterTo(ctx, a.file, "join probe side", a.runs, &c, hashes, 0, s); err != nil {
		return nil, nil, err
	}
	stay := memory.Slice[uint16](s, b.Selected())[:0]
	for i := range b.Selected() {
		r := uint16(b.RowAt(i))
		if len(gone) > 0 && gone[0] == r {
			gone = gone[1:]
			continue
		}
		stay = append(stay, r)
	}
	c.Sel = stay
	if stay == nil {
		c.Sel = []uint16{}
	}
	return &c, live[:k], nil
}

// flush writes what the runs still hold in memory.
func (a *aside) flush() error {
	for _, r := range a.runs {
		if r != nil {
			if err := r.Flush(); err != nil {
				return err
			}
			a.bytes += r.Bytes()
		}
	}
	return nil
}
