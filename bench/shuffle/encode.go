package shuffle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	block "github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// parts is the partitions of the exchange that is measured.
const parts = 200

// encoding are the gates of what one core does with rows.
func encoding() []probe {
	return []probe{
		{Gate{Name: "partition into 200, 8 fixed columns", Unit: mbs, Limit: "memcpy", Need: 0.20, Aim: 0.40}, func(ctx context.Context, o *Options, g *Gate) error {
			list, err := fixed(o)
			if err != nil {
				return err
			}
			list = slices.Repeat(list, 4) // so that partitions get more than one batch each
			g.Value, g.Of, err = both(ctx, o.Round, func() (int64, error) { _, err := partition(ctx, list, nil); return flat(list), err }, copying())
			return err
		}},
		{Gate{Name: "partition, LZ4 and checksum, 8 fixed columns", Unit: mbs, Limit: lz4, Need: 0.55, Aim: 0.75}, written(fixed)},
		{Gate{Name: "partition, LZ4 and checksum, 2 of 8 columns strings", Unit: mbs, Limit: lz4, Need: 0.40, Aim: 0.60}, written(texts)},
		{Gate{Name: "decode a remote chunk", Unit: mbs, Limit: unlz4, Need: 0.60, Aim: 0.85}, decoding},
		{Gate{Name: "hand-over in one process, a batch", Unit: "µs", Need: 1, Aim: 0.3, Most: true}, handOver},
		{Gate{Name: "plan fetches of 1,000,000 blocks", Unit: "s", Need: 1, Aim: 0.3, Most: true}, planning},
	}
}

// copying copies 32 MiB at a time.
func copying() func() (int64, error) {
	from, to := noise(32<<20), make([]byte, 32<<20)
	return func() (int64, error) { copy(to, from); return int64(len(from)), nil }
}

// partition sends batches through the sink of an exchange and reads what it made;
// each is told every batch of a partition, which is valid during the call.
func partition(ctx context.Context, list []*columnar.Batch, each func(*columnar.Batch) error) (rows int64, err error) {
	broker := memory.NewBroker(4 << 30)
	store := cache.NewStore(broker, "blocks", nil)
	defer store.Close()
	r := broker.Reserve("task", 0)
	defer r.Close()
	task := exec.TaskID{Job: 1}
	out := &stage.Output{Exchange: 1, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: parts, Keys: []int{0}}}
	s := exchange.NewSink(store, task, out, list[0].Schema, &op.TaskContext{Memory: r}, exchange.Options{})
	defer s.Abort()
	for _, b := range list {
		if err := s.Write(ctx, b); err != nil {
			return 0, err
		}
	}
	st, err := s.Commit(ctx)
	if err != nil {
		return 0, err
	}
	rows = st.Total.Rows
	for p := range st.Partitions {
		if each == nil || !st.Has(p) {
			continue
		}
		x, ok := store.Get(cache.BlockID{Job: 1, Exchange: 1, Partition: p})
		if !ok {
			return 0, fmt.Errorf("partition %d is not there", p)
		}
		err := every(ctx, x, each)
		x.Close()
		if err != nil {
			return 0, err
		}
	}
	return rows, nil
}

func every(ctx context.Context, p *cache.Pinned, f func(*columnar.Batch) error) error {
	for {
		b, err := p.Next(ctx, nil)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(b)
		}
		if err != nil {
			return err
		}
	}
}

// buffers are the bytes of batches as one compresses them: by column, in pieces of
// at most 64 KiB.
func buffers(list []*columnar.Batch) (out [][]byte) {
	for _, b := range list {
		for i := range b.Cols {
			for _, x := range [][]byte{b.Cols[i].Data, b.Cols[i].Bytes} {
				for len(x) > 0 {
					n := min(len(x), 64<<10)
					out = append(out, x[:n])
					x = x[n:]
				}
			}
		}
	}
	return out
}

// written measures rows on their way to chunks beside compressing the same bytes.
// The limit sees rows in the order of their partitions, as the chunks have them.
func written(data func(*Options) ([]*columnar.Batch, error)) func(context.Context, *Options, *Gate) error {
	return func(ctx context.Context, o *Options, g *Gate) error {
		list, err := data(o)
		if err != nil {
			return err
		}
		var dst []byte
		stored := int64(0)
		encode := func() (int64, error) {
			stored = 0
			_, err := partition(ctx, list, func(b *columnar.Batch) (err error) {
				dst, err = chunk.Append(dst[:0], b, chunk.LZ4)
				stored += int64(len(dst))
				return err
			})
			return flat(list), err
		}
		var bare [][]byte
		if _, err := partition(ctx, list, func(b *columnar.Batch) error {
			for _, x := range buffers([]*columnar.Batch{b}) {
				bare = append(bare, append([]byte{}, x...))
			}
			return nil
		}); err != nil {
			return err
		}
		out := make([]byte, block.CompressBlockBound(64<<10))
		var c block.Compressor
		limit := func() (n int64, err error) {
			for _, x := range bare {
				if _, err := c.CompressBlock(x, out); err != nil {
					return 0, err
				}
				n += int64(len(x))
			}
			return n, nil
		}
		if g.Value, g.Of, err = both(ctx, o.Round, encode, limit); err != nil {
			return err
		}
		g.Note = fmt.Sprintf("%.1f MB become %.1f MB", float64(flat(list))/1e6, float64(stored)/1e6)
		return nil
	}
}

// decoding measures chunks of lineitem beside uncompressing the same buffers.
func decoding(ctx context.Context, o *Options, g *Gate) error {
	list, err := whole(o)
	if err != nil {
		return err
	}
	type stored struct {
		b   []byte
		raw int
	}
	var chunks [][]byte
	var bare []stored
	for _, b := range list {
		c, err := chunk.Append(nil, b, chunk.LZ4)
		if err != nil {
			return err
		}
		chunks = append(chunks, c)
		for _, x := range buffers([]*columnar.Batch{b}) {
			dst := make([]byte, len(x))
			n, err := block.CompressBlock(x, dst, nil)
			if err != nil || n == 0 {
				continue // it would be stored as it is
			}
			bare = append(bare, stored{append([]byte{}, dst[:n]...), len(x)})
		}
	}
	s := memory.NewScratch(nil)
	defer s.Close()
	out := make([]byte, 64<<10)
	g.Value, g.Of, err = both(ctx, o.Round, func() (int64, error) {
		for _, c := range chunks {
			s.Reset()
			if _, err := chunk.DecodeIn(s, c, list[0].Schema); err != nil {
				return 0, err
			}
		}
		return flat(list), nil
	}, func() (n int64, err error) {
		for _, x := range bare {
			if _, err := block.UncompressBlock(x.b, out[:x.raw]); err != nil {
				return 0, err
			}
			n += int64(x.raw)
		}
		return n, nil
	})
	return err
}

// outputs is a tracker with what is measured.
type outputs []shuffle.MapStatus

func (o outputs) Outputs(int, int) (uint64, []shuffle.MapStatus) { return 1, o }

// handOver measures reading a partition that lies in memory, by the batch.
func handOver(ctx context.Context, o *Options, g *Gate) error {
	list, err := fixed(o)
	if err != nil {
		return err
	}
	broker := memory.NewBroker(1 << 30)
	store := cache.NewStore(broker, "blocks", nil)
	defer store.Close()
	const maps = 100
	var known outputs
	small := list[0]
	for m := range maps {
		w := store.NewWriter(cache.BlockID{Job: 1, Exchange: 1, Map: m}, 1, cache.MemoryAndDisk)
		for range 10 {
			if err := w.Append(ctx, 0, small, 1); err != nil {
				return err
			}
		}
		if err := w.Commit(); err != nil {
			return err
		}
		known = append(known, shuffle.NewMapStatus(m, 0, false, []shuffle.Part{{Sum: shuffle.Sum{Rows: int64(10 * small.Rows)}, Bytes: 1}}))
	}
	r := &exchange.Reader{Store: store, Outputs: known, Job: 1, Epochs: map[int]uint64{1: 1}}
	perSecond, err := core(ctx, o.Round, func() (n int64, err error) {
		it, err := r.Parts(ctx, 1, []stage.Part{stage.One(0)}, small.Schema)
		if err != nil {
			return 0, err
		}
		defer it.Close()
		for {
			_, err := it.Next(ctx)
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err != nil {
				return 0, err
			}
			n++
		}
	})
	if err == nil && perSecond > 0 {
		g.Value = 1 / perSecond
	}
	return err
}

// elsewhere holds blocks that nobody reads.
type elsewhere struct{ asked *int64 }

func (e elsewhere) Lacks(cache.BlockID) bool { return false }

func (e elsewhere) Read(_ context.Context, ids []cache.BlockID, _ *columnar.Schema, _ memory.Reservation) exchange.Blocks {
	*e.asked += int64(len(ids))
	return nothing{}
}

type nothing struct{}

func (nothing) Next(context.Context) (*columnar.Batch, error) { return nil, io.EOF }
func (nothing) Close() error                                  { return nil }
func (nothing) Block() int                                    { return 0 }

// planning measures which blocks of which executors the 1,000 reducers of 1,000
// map outputs on 20 executors have to ask for.
func planning(ctx context.Context, _ *Options, g *Gate) error {
	const maps, reducers, executors = 1000, 1000, 20
	var known outputs
	for m := range maps {
		parts := make([]shuffle.Part, reducers)
		for p := range parts {
			parts[p] = shuffle.Part{Sum: shuffle.Sum{Rows: 1}, Bytes: 8}
		}
		s := shuffle.NewMapStatus(m, 0, false, parts)
		s.Executor = fmt.Sprint(m % executors)
		known = append(known, s)
	}
	store := cache.NewStore(memory.NewBroker(16<<20), "blocks", nil)
	defer store.Close()
	asked := int64(0)
	holders := map[string]exchange.Holder{}
	for e := range executors {
		n := int64(0)
		holders[fmt.Sprint(e)] = elsewhere{&n}
	}
	r := &exchange.Reader{Store: store, Outputs: known, Job: 1, Epochs: map[int]uint64{1: 1}, Holders: func(id string) exchange.Holder { return holders[id] }}
	g.Value = 1e9
	for range 3 {
		for _, h := range holders {
			*h.(elsewhere).asked = 0
		}
		start := processor()
		for p := range reducers {
			it, err := r.Parts(ctx, 1, []stage.Part{stage.One(p)}, nil)
			if err != nil {
				return err
			}
			it.Close()
		}
		g.Value = min(g.Value, float64(processor()-start)/1e9)
		asked = 0
		for _, h := range holders {
			asked += *h.(elsewhere).asked
		}
	}
	if asked != maps*reducers {
		return fmt.Errorf("%d blocks were asked for", asked)
	}
	return nil
}
