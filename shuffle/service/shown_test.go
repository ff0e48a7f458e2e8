package service_test

import (
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
)

// showing makes an executor whose blocks lie in shared regions, each with so many
// rows, and serves them to this host. Damage changes the sheets.
func showing(t *testing.T, damage func([]byte), blocks ...int) (*executor, transport.Transport, transport.Peer) {
	t.Helper()
	broker := memory.NewBroker(256 << 20)
	x := &executor{store: cache.NewStore(broker, "blocks", nil)}
	t.Cleanup(x.store.Close)
	res := broker.Reserve("task", 0)
	t.Cleanup(res.Close)
	for m, n := range blocks {
		id := cache.BlockID{Job: 1, Exchange: 2, Map: m}
		w := x.store.NewWriter(id, 1, cache.MemoryAndDisk)
		s := kernel.NewSpread(schema, nil, 1, res, true)
		for k := 0; k < n; k += 1000 {
			b := rows(x.rows, 1000)
			all, ends := kernel.One(b.Rows, nil, 0, 1, nil)
			s.Add(b, all, ends, nil)
			x.rows += 1000
		}
		s.Flush()
		for _, p := range s.Take() {
			var sheet []byte
			if p.Region.File() != nil {
				if sheet = chunk.Sheet(p.Batch, p.Region); damage != nil {
					damage(sheet)
				}
			}
			if err := w.AppendIn(t.Context(), p.Region, 0, p.Batch, sheet); err != nil {
				t.Fatal(err)
			}
			p.Region.Release()
		}
		s.Close()
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		x.ids = append(x.ids, id)
	}
	x.server = service.NewServer(x.store, service.Options{})
	l, err := local.New(named("1"), local.Options{}).Listen(t.Context(), transport.Addr("local://"+filepath.Join(t.TempDir(), "s")), x.server.Serve, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return x, local.New(named("2"), local.Options{}), transport.Peer{Addr: l.Addr(), Name: named("1")}
}

// Rows that lie in shared memory arrive without being copied, in order among those
// that are sent, with small limits too; batches are read to their end although the
// holder drops their block, and nothing is left behind.
func TestShown(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is shared on Linux alone")
	}
	x, tr, at := showing(t, nil, 200_000, 3000, 90_000)
	for _, limits := range []service.Limits{{}, {Task: 1 << 20, Request: 256 << 10, Streams: 2}} {
		c := service.NewClient(tr, service.Options{Limits: limits})
		broker := memory.NewBroker(64 << 20)
		r := broker.Reserve("task", 0)
		if err := x.whole(t, c, at, r); err != nil {
			t.Fatal(err)
		}
		r.Close()
		c.Close()
		if broker.Reserved() != 0 {
			t.Fatalf("%d bytes are reserved", broker.Reserved())
		}
	}
	c := service.NewClient(tr, service.Options{})
	defer c.Close()
	f := c.Read(t.Context(), at, x.ids[:1], schema, nil)
	defer f.Close()
	mapped, n := 0, 0
	for {
		b, err := f.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !b.Cols[0].Stable {
			mapped += b.Rows
		}
		if n == 0 {
			x.store.Drop(x.ids[0])
		}
		for i := range b.Rows {
			if b.Cols[0].Int64At(i) != int64(n) {
				t.Fatalf("row %d is %d", n, b.Cols[0].Int64At(i))
			}
			n++
		}
	}
	if n != 200_000 || mapped < n/2 {
		t.Fatalf("%d rows, %d of them mapped", n, mapped)
	}
}

// A sheet that does not fit is damage in the holder's memory: its map output counts
// as gone.
func TestShownDamaged(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is shared on Linux alone")
	}
	x, tr, at := showing(t, func(sheet []byte) { sheet[20] ^= 1 }, 200_000)
	c := service.NewClient(tr, service.Options{})
	defer c.Close()
	err := x.whole(t, c, at, nil)
	var gone *shuffle.GoneError
	var corrupt *shuffle.CorruptError
	if !errors.As(err, &gone) || !errors.As(err, &corrupt) || corrupt.Where != shuffle.InMemory {
		t.Fatalf("got %v", err)
	}
}
