package memory

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// M1: over the budget nothing is granted, and what was given back may be had
// again.
func TestBudget(t *testing.T) {
	b := NewBroker(10 << 20)
	r, s := b.Reserve("a", 0), b.Reserve("b", 4<<20)
	if b.Reserved() != 4<<20 {
		t.Fatalf("a minimum of 4 MiB reserves %d", b.Reserved())
	}
	if err := r.Grow(t.Context(), 6<<20); err != nil {
		t.Fatal(err)
	}
	if r.TryGrow(1) || !errors.Is(r.Grow(t.Context(), 1), ErrSpill) {
		t.Error("grew over the budget")
	}
	if !s.TryGrow(4 << 20) {
		t.Error("the minimum is not there")
	}
	if s.Pressure() != Critical {
		t.Errorf("pressure is %d of a budget that is used up", s.Pressure())
	}
	r.Shrink(6 << 20)
	if r.Held() != 0 || b.Reserved() != 5<<20 {
		t.Errorf("holds %d, %d reserved after all was given back but one quantum", r.Held(), b.Reserved())
	}
	if !s.TryGrow(5 << 20) {
		t.Error("what was given back is not to be had")
	}
	r.Close()
	s.Close()
	s.Close()
	if b.Reserved() != 0 || b.Peak() != 10<<20 {
		t.Errorf("%d reserved, peak %d", b.Reserved(), b.Peak())
	}
	if r.TryGrow(1) {
		t.Error("a closed reservation grew")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Grow(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Grow of a cancelled task says %v", err)
	}
}

// Pressure has a memory: once tight, it is idle again only below 70 %.
func TestPressure(t *testing.T) {
	b := NewBroker(100 << 20)
	r := b.Reserve("a", 0)
	defer r.Close()
	at := int64(0)
	for _, c := range []struct {
		used int64
		want Level
	}{{60, Idle}, {80, Idle}, {85, Tight}, {72, Tight}, {60, Idle}, {80, Idle}, {96, Critical}, {90, Tight}, {75, Tight}, {50, Idle}} {
		// A root keeps one quantum more than it uses once it gave something back.
		if n := c.used<<20 - at; n > 0 {
			if !r.TryGrow(n) {
				t.Fatal("cannot grow")
			}
		} else {
			r.Shrink(-n + 1<<20)
			at -= 1 << 20
		}
		at += c.used<<20 - at
		if r.Held() < at {
			at = r.Held()
		}
		if got := r.Pressure(); got != c.want {
			t.Errorf("at %d %% (%d reserved): %d, want %d", c.used, b.Reserved()>>20, got, c.want)
		}
	}
}

// M3: closing a parent gives back what its children hold; closing a child gives
// its share to the parent.
func TestChildren(t *testing.T) {
	b := NewBroker(10 << 20)
	r := b.Reserve("task", 0)
	c, d := r.Child("sort"), r.Child("join")
	if !c.TryGrow(3<<20) || !d.TryGrow(2<<20) {
		t.Fatal("cannot grow")
	}
	if r.Held() != 5<<20 || c.Held() != 3<<20 || r.Peak() != 5<<20 {
		t.Errorf("parent %d, child %d, peak %d", r.Held(), c.Held(), r.Peak())
	}
	c.Close()
	if r.Held() != 2<<20 {
		t.Errorf("parent holds %d after a child's end", r.Held())
	}
	r.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved", b.Reserved())
	}
	if d.TryGrow(1) {
		t.Error("the child of a closed reservation grew")
	}
	d.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved", b.Reserved())
	}
}

// Transfer moves what is held without asking for it twice.
func TestTransfer(t *testing.T) {
	b := NewBroker(8 << 20)
	r, s := b.Reserve("a", 0), b.Reserve("b", 0)
	c, d, e := r.Child("c"), r.Child("d"), s.Child("e")
	if !c.TryGrow(8 << 20) {
		t.Fatal("cannot grow")
	}
	if err := c.Transfer(d, 3<<20); err != nil {
		t.Fatal(err)
	}
	if c.Held() != 5<<20 || d.Held() != 3<<20 || r.Held() != 8<<20 {
		t.Errorf("c %d, d %d, r %d", c.Held(), d.Held(), r.Held())
	}
	if err := d.Transfer(e, 2<<20); err != nil { // the budget is used up: the quanta must move
		t.Fatal(err)
	}
	if d.Held() != 1<<20 || e.Held() != 2<<20 || s.Held() != 2<<20 || r.Held() != 6<<20 || b.Reserved() != 8<<20 {
		t.Errorf("d %d, e %d, s %d, r %d, reserved %d", d.Held(), e.Held(), s.Held(), r.Held(), b.Reserved())
	}
	if err := d.Transfer(e, 1<<19); !errors.Is(err, ErrSpill) { // half a quantum cannot move
		t.Errorf("got %v", err)
	}
	if d.Held() != 1<<20 || e.Held() != 2<<20 || r.Held() != 6<<20 || b.Reserved() != 8<<20 {
		t.Errorf("after a failure: d %d, e %d, r %d, reserved %d", d.Held(), e.Held(), r.Held(), b.Reserved())
	}
	s.Close()
	if err := d.Transfer(e, 1<<20); !errors.Is(err, ErrSpill) {
		t.Errorf("moved to a closed reservation: %v", err)
	}
	r.Close()
	if b.Reserved() != 0 {
		t.Errorf("%d reserved", b.Reserved())
	}
}

// Many goroutines grow, shrink and move at random: the books are right at the
// end and the budget was never exceeded.
func TestConcurrent(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	b := NewBroker(64 << 20)
	roots := []Reservation{b.Reserve("a", 0), b.Reserve("b", 2<<20), b.Reserve("c", 0)}
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			from, to := roots[g%3].Child("x"), roots[(g+1)%3].Child("y")
			held, moved := int64(0), int64(0)
			for range 3000 {
				n := r.Int64N(3 << 20)
				switch r.IntN(3) {
				case 0:
					if from.TryGrow(n) {
						held += n
					}
				case 1:
					n = min(n, held)
					from.Shrink(n)
					held -= n
				case 2:
					n = min(n, held)
					if from.Transfer(to, n) == nil {
						held -= n
						moved += n
						to.Shrink(moved)
						moved = 0
					}
				}
				if from.Held() != held || to.Held() != moved {
					t.Errorf("seed %d: held %d want %d, moved %d want %d", seed, from.Held(), held, to.Held(), moved)
					return
				}
			}
			from.Close()
			to.Close()
		})
	}
	wg.Wait()
	if b.Peak() > b.Budget() {
		t.Errorf("seed %d: peak %d", seed, b.Peak())
	}
	for _, r := range roots {
		if r.Held() != 0 {
			t.Errorf("seed %d: %d held at the end", seed, r.Held())
		}
		r.Close()
	}
	if b.Reserved() != 0 {
		t.Errorf("seed %d: %d reserved at the end", seed, b.Reserved())
	}
}

func BenchmarkGrowShrink(b *testing.B) {
	r := NewBroker(1<<30).Reserve("a", 8<<20).Child("op")
	for b.Loop() {
		r.TryGrow(4096)
		r.Shrink(4096)
	}
}
