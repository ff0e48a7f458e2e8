package artifacts

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A program that is changed in one place has other addresses everywhere: two thirds of
// its chunks differ, however small they are (ADR 16). What a chunk adds to the bytes
// around its place in an artifact that both sides have, its base, is a tenth of it. So
// the server names bases with the manifest, the fetcher asks for chunks over the first
// that it has, and gets these compressed with the base as dictionary.
const (
	maxBases = 8
	slack    = 128 << 10 // of the base before and behind the chunk's place
)

// bases are what artifacts of about this size may be versions of, last used first.
func (s *Store) bases(of ID, size int64) []ID {
	type entry struct {
		id   ID
		used int64
	}
	list, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil
	}
	var found []entry
	for _, e := range list {
		id, err := ParseID(e.Name())
		if err != nil || id == of {
			continue
		}
		if info, err := e.Info(); err == nil && info.Size() > size/2 && info.Size()/2 < size {
			found = append(found, entry{id, info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(b.used, a.used) })
	var out []ID
	for _, e := range found[:min(len(found), maxBases)] {
		out = append(out, e.id)
	}
	return out
}

// base is an artifact of this store that another may be a version of; the zero value
// is none.
type base struct {
	id   ID
	file *os.File
}

// base opens the first of a manifest's bases that the store has.
func (s *Store) base(m *Manifest) base {
	for _, id := range m.Bases {
		if f, err := s.root.Open(id.String()); err == nil {
			return base{id, f}
		}
	}
	return base{}
}

func (b base) close() {
	if b.file != nil {
		b.file.Close()
	}
}

// expand makes the chunk at a place of a delta.
func (b base) expand(delta, chunk []byte, at int64) error {
	dict, err := around(b.file, at, len(chunk))
	if err != nil {
		return err
	}
	return expand(dict, delta, chunk)
}

// around reads what lies in a base around the place of a chunk.
func around(base io.ReaderAt, at int64, n int) ([]byte, error) {
	from := max(0, at-slack)
	b := make([]byte, at+int64(n)+slack-from)
	k, err := base.ReadAt(b, from)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if k < 8 {
		return nil, fs.ErrNotExist
	}
	return b[:k], nil
}

const dictionary = 1

// shrink compresses a chunk over the bytes around its place in a base; nil if that
// makes it no smaller.
func shrink(around, chunk []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionary, around), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2*MaxChunk), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if out := e.EncodeAll(chunk, nil); len(out) < len(chunk) {
		return out, nil
	}
	return nil, nil
}

// expand is the reverse; it fills chunk, whose hash the caller checks.
func expand(around, delta, chunk []byte) error {
	d, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionary, around), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8*MaxChunk))
	if err != nil {
		return err
	}
	defer d.Close()
	out, err := d.DecodeAll(delta, chunk[:0:len(chunk)])
	if err == nil && len(out) != len(chunk) {
		err = fmt.Errorf("artifacts: a delta makes %d bytes, not %d", len(out), len(chunk))
	}
	if err == nil {
		copy(chunk, out)
	}
	return err
}
