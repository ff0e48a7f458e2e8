package spill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

var schema = columnar.NewSchema(columnar.Field{Name: "n", Type: columnar.Int64Type}, columnar.Field{Name: "s", Type: columnar.StringType, Nullable: true},
	columnar.Field{Name: "d", Type: columnar.StringType})

// words is a dictionary that all batches share, as operators hand it on.
var words = func() *columnar.Dictionary {
	var b []byte
	off := []int32{0}
	for i := range 20_000 {
		b = append(b, strings.Repeat("word", i%9)...)
		off = append(off, int32(len(b)))
	}
	return &columnar.Dictionary{Values: columnar.Vector{Type: columnar.StringType, Len: len(off) - 1, Data: columnar.BytesOf(off), Bytes: b}}
}()

// batch returns rows numbered from at on; every size up to the longest string
// comes about equally often.
func batch(r *rand.Rand, at, n, longest int) *columnar.Batch {
	b := &columnar.Batch{Schema: schema, Rows: n}
	ints, off, codes := make([]int64, n), make([]int32, n+1), make([]uint32, n)
	var text []byte
	valid := columnar.NewBitmap(n)
	for i := range n {
		ints[i], codes[i] = int64(at+i), uint32(r.IntN(words.Values.Len))
		text = append(text, strings.Repeat("x", r.IntN(longest+1))...)
		off[i+1] = int32(len(text))
		valid.SetTo(i, r.IntN(5) > 0)
	}
	b.Cols = []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(ints)},
		{Type: columnar.StringType, Len: n, Data: columnar.BytesOf(off), Bytes: text, Valid: valid},
		{Type: columnar.StringType, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: words}}
	if r.IntN(2) == 0 {
		b.Sel = []uint16{}
		for i := range n {
			if r.IntN(3) > 0 {
				b.Sel = append(b.Sel, uint16(i))
			}
		}
	}
	return b
}

func show(b *columnar.Batch) (out []string) {
	for i := range b.Selected() {
		row := b.RowAt(i)
		s := "null"
		if !b.Cols[1].NullAt(row) {
			s = string(b.Cols[1].BytesAt(row))
		}
		out = append(out, fmt.Sprint(b.Cols[0].Int64At(row), s, string(b.Cols[2].BytesAt(row))))
	}
	return out
}

func readAll(ctx context.Context, r *Run, to memory.Reservation) (out []string, most int, err error) {
	d, err := r.Open(ctx, to)
	if err != nil {
		return nil, 0, err
	}
	defer d.Close()
	for {
		b, err := d.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, most, nil
		}
		if err != nil {
			return nil, 0, err
		}
		most = max(most, int(b.MemoryBytes()))
		out = append(out, show(b)...)
	}
}

// TestRuns: many runs grow in one file by batches of all sizes; each is read
// back by several readers at once, in its order, and what is dropped is given
// back.
func TestRuns(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "deep", "spill")
	s := NewSpace(dir)
	f := s.File()
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a directory before the first write") // P1
	}
	runs, want := make([]*Run, 7), make([][]string, 7)
	for i := range runs {
		runs[i] = f.NewRun(fmt.Sprint("run ", i))
	}
	for step := range 150 {
		i := r.IntN(len(runs) - 1) // the last one stays empty
		b := batch(r, step*10_000, 1+r.IntN([]int{3, 300, columnar.MaxRows}[r.IntN(3)]), []int{0, 9, 400}[r.IntN(3)])
		if err := runs[i].Append(ctx, b); err != nil {
			t.Fatal(err)
		}
		want[i] = append(want[i], show(b)...)
	}
	broker := memory.NewBroker(64 << 20)
	task := broker.Reserve("task", 0)
	var wg sync.WaitGroup
	for i := range runs {
		for range 2 {
			wg.Go(func() {
				got, most, err := readAll(ctx, runs[i], task)
				if err != nil || strings.Join(got, "\n") != strings.Join(want[i], "\n") {
					t.Errorf("run %d: %d rows, want %d (%v)", i, len(got), len(want[i]), err)
				}
				if most > 4*mostChunk {
					t.Errorf("run %d has a batch of %d bytes", i, most)
				}
			})
		}
		if n := runs[i].Rows(); n != int64(len(want[i])) {
			t.Errorf("run %d counts %d rows, want %d", i, n, len(want[i]))
		}
	}
	wg.Wait()
	if task.Held() != 0 {
		t.Errorf("readers left %d bytes charged", task.Held())
	}
	if s.Written() != f.Spilled() || s.Live() != s.Written() || s.Live() == 0 {
		t.Errorf("%d written, %d of the file, %d live", s.Written(), f.Spilled(), s.Live())
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d names in the directory", len(left)) // P1
	}
	for _, x := range runs[1:] {
		x.Drop()
	}
	if got, _, err := readAll(ctx, runs[0], nil); err != nil || len(got) != len(want[0]) {
		t.Errorf("a run beside dropped ones has %d rows (%v)", len(got), err)
	}
	runs[0].Drop()
	if s.Live() != 0 {
		t.Errorf("%d bytes live after all runs were dropped", s.Live())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory stays")
	}
	if runs[1].Append(ctx, batch(r, 0, 10, 9)) == nil && runs[1].Flush() == nil {
		t.Error("rows are written to a closed space")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestMemory: a reader that cannot be paid for is not opened.
func TestMemory(t *testing.T) {
	ctx := context.Background()
	s := NewSpace("")
	defer s.Close()
	r := s.File().NewRun("r")
	if err := r.Append(ctx, batch(rand.New(rand.NewPCG(1, 1)), 0, columnar.MaxRows, 400)); err != nil {
		t.Fatal(err)
	}
	task := memory.NewBroker(1<<20).Reserve("task", 0)
	if !task.TryGrow(1<<20 - 1000) {
		t.Fatal("no memory")
	}
	if _, err := r.Open(ctx, task); !errors.Is(err, memory.ErrSpill) {
		t.Errorf("opened without memory: %v", err)
	}
	task.Shrink(1<<20 - 1000)
	if _, _, err := readAll(ctx, r, task); err != nil || task.Held() != 0 {
		t.Errorf("%v; %d bytes held", err, task.Held())
	}
}

// full is a device that takes a number of bytes and then no more.
type full struct {
	Device
	left int
}

func (f *full) WriteAt(p []byte, off int64) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "there", Err: syscall.ENOSPC}
	}
	return f.Device.WriteAt(p, off)
}

// TestFull: a full device is told with place, amount and remedy; what lies
// there can still be read, and nothing stays.
func TestFull(t *testing.T) {
	ctx, r := context.Background(), rand.New(rand.NewPCG(1, 1))
	for _, limit := range []bool{false, true} {
		dir := t.TempDir()
		s := NewSpace(dir)
		if limit {
			s.Limit = 1 << 20
		} else {
			s.Open = func(dir string) (Device, error) {
				d, err := openUnlinked(dir)
				return &full{d, 1 << 20}, err
			}
		}
		f := s.File()
		run, err := f.NewRun("r"), error(nil)
		first := batch(r, 0, 100, 9)
		if err := run.Append(ctx, first); err != nil {
			t.Fatal(err)
		}
		if err := run.Flush(); err != nil {
			t.Fatal(err)
		}
		other := f.NewRun("other")
		for i := 0; err == nil; i++ {
			if i == 1000 {
				t.Fatal("it never became full")
			}
			err = other.Append(ctx, batch(r, 0, columnar.MaxRows, 100))
		}
		var e *diag.Error
		if !errors.As(err, &e) || e.Class != diag.SpillFailed || e.Path != dir || e.Remedy == "" || !strings.Contains(e.Message, "KiB more could not be spilled to "+dir) {
			t.Fatalf("%v", err)
		}
		if !limit && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the cause is lost: %v", err)
		}
		if got, _, err := readAll(ctx, run, nil); err != nil || len(got) != first.Selected() {
			t.Errorf("after the failure: %d rows, %v", len(got), err)
		}
		other.Drop()
		if limit && other.Append(ctx, batch(r, 0, columnar.MaxRows, 9)) != nil {
			t.Error("no room after a run was dropped")
		}
		if err := s.Close(); err != nil || s.Live() != 0 {
			t.Errorf("%v; %d bytes live", err, s.Live())
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%d files stay", len(left))
		}
	}
}

// TestDamage: bytes that changed on the device are an error, never rows.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	s := NewSpace(t.TempDir())
	defer s.Close()
	f := s.File()
	r := f.NewRun("r")
	if err := r.Append(ctx, batch(rand.New(rand.NewPCG(1, 1)), 0, columnar.MaxRows, 9)); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.device.WriteAt([]byte{0xff, 0xfe, 0xfd}, f.end.Load()/2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readAll(ctx, r, nil); diag.ClassOf(err) != diag.SpillFailed {
		t.Errorf("%v", err)
	}
}

// TestBreakEven: a slow device is given compressed chunks, a fast one raw ones.
func TestBreakEven(t *testing.T) {
	for _, c := range []struct {
		write time.Duration // of 100 KB
		want  int
	}{{time.Microsecond, 0}, {time.Millisecond, 1}} {
		var b breakEven
		n := [2]int{}
		for range 100 {
			codec := b.choose()
			n[codec]++
			stored, encode := int64(100_000), 20*time.Microsecond
			if codec == 1 {
				stored, encode = 40_000, 220*time.Microsecond
			}
			b.observe(codec, 100_000, stored, encode, c.write*time.Duration(stored)/100_000)
		}
		if n[c.want] < 80 {
			t.Errorf("writing takes %s: %d raw, %d compressed", c.write, n[0], n[1])
		}
	}
}
