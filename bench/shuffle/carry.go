package shuffle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// carrying are the gates of what goes between executors.
func carrying() []probe {
	return []probe{
		{Gate{Name: "same host: fetch lineitem", Unit: mbs, Limit: "memcpy", Need: 0.50, Aim: 0.80}, func(ctx context.Context, o *Options, g *Gate) error {
			f, err := fetching(ctx, o, local.Scheme, false)
			if err != nil {
				return err
			}
			defer f.close()
			g.Value, g.Of, err = both(ctx, o.Round, f.once, copying())
			return err
		}},
		{Gate{Name: "QUIC: one stream of raw bytes", Unit: mbs, Limit: "quic-go alone", Need: 0.85, Aim: 0.95}, streaming(quic.Scheme, (*ends).bareQUIC)},
		{Gate{Name: "QUIC: fetch lineitem from files of LZ4, flat bytes", Unit: mbs, Limit: "quic-go alone", Need: 2, Aim: 3}, func(ctx context.Context, o *Options, g *Gate) error {
			f, err := fetching(ctx, o, quic.Scheme, true)
			if err != nil {
				return err
			}
			defer f.close()
			for range 3 { // by turns, so that what else the machine does meets both
				rate, err := speed(ctx, o.Round, f.once)
				if err != nil {
					return err
				}
				bare, err := pouring(ctx, o.Round, f.bareQUIC)
				if err != nil {
					return err
				}
				g.Value, g.Of = max(g.Value, rate), max(g.Of, bare)
			}
			return nil
		}},
		{Gate{Name: "TCP+TLS: one stream of raw bytes", Unit: mbs, Limit: "crypto/tls alone", Need: 0.80, Aim: 0.95}, streaming(tcp.Scheme, (*ends).bareTLS)},
	}
}

// reading reads blocks.
func reading(r io.Reader) func() (int64, error) {
	block := make([]byte, transport.Quantum)
	return func() (int64, error) {
		_, err := io.ReadFull(r, block)
		return int64(len(block)), err
	}
}

// streaming measures a stream beside a bare one, by turns, each on a connection of
// its own that has been warmed up.
func streaming(scheme string, bare func(*ends, context.Context) (io.Reader, func(), error)) func(context.Context, *Options, *Gate) error {
	return func(ctx context.Context, o *Options, g *Gate) error {
		e, err := between(scheme, transport.NewEgress(underway, nil))
		if err != nil {
			return err
		}
		defer e.close()
		for range 3 {
			for _, x := range []struct {
				open func(context.Context) (io.Reader, func(), error)
				best *float64
			}{{e.stream, &g.Value}, {func(ctx context.Context) (io.Reader, func(), error) { return bare(e, ctx) }, &g.Of}} {
				rate, err := pouring(ctx, o.Round, x.open)
				if err != nil {
					return err
				}
				*x.best = max(*x.best, rate)
			}
		}
		return nil
	}
}

// pouring opens a stream and returns how fast it can be read.
func pouring(ctx context.Context, round time.Duration, open func(context.Context) (io.Reader, func(), error)) (float64, error) {
	r, stop, err := open(ctx)
	if err != nil {
		return 0, err
	}
	defer stop()
	read := reading(r)
	for range 64 { // connections are slow at first
		if _, err := read(); err != nil {
			return 0, err
		}
	}
	return speed(ctx, round, read)
}

// fetches is an executor that holds lineitem, another that fetches it.
type fetches struct {
	*ends
	list     []*columnar.Batch
	ids      []cache.BlockID
	holder   *executor.Executor
	dir      string
	store    *cache.Store
	listener transport.Listener
	to       transport.Peer
	client   *service.Client
	bytes    int64
	rows     int
}

// readers is how many tasks fetch at a time.
const readers = 8

// fetching makes them. What the one holds was written by the sinks of tasks and lies
// in memory, shared between processes of a host, or in files whose chunks are LZ4 and
// leave as they are. What is mapped is not read here, but its rows are counted.
func fetching(ctx context.Context, o *Options, scheme string, stored bool) (*fetches, error) {
	e, err := between(scheme, transport.NewEgress(underway, nil))
	if err != nil {
		return nil, err
	}
	f := &fetches{ends: e}
	dir, level := "", cache.MemoryAndDisk
	if stored {
		if f.dir, err = os.MkdirTemp("", "millrace-shuffle-*"); err != nil {
			f.close()
			return nil, err
		}
		dir, level = f.dir, cache.DiskOnly
	}
	keep, err := executor.OpenKeep(dir)
	if err != nil {
		f.close()
		return nil, err
	}
	f.holder = executor.New(executor.Config{ID: "1", Slots: 1, Broker: memory.NewBroker(4 << 30), Keep: keep})
	f.store = f.holder.Store()
	if f.list, err = whole(o); err != nil {
		f.close()
		return nil, err
	}
	for m, b := range f.list {
		id := cache.BlockID{Job: 1, Exchange: 1, Map: m}
		if err := f.put(ctx, id, b, exchange.Options{Level: level, Shared: scheme == local.Scheme}); err != nil {
			f.close()
			return nil, err
		}
		f.ids = append(f.ids, id)
		f.rows += b.Rows
	}
	f.bytes = flat(f.list)
	server := service.NewServer(f.store, service.Options{})
	if f.listener, f.to, err = e.serve(ctx, server.Serve); err != nil {
		f.close()
		return nil, err
	}
	f.client = service.NewClient(e.client, service.Options{})
	return f, nil
}

// put lets a task of the holder write a batch as its output.
func (f *fetches) put(ctx context.Context, id cache.BlockID, b *columnar.Batch, o exchange.Options) error {
	r := f.holder.Broker.Reserve("task", 0)
	defer r.Close()
	out := &stage.Output{Exchange: id.Exchange, Partitioning: physical.Partitioning{Kind: physical.SinglePartition, Count: 1}}
	s := exchange.NewSink(f.store, exec.TaskID{Job: id.Job, Task: id.Map}, out, b.Schema, &op.TaskContext{Memory: r}, o)
	defer s.Abort()
	if err := s.Write(ctx, b); err != nil {
		return err
	}
	_, err := s.Commit(ctx)
	return err
}

func (f *fetches) close() {
	if f.client != nil {
		f.client.Close()
	}
	if f.listener != nil {
		f.listener.Close()
	}
	if f.holder != nil {
		f.holder.Close()
	}
	if f.dir != "" {
		os.RemoveAll(f.dir)
	}
	f.ends.close()
}

// once fetches everything, by readers of some blocks each, and returns its bytes.
func (f *fetches) once() (int64, error) {
	var wg sync.WaitGroup
	rows, errs := make([]int, readers), make([]error, readers)
	for i := range readers {
		wg.Go(func() { rows[i], errs[i] = f.read(f.ids[i*len(f.ids)/readers : (i+1)*len(f.ids)/readers]) })
	}
	wg.Wait()
	n := 0
	for _, k := range rows {
		n += k
	}
	err := errors.Join(errs...)
	if err == nil && n != f.rows {
		err = fmt.Errorf("%d rows arrived of %d", n, f.rows)
	}
	return f.bytes, err
}

func (f *fetches) read(ids []cache.BlockID) (rows int, err error) {
	ctx := context.Background()
	r := f.client.Read(ctx, f.to, ids, f.list[0].Schema, nil)
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += b.Rows
	}
}

// way measures one way between executors.
func way(ctx context.Context, o *Options, name string) (Way, error) {
	w := Way{Name: name}
	scheme := map[string]string{"in process": inproc.Scheme, "same host": local.Scheme, "TCP+TLS": tcp.Scheme, "QUIC": quic.Scheme}[name]
	e, err := between(scheme, transport.NewEgress(underway, nil))
	if err != nil {
		return w, err
	}
	defer e.close()
	if w.Stream, err = pouring(ctx, o.Round, e.stream); err != nil {
		return w, err
	}
	f, err := fetching(ctx, o, scheme, false)
	if err != nil {
		return w, err
	}
	defer f.close()
	n := int64(0)
	if _, err := f.once(); err != nil {
		return w, err
	}
	before := processor()
	w.Fetch, err = speed(ctx, o.Round, func() (int64, error) {
		k, err := f.once()
		n += k
		return k, err
	})
	if err != nil {
		return w, err
	}
	w.Processor = float64(processor()-before) / float64(n)
	w.Small, err = f.small(ctx)
	w.Stream, w.Fetch, w.Processor, w.Small = harness.Digits(w.Stream), harness.Digits(w.Fetch), harness.Digits(w.Processor), harness.Digits(w.Small)
	return w, err
}

// small returns the median time of fetching one row, in µs.
func (f *fetches) small(ctx context.Context) (float64, error) {
	id := cache.BlockID{Job: 2, Exchange: 1}
	b := *f.list[0]
	b.Sel = []uint16{7}
	if err := f.put(ctx, id, &b, exchange.Options{}); err != nil {
		return 0, err
	}
	var took []time.Duration
	for range 200 {
		start := time.Now()
		r := f.client.Read(ctx, f.to, []cache.BlockID{id}, b.Schema, nil)
		_, err := r.Next(ctx)
		if err == nil {
			if _, err = r.Next(ctx); errors.Is(err, io.EOF) {
				err = nil
			}
		}
		r.Close()
		if err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	return percentile(took, 50), nil
}
