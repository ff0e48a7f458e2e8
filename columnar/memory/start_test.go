package memory

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

// A child of a task has its floor however much the others took, and what all
// use adds up to the byte.
func TestFloors(t *testing.T) {
	b := NewBroker(10 << 20)
	r, err := b.Start(t.Context(), "task", 4<<20, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sort, sink, late := r.Child("sort"), r.Child("sink"), r.Child("late")
	if r.Held() != 2<<20 || !sort.TryGrow(9<<20) || sort.TryGrow(1) {
		t.Fatalf("a sort cannot have all but the floor of the sink, %d held", r.Held())
	}
	if r.Held() != 10<<20 || late.TryGrow(1) {
		t.Fatalf("%d held; a child without a floor got one", r.Held())
	}
	if !sink.TryGrow(Floor) || sink.TryGrow(1) || r.Held() != 10<<20 {
		t.Fatalf("the floor of the sink is gone, %d held", r.Held())
	}
	if sort.Transfer(sink, 1<<10) != nil || sink.Held() != Floor+1<<10 || r.Held() != 10<<20 {
		t.Errorf("after a transfer: sink %d, task %d", sink.Held(), r.Held())
	}
	sort.Shrink(8 << 20)
	if err := sink.Transfer(sort, 1<<10); err != nil || r.Held() != 2<<20 {
		t.Errorf("sort %d, sink %d, task %d: %v", sort.Held(), sink.Held(), r.Held(), err)
	}
	sort.Close()
	again := r.Child("again") // has the floor of the sort
	if !again.TryGrow(Floor) || r.Held() != 2<<20 {
		t.Errorf("a floor is lost: %d held", r.Held())
	}
	again.Close()
	sink.Close()
	if r.Held() != 2<<20 {
		t.Errorf("%d held at the end", r.Held())
	}
}

// A task waits for its minimum while it holds nothing, and can be stopped.
func TestStartWaits(t *testing.T) {
	b := NewBroker(8 << 20)
	first, err := b.Start(t.Context(), "first", 5<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { _, err := b.Start(ctx, "stopped", 6<<20, 0); stopped <- err }()
	second := make(chan Reservation)
	go func() {
		r, err := b.Start(context.Background(), "second", 4<<20, 0)
		if err != nil {
			t.Error(err)
		}
		second <- r
	}()
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if b.Reserved() != 5<<20 {
		t.Errorf("%d reserved while others wait", b.Reserved())
	}
	first.Close()
	r := <-second
	if b.Reserved() != 4<<20 {
		t.Errorf("%d reserved", b.Reserved())
	}
	r.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved at the end", b.Reserved())
	}
}

// A task that waits for who reads its rows does not keep out the one that has the
// rows that are read first.
func TestPark(t *testing.T) {
	b := NewBroker(4 << 20)
	late, err := b.Start(t.Context(), "late", 3<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan Reservation)
	go func() {
		r, err := b.Start(context.Background(), "first", 2<<20, 0)
		if err != nil {
			t.Error(err)
		}
		first <- r
	}()
	Park(late, true)
	r := <-first
	if b.Reserved() != 5<<20 || r.TryGrow(3<<20) {
		t.Errorf("%d reserved", b.Reserved())
	}
	Park(late, false)
	r.Close()
	late.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved at the end", b.Reserved())
	}
}

// A job that can never run is told what it needs; one that can waits for others.
func TestAdmit(t *testing.T) {
	b := NewBroker(16 << 20)
	_, err := b.Admit(t.Context(), "job 1", 7<<20, 10<<20-100)
	var d *diag.Error
	if !errors.As(err, &d) || d.Class != diag.MemoryLimit || d.Message != "the query needs a memory budget of at least 17 MiB; it is 16 MiB" {
		t.Fatalf("got %v", err)
	}
	one, err := b.Admit(t.Context(), "job 1", 6<<20, 6<<20)
	if err != nil {
		t.Fatal(err)
	}
	st := Part(one, "stage", 2<<20)
	if !st.TryGrow(6<<20) || st.TryGrow(3<<20) { // leaves room for a task (A3)
		t.Errorf("a stage holds %d", st.Held())
	}
	two := make(chan Reservation)
	go func() {
		r, err := b.Admit(context.Background(), "job 2", 6<<20, 6<<20)
		if err != nil {
			t.Error(err)
		}
		two <- r
	}()
	one.Close()
	(<-two).Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved at the end", b.Reserved())
	}
}

// blocks is a store whose blocks are all alike.
type blocks struct {
	r     Reservation
	woken atomic.Int64
	bell  chan struct{} // may be nil
}

func (s *blocks) Reclaim(_ context.Context, n int64) int64 {
	n = min(roundUp(n), s.r.Held())
	s.r.Shrink(n)
	return n
}
func (s *blocks) Wake() {
	s.woken.Add(1)
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Grow takes what the store borrowed, TryGrow has it given back for the next
// time, a start takes all that it needs; nothing of it presses on tasks.
func TestReclaim(t *testing.T) {
	b := NewBroker(100 << 20)
	s := &blocks{}
	s.r = b.Store("blocks", s)
	for s.r.TryGrow(1 << 20) {
	}
	if s.r.Held() != 85<<20 || s.r.Pressure() != Tight {
		t.Fatalf("the store borrowed %d, pressure %d", s.r.Held()>>20, s.r.Pressure())
	}
	r, err := b.Start(t.Context(), "task", 10<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Pressure() != Idle {
		t.Errorf("pressure %d on a task", r.Pressure())
	}
	if s.woken.Store(0); r.TryGrow(20<<20) || s.woken.Load() == 0 {
		t.Error("TryGrow took from the store, or did not wake it")
	}
	if err := r.Grow(t.Context(), 20<<20); err != nil {
		t.Error(err)
	}
	if err := r.Grow(t.Context(), 31<<20); !errors.Is(err, ErrSpill) || s.r.Held() < 50<<20 {
		t.Errorf("%v, the store has %d left", err, s.r.Held()>>20)
	}
	last, err := b.Start(t.Context(), "task", 60<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	last.Close()
	r.Close()
	s.r.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved at the end", b.Reserved())
	}
}

// Many tasks start, grow and end at once beside a store: everybody gets in, and
// nothing is left at the end.
func TestStartsConcurrently(t *testing.T) {
	b := NewBroker(32 << 20)
	s := &blocks{bell: make(chan struct{}, 1)}
	s.r = b.Store("blocks", s)
	var wg, back sync.WaitGroup
	back.Go(func() {
		for range s.bell {
			s.Reclaim(t.Context(), b.Wanted())
		}
	})
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				r, err := b.Start(t.Context(), "task", int64(1+(g+i)%20)<<20, 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				c, d := r.Child("a"), r.Child("b")
				for c.Grow(t.Context(), 300<<10) == nil && c.Held() < 8<<20 {
					if c.Held()>>10%4 == 0 {
						_ = c.Transfer(d, 100<<10)
						_ = d.Transfer(s.r, 50<<10)
					}
				}
				s.r.TryGrow(1 << 20)
				d.Close()
				c.Close()
				if held := r.Held(); held != 1<<20 {
					t.Errorf("%d held by a task whose children are closed", held)
				}
				r.Close()
			}
		})
	}
	wg.Wait()
	close(s.bell)
	back.Wait()
	if b.Peak() > b.Budget() {
		t.Errorf("the peak is %d", b.Peak())
	}
	s.r.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved at the end", b.Reserved())
	}
}

// The collector's limit is what the budgets leave beside the slabs, and what it
// was before once nobody governs.
func TestGovern(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	b := NewBroker(1 << 30)
	stop := b.Govern()
	live, idle := SlabBytes()
	want := int64(1<<30+1<<27+heapRoom) - live - idle
	if got := debug.SetMemoryLimit(-1); got != want {
		t.Errorf("the limit is %d, want %d", got, want)
	}
	x := AllocSlab(64 << 20)
	if got := debug.SetMemoryLimit(-1); got != want-64<<20 {
		t.Errorf("with a slab of 64 MiB the limit is %d, want %d", got, want-64<<20)
	}
	FreeSlab(x)
	stop()
	stop()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d at the end, was %d", got, before)
	}
}
