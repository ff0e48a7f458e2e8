package executor

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/shuffle/file"
)

// kept lets blocks lie in .mrs files with names, which stay when the blocks are
// dropped. All of a map output is in one file, which can be read from Commit on.
type kept struct{ root *os.Root }

var _ cache.Disk = kept{}

// OpenKeep opens a directory for Config.Keep, made if need be. "" stands for none.
func OpenKeep(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, keepFailed(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, keepFailed(dir, err)
	}
	return root, nil
}

func keepFailed(dir string, err error) error {
	return diag.New(diag.SpillFailed, "the output of an exchange cannot be kept in %s: %v", dir, err).WithPath(dir).WithCause(err).
		WithRemedy("name another directory by shuffle.keep (MILLRACE_SHUFFLE_KEEP), or make room there")
}

// NewFile implements cache.Disk.
func (k kept) NewFile(out cache.BlockID, partitions int) cache.File {
	return &keptFile{root: k.root, info: file.Info{Job: out.Job, Exchange: out.Exchange, Map: out.Map, Attempt: out.Attempt, Partitions: partitions}}
}

type keptFile struct {
	root   *os.Root
	info   file.Info
	mu     sync.Mutex
	writer *file.Writer
	file   *file.File // from Commit on
}

func (f *keptFile) NewRun(partition int) cache.Run { return &keptRun{file: f, partition: partition} }

func (f *keptFile) append(partition int, b *columnar.Batch) (stored int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		return 0, keepFailed(f.root.Name(), errors.New("the file is whole"))
	}
	if f.writer == nil {
		if f.writer, err = file.Create(f.root, f.info, b.Schema, chunk.LZ4); err != nil {
			return 0, keepFailed(f.root.Name(), err)
		}
	}
	if stored, err = f.writer.Append(partition, b); err != nil {
		err = keepFailed(f.root.Name(), err)
	}
	return stored, err
}

// Commit gives the file its name.
func (f *keptFile) Commit() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writer == nil || f.file != nil {
		return nil
	}
	whole, err := f.writer.Commit()
	if err == nil {
		err = f.writer.Close() // who reads opens it again: there may be very many
	}
	if err != nil {
		return keepFailed(f.root.Name(), err)
	}
	f.file = whole
	return nil
}

// Close removes the file if it is not whole.
func (f *keptFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writer == nil {
		return nil
	}
	return f.writer.Close()
}

// keptRun is a partition of a file.
type keptRun struct {
	file      *keptFile
	partition int
	stored    int64
}

func (r *keptRun) Append(ctx context.Context, b *columnar.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := r.file.append(r.partition, b)
	r.stored += n
	return err
}

func (r *keptRun) Stored() int64 { return r.stored }

// Drop does nothing: the space comes back with the whole file.
func (r *keptRun) Drop() {}

func (r *keptRun) Open(ctx context.Context, to memory.Reservation) (cache.Reader, error) {
	r.file.mu.Lock()
	f := r.file.file
	r.file.mu.Unlock()
	if f == nil {
		return nil, keepFailed(r.file.root.Name(), errors.New("the file is not whole"))
	}
	x, err := r.file.root.Open(f.Name())
	if err != nil {
		return nil, keepFailed(r.file.root.Name(), err)
	}
	d, err := f.From(x).Read(ctx, r.partition, to)
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return keptReader{d, x}, nil
}

// keptReader closes what it reads from.
type keptReader struct {
	*file.Reader
	from *os.File
}

func (r keptReader) Close() {
	r.Reader.Close()
	_ = r.from.Close() // it was read from alone
}
