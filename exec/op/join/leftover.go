package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
)

// maxLevel bounds the recursion of partitions; leastChunk is what is loaded of a
// partition whatever memory says, in bytes.
const (
	maxLevel   = 6
	leastChunk = 1 << 20
)

// piece is a partition of both sides that lies on disk.
type piece struct {
	level  int
	build  *spill.Run   // nil: no rows
	probes []*spill.Run // some may be nil
	stuck  bool         // partitioning it further does not help: one key has most rows
	kept   bool         // the runs stay, should the task be repeated
}

func (p *piece) probeRows() (n int64) {
	for _, r := range p.probes {
		if r != nil {
			n += r.Rows()
		}
	}
	return n
}

func (p *piece) drop() {
	if p.kept {
		return
	}
	if p.build != nil {
		p.build.Drop()
	}
	drop(p.probes)
}

// leftover joins what a join had to put on disk, piece by piece: a piece that
// fits becomes a table; one that does not is partitioned again; one that
// partitioning does not help, since one key has most of its rows, is met chunk
// by chunk of its build rows, with a pass over its probe rows for each.
type leftover struct {
	*shape
	probe  *prober
	file   *spill.File
	parent memory.Reservation
	todo   []*piece

	cur    *piece
	memory memory.Reservation // of the table in use
	build  *spill.Reader      // of cur.build
	carry  *columnar.Batch    // read, but not in a table yet
	reader *spill.Reader      // of a run of cur.probes
	run    int                // the next of them
	lone   int                // next build row of the table that may come out by itself
	bytes  int64              // spilled again
}

// next returns the next batch of output; io.EOF ends.
func (x *leftover) next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if x.cur == nil {
			if len(x.todo) == 0 {
				return nil, io.EOF
			}
			x.cur = x.todo[len(x.todo)-1]
			x.todo = x.todo[:len(x.todo)-1]
			if err := x.begin(ctx); err != nil {
				return nil, err
			}
			continue
		}
		b, err := x.probe.next(ctx, x.read)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		if b := x.probe.lone(&x.lone); b != nil {
			return b, nil
		}
		if pass := x.probe.pass; pass == nil || pass.last {
			x.endPiece()
			continue
		}
		if err := x.chunk(ctx); err != nil {
			return nil, err
		}
	}
}

// begin decides how to go about the piece at hand.
func (x *leftover) begin(ctx context.Context) error {
	p := x.cur
	x.probe.pass = nil
	rows := p.probeRows()
	if p.build == nil && rows == 0 || rows == 0 && !x.lonely {
		x.endPiece()
		return nil
	}
	if p.build != nil && p.level < maxLevel && !p.stuck {
		need := 2*p.build.Bytes() + p.build.Rows()*indexShare + leastChunk
		if !x.parent.TryGrow(need) {
			return x.split(ctx)
		}
		x.parent.Shrink(need)
	}
	if p.build != nil {
		var err error
		if x.build, err = openRun(ctx, p.build, x.parent); err != nil {
			return err
		}
	}
	return x.chunk(ctx)
}

// openRun opens a run. A reader is what it takes to go on at all: where memory
// is refused it goes without.
func openRun(ctx context.Context, run *spill.Run, to memory.Reservation) (*spill.Reader, error) {
	r, err := run.Open(ctx, to)
	if errors.Is(err, memory.ErrSpill) {
		r, err = run.Open(ctx, nil)
	}
	return r, err
}

// chunk makes a table of the build rows that come next, as many as fit, and
// goes to the start of the probe rows.
func (x *leftover) chunk(ctx context.Context) error {
	x.endTable()
	x.memory = x.parent.Child("join partition")
	var held pages
	ended := x.build == nil
	for !ended {
		if x.carry == nil {
			b, err := x.build.Next(ctx)
			if errors.Is(err, io.EOF) {
				ended = true
				break
			}
			if err != nil {
				return err
			}
			x.carry = b
		}
		err := held.add(ctx, x.shape, x.carry, x.memory)
		if errors.Is(err, memory.ErrSpill) {
			if held.rows > 0 && held.bytes() >= leastChunk || held.rows > maxTableRows/2 {
				break
			}
			err = held.force(x.carry)
		}
		if err != nil {
			return err
		}
		x.carry = nil
	}
	p := x.probe
	if p.pass == nil && !ended {
		p.pass = &pass{}
		if x.keeps || x.once {
			n := x.cur.probeRows()
			_ = x.memory.TryGrow(n / 8) // else it goes without
			p.pass.seen = columnar.NewBitmap(int(n))
		}
	}
	if p.pass != nil {
		p.pass.at, p.pass.last = 0, ended
	}
	t, err := held.table(x.shape, x.memory, 1)
	if err != nil {
		return err
	}
	p.table, p.aside, p.batch, p.phase = t, nil, nil, idle
	x.run, x.lone = 0, 0
	return nil
}

// read yields the probe rows of the piece, run by run.
func (x *leftover) read(ctx context.Context) (*columnar.Batch, error) {
	for {
		if x.reader == nil {
			if x.run == len(x.cur.probes) {
				return nil, io.EOF
			}
			run := x.cur.probes[x.run]
			x.run++
			if run == nil {
				continue
			}
			var err error
			if x.reader, err = openRun(ctx, run, x.parent); err != nil {
				return nil, err
			}
		}
		b, err := x.reader.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		x.reader.Close()
		x.reader = nil
	}
}

// split partitions the piece at hand by other bits.
func (x *leftover) split(ctx context.Context) error {
	p := x.cur
	builds, probes := make([]*spill.Run, fanout), make([]*spill.Run, fanout)
	buffers := int64(0)
	if x.parent.TryGrow(fanout * spill.RunBytes) {
		buffers = fanout * spill.RunBytes
	}
	defer func() { x.parent.Shrink(buffers) }()
	level, scratch := p.level+1, x.probe.scratch
	err := x.each(ctx, p.build, func(b *columnar.Batch) error {
		_, hashes := x.hash(x.keysOf(b, nil), b.Rows, scratch)
		return scatterTo(ctx, x.file, "join build side", builds, b, hashes, level, scratch)
	})
	if err != nil {
		return err
	}
	for _, run := range builds {
		if run != nil {
			if err := run.Flush(); err != nil {
				return err
			}
		}
	}
	for _, run := range p.probes {
		err := x.each(ctx, run, func(b *columnar.Batch) error {
			vs, err := x.probe.keys.Eval(b, scratch)
			if err != nil {
				return err
			}
			_, hashes := x.hash(vs, b.Rows, scratch)
			return scatterTo(ctx, x.file, "join probe side", probes, b, hashes, level, scratch)
		})
		if err != nil {
			return err
		}
	}
	rows := p.build.Rows()
	for i := range fanout {
		for _, run := range []*spill.Run{builds[i], probes[i]} {
			if run != nil {
				x.bytes += run.Bytes()
			}
		}
		if builds[i] == nil && probes[i] == nil {
			continue
		}
		child := &piece{level: level, build: builds[i], probes: []*spill.Run{probes[i]}}
		child.stuck = builds[i] != nil && builds[i].Rows() > rows-rows/10
		x.todo = append(x.todo, child)
	}
	x.endPiece()
	return nil
}

// each calls f with the batches of a run, which may be nil.
func (x *leftover) each(ctx context.Context, run *spill.Run, f func(*columnar.Batch) error) error {
	if run == nil {
		return nil
	}
	r, err := openRun(ctx, run, x.parent)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		x.probe.scratch.Reset()
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
}

func (x *leftover) endTable() {
	if x.memory != nil {
		x.memory.Close()
		x.memory, x.probe.table = nil, nil
	}
}

func (x *leftover) endPiece() {
	x.closeReaders()
	x.endTable()
	x.cur.drop()
	x.cur, x.probe.pass = nil, nil
}

func (x *leftover) closeReaders() {
	if x.build != nil {
		x.build.Close()
	}
	if x.reader != nil {
		x.reader.Close()
	}
	x.build, x.reader, x.carry = nil, nil, nil
}

// close gives everything back, at whatever state.
func (x *leftover) close() {
	x.closeReaders()
	x.endTable()
	x.todo, x.cur = nil, nil
}

// force keeps a batch that nobody pays for: what it takes to go on at all.
func (p *pages) force(b *columnar.Batch) error {
	d, err := kernel.Detach(b, nil)
	if err == nil {
		p.batches, p.rows = append(p.batches, d), p.rows+d.Rows
	}
	return err
}

// bytes returns the bytes of the rows.
func (p *pages) bytes() (n int64) {
	for _, b := range p.batches {
		n += b.MemoryBytes()
	}
	return n
}
