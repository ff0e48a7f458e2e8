package service_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
)

// byMap is a user's policy: exchanges of higher numbers are more urgent, and among
// equals, the last goes first.
type byMap struct{}

func (byMap) Urgency(f service.Fetch) transport.Urgency { return transport.Urgency(7 - f.Exchange) }

func (byMap) Before(_ time.Time, a, b transport.Ticket) bool {
	if a.Urgency != b.Urgency {
		return a.Urgency < b.Urgency
	}
	return a.Arrival.After(b.Arrival)
}

// held is a codec that waits before each batch and notes whose turn it is.
type held struct {
	service.Codec
	mu    sync.Mutex
	order []int64
	open  chan struct{}
}

func (h *held) Name() string { return "held" }

func (h *held) Append(dst []byte, b *columnar.Batch) ([]byte, error) {
	h.mu.Lock()
	h.order = append(h.order, b.Cols[0].Int64At(0))
	h.mu.Unlock()
	<-h.open
	return h.Codec.Append(dst, b)
}

// TestOrder: a server reads and encodes what waits in the order of a user's policy,
// by the urgencies that it gave when the requests were made.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codec := &held{Codec: service.Raw, open: make(chan struct{})}
		o := service.Options{Policy: byMap{}, Codec: codec, Slots: 1}
		store := cache.NewStore(memory.NewBroker(16<<20), "blocks", nil)
		defer store.Close()
		var ids []cache.BlockID
		for x := range 6 {
			id := cache.BlockID{Job: 1, Exchange: x}
			w := store.NewWriter(id, 1, cache.MemoryAndDisk)
			b := rows(100*x, 10)
			if err := w.Append(t.Context(), 0, b, b.MemoryBytes()); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		net := inproc.NewNetwork()
		l, err := net.Transport(named("1")).Listen(t.Context(), "inproc://1", service.NewServer(store, o).Serve, identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := service.NewClient(net.Transport(named("2")), o)
		defer c.Close()
		var readers []*service.Reader
		for i, id := range ids {
			readers = append(readers, c.Read(t.Context(), transport.Peer{Addr: "inproc://1", Name: named("1")}, []cache.BlockID{id}, schema, nil))
			if synctest.Wait(); i == 0 { // it holds the only place from here on
				continue
			}
			time.Sleep(time.Millisecond)
		}
		close(codec.open)
		for i, r := range readers {
			if n, err := ordered(t.Context(), r, 100*i); n != 10 || err != nil {
				t.Errorf("block %d: %d rows, %v", i, n, err)
			}
			r.Close()
		}
		// The second overtakes the first, which has the place, and then takes the only
		// one beside it.
		if got := fmt.Sprint(codec.order); got != "[0 100 500 400 300 200]" {
			t.Errorf("served in the order %s", got)
		}
	})
}
