package transporttest

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Block is the bytes of a write of the benchmarks.
const Block = transport.Quantum

// Bench measures an implementation: Bulk is one stream that carries blocks to the
// client, Exchange a short question and answer on a stream of its own. Compare it
// with Bare over the same kind of connection.
func Bench(b *testing.B, f Fixture) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	l, err := f.Server.Listen(ctx, f.Addr, func(ctx context.Context, from identity.Name, x transport.Stream) {
		var kind [1]byte
		if _, err := io.ReadFull(x, kind[:]); err != nil {
			return
		}
		if kind[0] == 0 {
			echo(ctx, from, x)
			return
		}
		block := noise(Block, 1)
		for {
			if _, err := x.Write(block); err != nil {
				return
			}
		}
	}, identity.Executor)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := f.Client.Dial(ctx, transport.Peer{Addr: l.Addr(), Name: f.ServerName})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	open := func(b *testing.B, kind byte) transport.Stream {
		x, err := c.Open(ctx, transport.Normal)
		if err == nil {
			_, err = x.Write([]byte{kind})
		}
		if err != nil {
			b.Fatal(err)
		}
		return x
	}
	b.Run("Bulk", func(b *testing.B) {
		x := open(b, 1)
		defer x.Cancel(transport.CodeUser)
		blocks(b, x)
	})
	b.Run("Exchange", func(b *testing.B) {
		question, answer := make([]byte, 100), make([]byte, 100)
		b.ReportAllocs()
		for b.Loop() {
			x := open(b, 0)
			_, err := x.Write(question)
			if err == nil {
				err = x.CloseWrite()
			}
			if err == nil {
				_, err = io.ReadFull(x, answer)
			}
			if err == nil {
				_, err = x.Read(answer)
			}
			if err != io.EOF {
				b.Fatal(err)
			}
		}
	})
}

// blocks reads blocks; the first few are not counted, as connections are slow at
// first.
func blocks(b *testing.B, r io.Reader) {
	block := make([]byte, Block)
	for range 64 {
		if _, err := io.ReadFull(r, block); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(Block)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.ReadFull(r, block); err != nil {
			b.Fatal(err)
		}
	}
}

// Bare measures the limit: blocks through a connection of the same kind, without
// a transport. It ends the writer by closing both ends.
func Bare(b *testing.B, w io.WriteCloser, r io.ReadCloser) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		block := noise(Block, 1)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}()
	blocks(b, r)
	b.StopTimer()
	_ = r.Close()
	_ = w.Close()
	<-done
}

// BenchUrgent measures how long a question of 64 KiB's answer takes that others
// wait for, while the same listener sends as much as it can of what nobody does.
func BenchUrgent(b *testing.B, f Fixture) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	l, err := f.Server.Listen(ctx, f.Addr, func(_ context.Context, _ identity.Name, x transport.Stream) {
		var kind [1]byte
		if _, err := io.ReadFull(x, kind[:]); err != nil {
			return
		}
		block := noise(Block, 1)
		if kind[0] == 0 {
			_, _ = x.Write(block[:64<<10])
			_ = x.CloseWrite()
			return
		}
		for {
			if _, err := x.Write(block); err != nil {
				return
			}
		}
	}, identity.Executor)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := f.Client.Dial(ctx, transport.Peer{Addr: l.Addr(), Name: f.ServerName})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 6 {
		x, err := c.Open(ctx, transport.Merge)
		if err == nil {
			_, err = x.Write([]byte{1})
		}
		if err != nil {
			b.Fatal(err)
		}
		defer x.Cancel(transport.CodeUser)
		readers.Go(func() { _, _ = io.Copy(io.Discard, x) })
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		x, err := c.Open(ctx, transport.Gating)
		if err == nil {
			_, err = x.Write([]byte{0})
		}
		if err == nil {
			err = x.CloseWrite()
		}
		if err == nil {
			_, err = io.Copy(io.Discard, x)
		}
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
}
