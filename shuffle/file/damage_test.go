package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/columnartest"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/golden"
)

// sample is a file and what it holds: per partition with rows the sum of the rows
// of each of its batches.
type sample struct {
	data []byte
	sums map[int][]uint64
}

// samples writes n small files of random shapes.
func samples(t testing.TB, r *rand.Rand, n int) []sample {
	out := make([]sample, n)
	for i := range out {
		var types []columnar.Type
		for range 1 + r.IntN(4) {
			types = append(types, columnartest.Types[r.IntN(len(columnartest.Types))])
		}
		s := columnartest.Schema(types...)
		partitions := []int{1, 3, 40}[r.IntN(3)]
		var all []written
		for range 1 + r.IntN(6) {
			all = append(all, written{r.IntN(partitions), columnartest.Batch(r, s, []int{1, 20, 300}[r.IntN(3)])})
		}
		f, data := write(t, Info{Job: i, Partitions: partitions}, s, chunk.Codec(r.IntN(2)), all)
		out[i] = sample{data, map[int][]uint64{}}
		for _, p := range f.Filled() {
			if err := each(f, p, func(b *columnar.Batch) { out[i].sums[p] = append(out[i].sums[p], kernel.SumRows(b, 0)) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// harmless fails unless damaged bytes of a sample give an error, of the right kind,
// and before that no row but those that were written.
func (s *sample) harmless(t *testing.T, data []byte, what string, args ...any) {
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err == nil {
		for _, p := range f.Filled() {
			at := 0
			err = each(f, p, func(b *columnar.Batch) {
				if at >= len(s.sums[p]) || kernel.SumRows(b, 0) != s.sums[p][at] {
					t.Errorf("%s: wrong rows from partition %d", fmt.Sprintf(what, args...), p)
				}
				at++
			})
			if err != nil {
				break
			}
		}
	}
	if !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

// TestFlippedBits flips one bit at a time, sampled over 200 files: a million with
// MILLRACE_SLOW set, else ten thousand. None goes unnoticed, and none reaches a row.
func TestFlippedBits(t *testing.T) {
	r := seeded(t)
	flips := 10_000
	if os.Getenv("MILLRACE_SLOW") != "" {
		flips = 1_000_000
	}
	all := samples(t, r, 200)
	for i := range flips {
		s := &all[i%len(all)]
		bit := r.IntN(8 * len(s.data))
		s.data[bit>>3] ^= 1 << (bit & 7)
		s.harmless(t, s.data, "file %d, bit %d of %d", i%len(all), bit, 8*len(s.data))
		s.data[bit>>3] ^= 1 << (bit & 7)
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestTruncated cuts ten files at every length: none is taken for whole.
func TestTruncated(t *testing.T) {
	for i, s := range samples(t, seeded(t), 10) {
		for n := range s.data {
			if _, err := Open(bytes.NewReader(s.data[:n]), int64(n)); !errors.Is(err, ErrAbsent) {
				t.Fatalf("file %d cut to %d of %d bytes: %v", i, n, len(s.data), err)
			}
			// A file that became shorter after its size was asked for.
			if _, err := Open(bytes.NewReader(s.data[:n]), int64(len(s.data))); !errors.Is(err, ErrAbsent) {
				t.Fatalf("file %d, of which %d of %d bytes are there: %v", i, n, len(s.data), err)
			}
		}
		for _, more := range []int{1, 100} {
			s.harmless(t, append(slices.Clone(s.data), make([]byte, more)...), "file %d with %d bytes more", i, more)
		}
	}
}

// Lengths that lie cost next to nothing.
func TestLengthBombs(t *testing.T) {
	s := columnartest.Schema(columnar.Int64Type)
	_, data := write(t, Info{Partitions: 4}, s, chunk.LZ4, []written{{0, columnartest.Batch(rand.New(rand.NewPCG(1, 1)), s, 8)}})
	end := len(data) - footerBytes
	for name, change := range map[string]func(b []byte){
		"chunks":     func(b []byte) { binary.LittleEndian.PutUint32(b[end:], 1<<31) },
		"partitions": func(b []byte) { binary.LittleEndian.PutUint32(b[end+4:], 1<<31) },
		"directory":  func(b []byte) { binary.LittleEndian.PutUint64(b[end+8:], 1<<63+headerBytes) },
		"schema":     func(b []byte) { binary.LittleEndian.PutUint32(b[32:], 1<<30) },
		"exchange":   func(b []byte) { binary.LittleEndian.PutUint32(b[28:], 1<<31) },
		"rows":       func(b []byte) { binary.LittleEndian.PutUint32(b[end-indexBytes-entryBytes+12:], 1<<31) },
		"stored":     func(b []byte) { binary.LittleEndian.PutUint32(b[end-indexBytes-entryBytes+8:], 1<<31) },
	} {
		b := slices.Clone(data)
		change(b)
		b = seal(b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(bytes.NewReader(b), int64(len(b)))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}

// seal makes the checksums of header, directory, index and footer right, where there
// is room for them.
func seal(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) < headerBytes+footerBytes {
		return b
	}
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[4:], Version)
	foot := b[len(b)-footerBytes:]
	copy(foot[footerBytes-len(footerMagic):], footerMagic)
	directory, length := binary.LittleEndian.Uint64(foot[8:]), binary.LittleEndian.Uint32(b[32:])
	if directory <= uint64(len(b)-footerBytes) && headerBytes+uint64(length) <= directory {
		schema := b[headerBytes : headerBytes+length]
		binary.LittleEndian.PutUint64(b[40:], xxhash.Sum64(schema))
		binary.LittleEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
		meta := xxhash.New()
		for _, x := range [][]byte{b[:headerBytes], schema, b[directory : len(b)-footerBytes]} {
			meta.Write(x)
		}
		binary.LittleEndian.PutUint64(foot[32:], meta.Sum64())
	} else {
		binary.LittleEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	}
	at := footerBytes - len(footerMagic) - 8
	binary.LittleEndian.PutUint64(foot[at:], xxhash.Sum64(foot[:at]))
	return b
}

// TestCorpus: files written before are still read.
func TestCorpus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i, s := range samples(t, r, 4) {
		old := golden.Seed(t, "FuzzOpen", fmt.Sprint("file", i), s.data)
		f, err := Open(bytes.NewReader(old), int64(len(old)))
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		for p, sums := range s.sums {
			var got []uint64
			if err := each(f, p, func(b *columnar.Batch) { got = append(got, kernel.SumRows(b, 0)) }); err != nil || !slices.Equal(got, sums) {
				t.Errorf("file %d: partition %d has other rows (%v)", i, p, err)
			}
		}
	}
}

// FuzzOpen: any bytes, with their checksums made right so that what lies behind
// them is reached, are refused or give rows that can be read.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range [][]byte{data, seal(data)} {
			x, err := Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				if !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("an error of another kind: %v", err)
				}
				continue
			}
			if s := x.Status(); s.Check() != nil {
				t.Fatalf("a status that does not fit: %v", s.Check())
			}
			for _, p := range x.Filled() {
				err := each(x, p, func(b *columnar.Batch) { shown(nil, b) })
				if err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("an error of another kind: %v", err)
				}
			}
		}
	})
}
