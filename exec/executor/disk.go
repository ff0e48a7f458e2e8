package executor

import (
	"context"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
)

// disk lets blocks lie in the space that tasks spill to.
type disk struct{ space *spill.Space }

var _ cache.Disk = disk{}

func (d disk) NewFile(cache.BlockID, int) cache.File { return diskFile{d.space.File()} }

type diskFile struct{ *spill.File }

func (f diskFile) NewRun(int) cache.Run { return diskRun{f.File.NewRun("blocks")} }

// Commit does nothing: what is written can be read at once, by this process alone.
func (f diskFile) Commit() error { return nil }

type diskRun struct{ *spill.Run }

// Append leaves nothing in memory: there may be as many runs as partitions.
func (r diskRun) Append(ctx context.Context, b *columnar.Batch) error {
	if err := r.Run.Append(ctx, b); err != nil {
		return err
	}
	return r.Flush()
}

func (r diskRun) Open(ctx context.Context, to memory.Reservation) (cache.Reader, error) {
	d, err := r.Run.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	return d, nil
}
