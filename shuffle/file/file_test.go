package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/columnartest"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/shuffle"
)

// seeded returns a generator and prints its seed.
func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// written is a batch that went to a partition.
type written struct {
	partition int
	batch     *columnar.Batch
}

// write writes a file of some batches and returns it with its bytes.
func write(t testing.TB, info Info, s *columnar.Schema, codec chunk.Codec, all []written) (*File, []byte) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w, err := Create(root, info, s, codec)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, x := range all {
		if _, err := w.Append(x.partition, x.batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, info.Name()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f, data
}

// each reads a partition and calls do with each batch.
func each(f *File, partition int, do func(*columnar.Batch)) error {
	r, err := f.Read(context.Background(), partition, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		do(b)
	}
}

// shown renders the selected rows of a batch.
func shown(out []string, b *columnar.Batch) []string {
	for i := range b.Selected() {
		var row strings.Builder
		for c := range b.Cols {
			row.WriteString(columnartest.Show(&b.Cols[c], b.RowAt(i)) + "|")
		}
		out = append(out, row.String())
	}
	return out
}

// What was written to each partition comes back, in order: of every type and
// encoding, few and very many partitions, most of them empty, batches without rows
// and with a selection. The status that the file tells is the writer's.
func TestRoundTrip(t *testing.T) {
	r := seeded(t)
	for _, partitions := range []int{1, 7, 1025, 65537} {
		for _, codec := range []chunk.Codec{chunk.Raw, chunk.LZ4} {
			s := columnartest.Schema(columnartest.Types...)
			info := Info{Job: 3, Exchange: 2, Map: 5, Attempt: 1000, Partitions: partitions}
			var all []written
			want, sums := map[int][]string{}, make([]shuffle.Part, partitions)
			for range 40 {
				p := r.IntN(partitions)
				if r.IntN(3) == 0 {
					p = partitions - 1
				}
				b := columnartest.Batch(r, s, []int{0, 1, 100, 1000}[r.IntN(4)])
				if r.IntN(3) == 0 {
					b.Sel = []uint16{}
					for i := range b.Rows {
						if r.IntN(2) == 0 {
							b.Sel = append(b.Sel, uint16(i))
						}
					}
				}
				all = append(all, written{p, b})
				want[p] = shown(want[p], b)
				sums[p].Add(b)
			}
			f, data := write(t, info, s, codec, all)
			if f.Info != info || !f.Schema.Equal(s) || f.Size != int64(len(data)) {
				t.Fatalf("the file is of %+v with %s", f.Info, f.Schema)
			}
			status := f.Status()
			if status.Partitions != partitions || status.Map != 5 || status.Attempt != 1000 {
				t.Fatalf("the status is %+v", status)
			}
			for p := range partitions {
				if status.Has(p) != (sums[p].Rows > 0) || f.Summary(p).Sum != sums[p].Sum {
					t.Fatalf("partition %d has %v, want %v", p, f.Summary(p), sums[p].Sum)
				}
				if sums[p].Rows == 0 && p > 10 {
					continue
				}
				var got []string
				if err := each(f, p, func(b *columnar.Batch) { got = shown(got, b) }); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want[p]) {
					t.Fatalf("%d partitions, codec %d: partition %d has %d rows that are not the %d written", partitions, codec, p, len(got), len(want[p]))
				}
			}
		}
	}
}

// A row of 64 MiB, and batches that are too large for a chunk.
func TestLargeRows(t *testing.T) {
	s := columnar.NewSchema(columnar.Field{Name: "s", Type: columnar.StringType})
	strings := func(sizes ...int) *columnar.Batch {
		off, data := []int32{0}, []byte{}
		for i, n := range sizes {
			data = append(data, bytes.Repeat([]byte{'a' + byte(i%26)}, n)...)
			off = append(off, int32(len(data)))
		}
		return &columnar.Batch{Schema: s, Rows: len(sizes), Cols: []columnar.Vector{{Type: columnar.StringType, Len: len(sizes), Data: columnar.BytesOf(off), Bytes: data}}}
	}
	batches := []*columnar.Batch{strings(1, 64<<20, 2), strings(3<<20, 3<<20, 0, 3<<20, 7)}
	f, _ := write(t, Info{Partitions: 2}, s, chunk.LZ4, []written{{1, batches[0]}, {1, batches[1]}})
	rows, at := 0, 0
	if err := each(f, 1, func(b *columnar.Batch) {
		for i := range b.Rows {
			want := batches[at].Cols[0].StringAt(rows)
			if b.Cols[0].StringAt(i) != want {
				t.Fatalf("row %d of batch %d differs", rows, at)
			}
			if rows++; rows == batches[at].Rows {
				rows, at = 0, at+1
			}
		}
	}); err != nil || at != 2 {
		t.Fatal(at, err)
	}
	if n := f.Summary(1).Chunks; n < 5 {
		t.Errorf("%d chunks", n)
	}
}

// What a reader needs is charged until it is closed.
func TestReadCharges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := columnartest.Schema(columnar.Int64Type)
	f, _ := write(t, Info{Partitions: 1}, s, chunk.Raw, []written{{0, columnartest.Batch(r, s, 8000)}})
	broker := memory.NewBroker(16 << 20)
	task := broker.Reserve("task", 0)
	x, err := f.Read(t.Context(), 0, task)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Next(t.Context()); err != nil || task.Held() == 0 {
		t.Fatal(task.Held(), err)
	}
	x.Close()
	x.Close()
	if task.Held() != 0 {
		t.Errorf("%d bytes are held", task.Held())
	}
	task.Close()
}

// Names tell attempts apart; there is no name before all is written, and nothing is
// left of what was not committed.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := columnartest.Schema(columnar.Int64Type)
	b := columnartest.Batch(rand.New(rand.NewPCG(1, 1)), s, 10)
	list := func() (out []string) {
		err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if !d.IsDir() {
				out = append(out, strings.TrimPrefix(p, dir+"/"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for attempt := range 2 {
		w, err := Create(root, Info{Job: 1, Exchange: 2, Map: 3, Attempt: attempt, Partitions: 1}, s, chunk.LZ4)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Append(0, b); err != nil {
			t.Fatal(err)
		}
		if names := list(); len(names) != attempt+1 || !strings.HasSuffix(names[attempt], ".tmp") {
			t.Fatalf("before Commit there are %q", names)
		}
		if f, err := w.Commit(); err != nil || f.Total.Rows != 10 {
			t.Fatal(f, err)
		}
		w.Close()
	}
	w, err := Create(root, Info{Job: 1, Exchange: 2, Map: 4, Partitions: 1}, s, chunk.LZ4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(0, b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if names, want := list(), []string{"job-1-exchange-2/3-0.mrs", "job-1-exchange-2/3-1.mrs"}; !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	if _, _, err := OpenPath(dir); !errors.Is(err, ErrAbsent) {
		t.Errorf("a directory: %v", err)
	}
	if _, _, err := OpenPath(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	f, closer, err := OpenPath(filepath.Join(dir, "job-1-exchange-2/3-1.mrs"))
	if err != nil || f.Attempt != 1 {
		t.Fatal(f, err)
	}
	closer.Close()
}

// A directory that names a chunk twice, leaves one out, or has them in another
// order or partition: whatever its checksums say, the row hash tells.
func TestTamperedDirectory(t *testing.T) {
	r := seeded(t)
	s := columnartest.Schema(columnar.Int64Type, columnar.StringType)
	var all []written
	for i := range 12 {
		all = append(all, written{i % 2, kernel.Compact(columnartest.Batch(r, s, 50), nil)})
	}
	_, data := write(t, Info{Partitions: 2}, s, chunk.LZ4, all)
	other, _ := write(t, Info{Map: 1, Partitions: 2}, s, chunk.LZ4, all[2:4])
	for name, change := range map[string]func(f *File){
		"dropped":   func(f *File) { f.filled[0].chunks-- },
		"doubled":   func(f *File) { f.chunks[1] = f.chunks[2] },
		"reordered": func(f *File) { f.chunks[1], f.chunks[2] = f.chunks[2], f.chunks[1] },
		"partition": func(f *File) { f.chunks[1] = f.chunks[7] },
		"map task": func(f *File) {
			f.chunks, f.firsts, f.filled[0].chunks = slices.Clone(other.chunks[:1]), []int{0, 0}, 1
			f.from = other.from
		},
	} {
		f, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if err := each(f, 0, func(*columnar.Batch) {}); err != nil {
			t.Fatal(err)
		}
		change(f)
		if err := each(f, 0, func(*columnar.Batch) {}); !errors.Is(err, ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "were read of") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
