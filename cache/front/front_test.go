package front_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// What is put in comes out at once, under its own key and type; what is not there, or
// was never turned on, is a miss.
func TestGet(t *testing.T) {
	b := memory.NewBroker(64 << 20)
	var c front.Cache
	c.Put(front.Footer, "a", 1, 100)
	if _, ok := front.Get[int](&c, front.Footer, "a"); ok {
		t.Error("a cache that is off kept a value")
	}
	c.Attach(b, front.On)
	defer c.Close()
	c.Put(front.Footer, "a", 1, 100)
	if v, ok := front.Get[int](&c, front.Footer, "a"); !ok || v != 1 {
		t.Errorf("got %v, %v", v, ok)
	}
	if _, ok := front.Get[string](&c, front.Footer, "a"); ok {
		t.Error("a value came as another type")
	}
	if _, ok := front.Get[int](&c, front.PageIndex, "b"); ok {
		t.Error("a value that nobody put")
	}
	if s := c.Stats(); len(s) != 2 || s[0].Hits != 1 || s[0].Misses != 1 || s[0].Bytes != 100 || s[1].Misses != 1 {
		t.Errorf("statistics %+v", s)
	}
}

// Whoever asks the broker for memory gets all of it back, whatever is here.
func TestReclaim(t *testing.T) {
	b := memory.NewBroker(32 << 20)
	var c front.Cache
	c.Attach(b, front.On)
	for i := range 300 {
		c.Put(front.Footer, fmt.Sprint(i), i, 10<<10)
	}
	r, err := b.Start(context.Background(), "task", 30<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !r.TryGrow(30<<20) && b.Reserved() > 32<<20 {
		t.Errorf("a task got no memory: %d bytes are reserved", b.Reserved())
	}
	r.Close()
	c.Close()
	if n := b.Reserved(); n != 0 {
		t.Errorf("%d bytes stay reserved", n)
	}
}

// What is held never takes more than its share, and what is counted is what is held,
// however values come, go and are evicted at once.
func TestBounded(t *testing.T) {
	for _, mode := range []front.Mode{front.On, front.Lossy} {
		b := memory.NewBroker(16 << 20)
		var c front.Cache
		c.Attach(b, mode)
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := range 2000 {
					key := fmt.Sprint((g*i + i) % 1500)
					if v, ok := front.Get[string](&c, front.Footer, key); ok && v != key {
						t.Errorf("%s for %s", v, key)
					}
					c.Put(front.Footer, key, key, 4<<10)
					if i%100 == 0 {
						c.Reclaim(context.Background(), 64<<10)
					}
				}
			})
		}
		all.Wait()
		s := c.Stats()[0]
		if mode == front.Lossy && (s.Items != 0 || s.Hits > 0 && s.Evicted == 0) {
			t.Errorf("a lossy cache keeps %+v", s)
		}
		if s.Bytes != s.Items*4<<10 {
			t.Errorf("%+v", s)
		}
		c.Close()
		if n := b.Reserved(); n != 0 {
			t.Errorf("%s: %d bytes stay reserved", mode, n)
		}
	}
}
