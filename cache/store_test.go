package cache

import (
	"errors"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

func ints(n int) *columnar.Batch {
	return &columnar.Batch{Rows: n, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: n, Stable: true, Data: make([]byte, 8*n)}}}
}

func coded(n int, d *columnar.Dictionary) *columnar.Batch {
	return &columnar.Batch{Rows: n, Cols: []columnar.Vector{{Type: columnar.StringType, Enc: columnar.Dict, Dict: d, Len: n, Stable: true, Data: make([]byte, 4*n)}}}
}

// What blocks hold is charged while they are held, and given back to the byte
// (B2); a shared dictionary is charged once.
func TestAccounting(t *testing.T) {
	broker := memory.NewBroker(64 << 20)
	s := NewStore(broker.Reserve("blocks", 0))
	dict := &columnar.Dictionary{Values: columnar.Vector{Type: columnar.StringType, Len: 1, Data: make([]byte, 8), Bytes: make([]byte, 1<<20)}}
	for p := range 10 {
		if err := s.Put(BlockID{Job: 1, Exchange: 1, Partition: p}, []*columnar.Batch{ints(100), coded(10, dict), coded(10, dict)}); err != nil {
			t.Fatal(err)
		}
	}
	want := int64(10*(800+80) + 1<<20 + 8)
	if s.Bytes() != want || s.Len() != 10 {
		t.Fatalf("%d blocks of %d bytes, want 10 of %d", s.Len(), s.Bytes(), want)
	}
	s.DropWhere(func(b BlockID) bool { return b.Partition < 9 })
	if want = 880 + 1<<20 + 8; s.Bytes() != want {
		t.Fatalf("after dropping nine: %d bytes, want %d", s.Bytes(), want)
	}
	s.DropWhere(func(b BlockID) bool { return b.Job == 1 })
	if s.Bytes() != 0 || s.Len() != 0 {
		t.Fatalf("after dropping all: %d bytes, %d blocks", s.Bytes(), s.Len())
	}
	s.Close()
	if broker.Reserved() != 0 {
		t.Fatalf("%d bytes are still reserved", broker.Reserved())
	}
}

// A block is written once (B1), its readers keep what they got, and a full
// budget is the user's error.
func TestPutGet(t *testing.T) {
	s := NewStore(memory.NewBroker(1<<20).Reserve("blocks", 0))
	defer s.Close()
	id, first := BlockID{Job: 1, Exchange: 2, Map: 3, Attempt: 1}, ints(5)
	for _, b := range []*columnar.Batch{first, ints(7)} {
		if err := s.Put(id, []*columnar.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := s.Get(id)
	if !ok || len(got) != 1 || got[0] != first || s.Bytes() != 40 {
		t.Fatalf("got %v %v, %d bytes", got, ok, s.Bytes())
	}
	if _, ok := s.Get(BlockID{Job: 1, Exchange: 2, Map: 3, Attempt: 2}); ok {
		t.Fatal("an attempt that wrote nothing has a block")
	}
	err := s.Put(BlockID{Job: 2}, []*columnar.Batch{ints(1 << 20)})
	if !errors.Is(err, &diag.Error{Class: diag.MemoryLimit}) {
		t.Fatalf("got %v, want %s", err, diag.MemoryLimit)
	}
	if s.Bytes() != 40 {
		t.Fatalf("a refused block is charged: %d bytes", s.Bytes())
	}
	if got := id.String(); got != "job 1 exchange 2 map 3.1 partition 0" {
		t.Fatalf("printed as %q", got)
	}
}
