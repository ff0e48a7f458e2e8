package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-engine/millrace"
)

// TestPlan: a seed draws the same faults again, every kind, and none that has
// nothing to strike.
func TestPlan(t *testing.T) {
	drawn := map[Kind]int{}
	for seed := range uint64(200) {
		for v := range variants {
			a := plan(rand.New(rand.NewPCG(seed, 1)), Kinds(), v, time.Second)
			if b := plan(rand.New(rand.NewPCG(seed, 1)), Kinds(), v, time.Second); !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: %v and %v", seed, a, b)
			}
			for _, f := range a {
				drawn[f.kind]++
				if f.after < 0 || f.after > time.Second || (f.kind == Damage || f.kind == Fill) && v != kept && v != lean || f.kind == Sever && v != quic || f.kind == Cut && v == quic {
					t.Errorf("%s: %+v", v, f)
				}
			}
		}
	}
	if len(drawn) != len(Kinds()) {
		t.Errorf("only %v are drawn", drawn)
	}
}

// TestHung: a query hangs when nothing is told for a minute, and when it goes on
// for too long; faults give it more time.
func TestHung(t *testing.T) {
	for name, c := range map[string]struct {
		faults int
		told   time.Duration // how often something is
		takes  time.Duration
		hung   bool
	}{
		"quick":       {0, time.Hour, 9 * time.Second, false},
		"silent":      {9, time.Hour, 70 * time.Second, true},
		"long":        {0, time.Second, 30 * time.Second, true},
		"faults":      {2, time.Second, 90 * time.Second, false},
		"long faults": {2, time.Second, 110 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &watch{}
				ctx, done := w.guard(t.Context(), time.Second, func() int { return c.faults })
				over := time.After(c.takes)
				for going := true; going; {
					select {
					case <-time.After(c.told):
						w.mu.Lock()
						w.last = time.Now()
						w.mu.Unlock()
					case <-over:
						going = false
					case <-ctx.Done():
						going = false
					}
				}
				if done() != c.hung {
					t.Errorf("hung is not %t", c.hung)
				}
			})
		})
	}
}

// TestDamage: a byte of a file changes, of one that has no name any more, too.
func TestDamage(t *testing.T) {
	if supported != nil {
		t.Skip(supported)
	}
	r := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	if err := damageKept(dir, time.Time{}, r); !errors.Is(err, errMissed) {
		t.Errorf("nothing is damaged: %v", err)
	}
	path := filepath.Join(dir, "x.spill")
	if err := os.WriteFile(path, make([]byte, 9999), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := func(f *os.File) (n int) {
		b := make([]byte, 9999)
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		for _, x := range b {
			if x != 0 {
				n++
			}
		}
		return n
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := damageKept(dir, time.Time{}, r); err != nil || changed(f) != 1 {
		t.Errorf("%d bytes are changed: %v", changed(f), err)
	}
	os.Remove(path)
	if err := damageSpill([]int{os.Getpid()}, r); err != nil || changed(f) != 2 {
		t.Errorf("%d bytes are changed: %v", changed(f), err)
	}
}

// TestReport: a run fails by what it saw.
func TestReport(t *testing.T) {
	r := newReport(Options{})
	r.count(Kill, 2, nil)
	r.count(Kill, 0, errMissed)
	if !r.OK() || *r.Faults[Kill] != (Count{2, 1}) {
		t.Errorf("%+v", r.Faults[Kill])
	}
	if r.count(Cut, 0, context.Canceled); r.OK() {
		t.Error("a fault that does not work is fine")
	}
	if _, err := ParseKinds("kill,frogs"); err == nil {
		t.Error("there are frogs")
	}
	if _, err := Run(t.Context(), Options{SF: 0.02, Settings: []millrace.Option{}}); err == nil {
		t.Error("answers are known at scale factor 0.02")
	}
}
