package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
)

var schema = columnar.NewSchema(columnar.Field{Name: "n", Type: columnar.Int64Type}, columnar.Field{Name: "s", Type: columnar.StringType})

// rows returns n rows that are numbered from first on.
func rows(first, n int) *columnar.Batch {
	x, off := make([]int64, n), make([]int32, n+1)
	var text []byte
	for i := range x {
		x[i] = int64(first + i)
		text = append(text, strings.Repeat("ab", (first+i)%7)...)
		off[i+1] = int32(len(text))
	}
	return &columnar.Batch{Schema: schema, Rows: n, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(x), Stable: true},
		{Type: columnar.StringType, Len: n, Data: columnar.BytesOf(off), Bytes: text, Stable: true}}}
}

// executor is one that holds blocks.
type executor struct {
	store  *cache.Store
	server *service.Server
	ids    []cache.BlockID
	first  []int // row of each block
	rows   int
}

// holding makes an executor that holds blocks of batches of these sizes, in
// memory as far as the budget reaches.
func holding(t *testing.T, budget int64, disk cache.Disk, o service.Options, blocks ...[]int) *executor {
	t.Helper()
	x := &executor{store: cache.NewStore(memory.NewBroker(budget), "blocks", disk)}
	t.Cleanup(x.store.Close)
	for m, sizes := range blocks {
		id := cache.BlockID{Job: 1, Exchange: 2, Map: m, Attempt: 3, Partition: m % 2}
		w := x.store.NewWriter(id, 2, cache.MemoryAndDisk)
		x.first = append(x.first, x.rows)
		for _, n := range sizes {
			b := rows(x.rows, n)
			if err := w.Append(t.Context(), id.Partition, b, b.MemoryBytes()); err != nil {
				t.Fatal(err)
			}
			x.rows += n
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		x.ids = append(x.ids, id)
	}
	x.server = service.NewServer(x.store, o)
	return x
}

func named(id string) identity.Name {
	return identity.Name{App: "app", Role: identity.Executor, ID: id}
}

// reach lets an executor serve in this process, and returns a transport to it.
func (x *executor) reach(t *testing.T, through func(transport.Handler) transport.Handler) (transport.Transport, transport.Peer) {
	t.Helper()
	net := inproc.NewNetwork()
	h := transport.Handler(x.server.Serve)
	if through != nil {
		h = through(h)
	}
	l, err := net.Transport(named("1")).Listen(t.Context(), "inproc://1", h, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return net.Transport(named("2")), transport.Peer{Addr: l.Addr(), Name: named("1")}
}

// ordered reads to the end: the rows must ascend from first on.
func ordered(ctx context.Context, r *service.Reader, first int) (int, error) {
	n := 0
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for i := range b.Selected() {
			at := b.RowAt(i)
			if got := b.Cols[0].Int64At(at); got != int64(first+n) || b.Cols[1].StringAt(at) != strings.Repeat("ab", (first+n)%7) {
				return n, fmt.Errorf("row %d is %d %q", first+n, got, b.Cols[1].StringAt(at))
			}
			n++
		}
	}
}

// whole reads all blocks of an executor.
func (x *executor) whole(t *testing.T, c *service.Client, from transport.Peer, r memory.Reservation) error {
	t.Helper()
	f := c.Read(t.Context(), from, x.ids, schema, r)
	defer f.Close()
	n, err := ordered(t.Context(), f, 0)
	if err == nil && n != x.rows {
		err = fmt.Errorf("%d rows, want %d", n, x.rows)
	}
	return err
}

// settled fails when goroutines are left.
func settled(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// sizes draws the batches of n blocks.
func sizes(r *rand.Rand, n int) [][]int {
	out := make([][]int, n)
	for i := range out {
		for range 1 + r.IntN(4) {
			out[i] = append(out[i], 1+r.IntN(3000))
		}
	}
	return out
}

// TestFetch: rows arrive once and in order, whatever the limits, from memory and
// from disk, for readers that are early and late, and everything is given back.
func TestFetch(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, limits := range map[string]service.Limits{
		"default": {},
		"tiny":    {Task: 64 << 10, Executor: 64 << 10, Peer: 64 << 10, Streams: 2, Request: 64 << 10},
		"tinier":  {Task: 1, Executor: 1, Peer: 1, Streams: 1, Request: 1},
	} {
		for _, budget := range []int64{64 << 20, 1 << 20} {
			t.Run(fmt.Sprint(name, budget>>20), func(t *testing.T) {
				before := runtime.NumGoroutine()
				t.Run("x", func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, uint64(budget)))
					o := service.Options{Limits: limits, Pause: func(ctx context.Context, _ time.Duration) error { runtime.Gosched(); return ctx.Err() }}
					x := holding(t, budget, scratch(t), o, sizes(r, 40)...)
					carrier, from := x.reach(t, nil)
					c := service.NewClient(carrier, o)
					defer c.Close()
					broker := memory.NewBroker(8 << 20)
					ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
					defer stop()
					var wg sync.WaitGroup
					for range 4 {
						task := broker.Reserve("task", 0)
						// As a merge does: one reader a block, all open, read in turn.
						var runs []*service.Reader
						for _, id := range x.ids[:10] {
							runs = append(runs, c.Read(ctx, from, []cache.BlockID{id}, schema, task))
						}
						wg.Go(func() {
							defer task.Close()
							if err := x.whole(t, c, from, task); err != nil {
								t.Error(err)
							}
							for i := len(runs) - 1; i >= 0; i-- {
								n, err := ordered(ctx, runs[i], x.first[i])
								if err != nil || n != x.first[i+1]-x.first[i] {
									t.Errorf("block %d: %d rows, %v", i, n, err)
								}
								runs[i].Close()
							}
							if task.Held() != 0 {
								t.Errorf("%d bytes are held", task.Held())
							}
						})
					}
					wg.Wait()
					if broker.Reserved() != 0 {
						t.Errorf("%d bytes are reserved", broker.Reserved())
					}
				})
				settled(t, before)
			})
		}
	}
}

// TestGone: blocks that are not there are told with their map tasks, before any
// row and amidst them.
func TestGone(t *testing.T) {
	x := holding(t, 16<<20, nil, service.Options{}, []int{10}, []int{10}, []int{10})
	carrier, from := x.reach(t, nil)
	c := service.NewClient(carrier, service.Options{})
	defer c.Close()
	x.store.Drop(x.ids[1])
	other := x.ids[2]
	other.Attempt++
	f := c.Read(t.Context(), from, append(x.ids[:2:2], other), schema, nil)
	defer f.Close()
	var g *shuffle.GoneError
	if _, err := ordered(t.Context(), f, 0); !errors.As(err, &g) || fmt.Sprint(g.Maps) != "[1 2]" {
		t.Errorf("%v", err)
	}
}

// TestAbandoned: a reader that is closed early leaves nothing.
func TestAbandoned(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("x", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		x := holding(t, 64<<20, nil, service.Options{}, sizes(r, 60)...)
		carrier, from := x.reach(t, nil)
		c := service.NewClient(carrier, service.Options{})
		defer c.Close()
		broker := memory.NewBroker(64 << 20)
		task := broker.Reserve("task", 0)
		defer task.Close()
		for i := range 50 {
			f := c.Read(t.Context(), from, x.ids, schema, task)
			for range i % 5 {
				if _, err := f.Next(t.Context()); err != nil {
					t.Error(err)
				}
			}
			f.Close()
			f.Close()
			if task.Held() != 0 {
				t.Fatalf("%d bytes are held", task.Held())
			}
		}
	})
	settled(t, before)
}
