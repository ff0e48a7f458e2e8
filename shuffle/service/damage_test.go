package service_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
)

// disk lets blocks lie in a spill space, of which nothing of the map tasks from one
// on can be read once it rotted. It checks: what rotted is not handed out as stored
// either, as with .mrs files.
type disk struct {
	space  *spill.Space
	rot    *atomic.Bool
	from   int
	checks bool
}

func scratch(t *testing.T) disk {
	d := disk{space: spill.NewSpace(t.TempDir()), rot: &atomic.Bool{}}
	t.Cleanup(func() { d.space.Close() })
	return d
}

func (d disk) NewFile(id cache.BlockID, _ int) cache.File {
	if id.Map < d.from {
		return file{d.space.File(), &atomic.Bool{}, d.checks}
	}
	return file{d.space.File(), d.rot, d.checks}
}

type file struct {
	*spill.File
	rot    *atomic.Bool
	checks bool
}

func (f file) NewRun(int) cache.Run { return run{f.File.NewRun("test"), f.rot, f.checks} }

func (f file) Commit() error { return nil }

type run struct {
	*spill.Run
	rot    *atomic.Bool
	checks bool
}

func (r run) Append(ctx context.Context, b *columnar.Batch) error {
	if err := r.Run.Append(ctx, b); err != nil {
		return err
	}
	return r.Flush()
}

func (r run) Open(ctx context.Context, to memory.Reservation) (cache.Reader, error) {
	d, err := r.Run.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	return rotting{d, r.rot, r.checks}, nil
}

type rotting struct {
	*spill.Reader
	rot    *atomic.Bool
	checks bool
}

func (r rotting) Next(ctx context.Context) (*columnar.Batch, error) {
	if r.rot.Load() {
		return nil, fmt.Errorf("%w: the disk has rotted", chunk.ErrCorrupt)
	}
	return r.Reader.Next(ctx)
}

func (r rotting) NextStored(ctx context.Context) ([]byte, int, error) {
	data, rows, err := r.Reader.NextStored(ctx)
	if err == nil && r.rot.Load() && r.checks {
		return nil, 0, fmt.Errorf("%w: the disk has rotted", chunk.ErrCorrupt)
	}
	if err == nil && r.rot.Load() {
		data[len(data)-1] ^= 1
	}
	return data, rows, err
}

// pauses are waits that tests do not wait for.
type pauses struct {
	mu   sync.Mutex
	all  []time.Duration
	hook func()
}

func (p *pauses) pause(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.all = append(p.all, d)
	p.mu.Unlock()
	if p.hook != nil {
		p.hook()
	}
	runtime.Gosched()
	return ctx.Err()
}

func (p *pauses) taken() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// writing is a stream whose writes a test changes.
type writing struct {
	transport.Stream
	write func(s transport.Stream, b []byte) (int, error)
	part  *[]byte // of a message that is not whole yet
}

func (w writing) Write(b []byte) (int, error) {
	*w.part = append(*w.part, b...)
	const frame = 5
	if p := *w.part; len(p) < frame || len(p) < frame+int(binary.LittleEndian.Uint32(p)) {
		return len(b), nil
	}
	whole := *w.part
	*w.part = nil
	_, err := w.write(w.Stream, whole)
	return len(b), err
}

// through lets the answers to fetches pass a function; diagnoses do not.
func through(write func(s transport.Stream, b []byte) (int, error)) func(transport.Handler) transport.Handler {
	return func(h transport.Handler) transport.Handler {
		return func(ctx context.Context, from identity.Name, s transport.Stream) {
			h(ctx, from, writing{s, write, new([]byte)})
		}
	}
}

// As in frame.go and transport/message.
const kindChunk = 2

// TestResume: a fetch that breaks anywhere goes on from where it stopped, after
// pauses that grow while nothing arrives and begin anew when something does.
func TestResume(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		var p pauses
		o := service.Options{Pause: p.pause, Limits: service.Limits{Request: int64(1 + r.IntN(200_000))}}
		x := holding(t, 1<<20, scratch(t), o, sizes(r, 10)...)
		var mu sync.Mutex
		left, breaks := r.IntN(100_000), 0
		carrier, from := x.reach(t, through(func(s transport.Stream, b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if left -= len(b); left >= 0 || breaks == 20 {
				return s.Write(b)
			}
			if n := len(b) + left; n > 0 {
				_, _ = s.Write(b[:n])
			}
			breaks++
			if left = 1 + r.IntN(200_000); breaks%3 == 0 {
				left += 400_000 // something gets through
			}
			s.Cancel(transport.CodeUser)
			return 0, errors.New("broken")
		}))
		c := service.NewClient(carrier, o)
		if err := x.whole(t, c, from, nil); err != nil {
			t.Fatal(err)
		}
		c.Close()
		mu.Lock()
		if got := p.taken(); len(got) != breaks {
			t.Errorf("%d pauses for %d breaks", len(got), breaks)
		}
		mu.Unlock()
	}
}

// TestGivesUp: a peer that never answers is asked four times, with pauses of 0.2,
// 1 and 5 seconds and up to half more; then all map tasks that have not arrived
// are gone.
func TestGivesUp(t *testing.T) {
	var p pauses
	o := service.Options{Pause: p.pause}
	x := holding(t, 16<<20, nil, o, []int{100}, []int{100}, []int{100})
	asked := 0
	carrier, from := x.reach(t, func(h transport.Handler) transport.Handler {
		return func(ctx context.Context, from identity.Name, s transport.Stream) { asked++ }
	})
	c := service.NewClient(carrier, o)
	defer c.Close()
	var g *shuffle.GoneError
	if err := x.whole(t, c, from, nil); !errors.As(err, &g) || fmt.Sprint(g.Maps) != "[0 1 2]" || transport.KindOf(g.Cause) != transport.Cancelled {
		t.Errorf("%v", err)
	}
	got := p.taken()
	if asked != 4 || len(got) != 3 {
		t.Fatalf("asked %d times, with pauses %v", asked, got)
	}
	for i, least := range []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second} {
		if got[i] < least || got[i] > least*3/2 {
			t.Errorf("pause %d is %v", i, got[i])
		}
	}
}

// TestStalled: a peer that is there and says nothing is given up, as one that is
// gone.
func TestStalled(t *testing.T) {
	var p pauses
	o := service.Options{Pause: p.pause, Stall: 20 * time.Millisecond}
	x := holding(t, 16<<20, nil, o, []int{100})
	carrier, from := x.reach(t, func(transport.Handler) transport.Handler {
		return func(ctx context.Context, _ identity.Name, s transport.Stream) { <-ctx.Done() }
	})
	c := service.NewClient(carrier, o)
	defer c.Close()
	var g *shuffle.GoneError
	if err := x.whole(t, c, from, nil); !errors.As(err, &g) || len(p.taken()) != 3 {
		t.Errorf("%v after %v", err, p.taken())
	}
}

// flip damages a byte of a chunk's content.
func flip(s transport.Stream, b []byte) (int, error) {
	c := slices.Clone(b)
	c[len(c)-1] ^= 4
	_, err := s.Write(c)
	return len(b), err
}

// TestCorrupt: a chunk that is damaged on its way is asked for once more, and the
// second time says where it was damaged.
func TestCorrupt(t *testing.T) {
	for _, times := range []int{0, 1, 2, 100} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			var p pauses
			o := service.Options{Pause: p.pause}
			x := holding(t, 16<<20, nil, o, []int{100, 100}, []int{100, 200})
			damaged := 0
			carrier, from := x.reach(t, func(h transport.Handler) transport.Handler {
				return func(ctx context.Context, from identity.Name, s transport.Stream) {
					chunks := 0
					h(ctx, from, writing{s, func(s transport.Stream, b []byte) (int, error) {
						if b[4] != kindChunk {
							return s.Write(b)
						}
						chunks++
						if (damaged == 0 && chunks == 3 || damaged > 0 && chunks == 1) && damaged < times { // the first of block 1
							damaged++
							return flip(s, b)
						}
						return s.Write(b)
					}, new([]byte)})
				}
			})
			c := service.NewClient(carrier, o)
			defer c.Close()
			err := x.whole(t, c, from, nil)
			if len(p.taken()) > 0 {
				t.Errorf("pauses %v", p.taken())
			}
			if times < 2 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var g *shuffle.GoneError
			var d *shuffle.CorruptError
			if !errors.As(err, &g) || !errors.As(err, &d) || !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatalf("%v", err)
			}
			if fmt.Sprint(g.Maps) != "[1]" || d.Where != shuffle.OnNetwork || d.Map != 1 || d.Attempt != 3 || d.Partition != 1 || d.Row != 0 {
				t.Errorf("%v: %+v", err, d)
			}
		})
	}
}

// rotten is a codec that damages what it encodes, as bad memory does.
type rotten struct{ service.Codec }

func (r rotten) Name() string { return "rotten" }

func (r rotten) Append(dst []byte, b *columnar.Batch) ([]byte, error) {
	dst, err := r.Codec.Append(dst, b)
	if err == nil {
		dst[len(dst)-1] ^= 1
	}
	return dst, err
}

// TestDiagnosis: damage at the holder is told as such.
func TestDiagnosis(t *testing.T) {
	for where, set := range map[shuffle.Damage]func(*disk, *service.Options){
		shuffle.OnDisk:   func(d *disk, _ *service.Options) { d.rot.Store(true) },
		shuffle.InMemory: func(_ *disk, o *service.Options) { o.Codec = rotten{service.Raw} },
	} {
		var p pauses
		d, o := scratch(t), service.Options{Pause: p.pause}
		budget := int64(16 << 20)
		if where == shuffle.OnDisk {
			budget = 1 << 20
		}
		set(&d, &o)
		x := holding(t, budget, d, o, slices.Repeat([]int{8000}, 20), []int{1})
		carrier, from := x.reach(t, nil)
		c := service.NewClient(carrier, o)
		err := x.whole(t, c, from, nil)
		c.Close()
		var g *shuffle.GoneError
		var e *shuffle.CorruptError
		if !errors.As(err, &g) || !errors.As(err, &e) || e.Where != where || fmt.Sprint(g.Maps) != "[0]" || !strings.Contains(err.Error(), where.String()) {
			t.Errorf("%v: %v", where, err)
		}
	}
}

// TestDamagedLater: damage in a block after others that arrived whole is told as its
// map task's, not as theirs.
func TestDamagedLater(t *testing.T) {
	for i := range 6 {
		var p pauses
		d, o := scratch(t), service.Options{Pause: p.pause}
		from := i / 2
		d.from, d.checks = from, i%2 == 0
		d.rot.Store(true)
		x := holding(t, 0, d, o, []int{100, 100}, []int{100, 100}, []int{100, 100}) // no memory: all on disk
		carrier, at := x.reach(t, nil)
		c := service.NewClient(carrier, o)
		err := x.whole(t, c, at, nil)
		c.Close()
		var g *shuffle.GoneError
		if !errors.As(err, &g) || fmt.Sprint(g.Maps) != fmt.Sprint([]int{from}) {
			t.Errorf("map tasks from %d on are damaged: %v", from, err)
		}
	}
}

// TestTampered: chunks of an answer that are dropped, doubled, exchanged, or come
// from another answer are noticed; what is read is right or an error.
func TestTampered(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, tamper := range map[string]func(r *rand.Rand, frames [][]byte, before [][]byte) [][]byte{
		"dropped": func(r *rand.Rand, f, _ [][]byte) [][]byte { i := r.IntN(len(f)); return slices.Delete(f, i, i+1) },
		"doubled": func(r *rand.Rand, f, _ [][]byte) [][]byte { i := r.IntN(len(f)); return slices.Insert(f, i, f[i]) },
		"exchanged": func(r *rand.Rand, f, _ [][]byte) [][]byte {
			if len(f) > 1 {
				i := r.IntN(len(f) - 1)
				f[i], f[i+1] = f[i+1], f[i]
			}
			return f
		},
		"replayed": func(r *rand.Rand, f, before [][]byte) [][]byte {
			if len(before) > 0 {
				f[r.IntN(len(f))] = before[r.IntN(len(before))]
			}
			return f
		},
		"skipped": func(r *rand.Rand, f, _ [][]byte) [][]byte { return f[len(f)-1:] },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := 0
			for round := range 30 {
				r := rand.New(rand.NewPCG(seed, uint64(round)))
				var p pauses
				o := service.Options{Pause: p.pause, Limits: service.Limits{Request: 100_000}}
				x := holding(t, 16<<20, nil, o, sizes(r, 5)...)
				var mu sync.Mutex
				var before [][]byte
				carrier, from := x.reach(t, func(h transport.Handler) transport.Handler {
					return func(ctx context.Context, from identity.Name, s transport.Stream) {
						var frames [][]byte
						h(ctx, from, writing{withheld{s, &frames}, transport.Stream.Write, new([]byte)})
						mu.Lock()
						out := frames
						if len(frames) > 1 && r.IntN(2) == 0 {
							out = tamper(r, slices.Clone(frames), before)
						}
						before = frames
						mu.Unlock()
						for _, f := range out {
							if _, err := s.Write(f); err != nil {
								return
							}
						}
						_ = s.CloseWrite()
					}
				})
				c := service.NewClient(carrier, o)
				f := c.Read(t.Context(), from, x.ids, schema, nil)
				n, err := ordered(t.Context(), f, 0)
				f.Close()
				c.Close()
				var g *shuffle.GoneError
				if err == nil && n != x.rows || err != nil && !errors.As(err, &g) {
					t.Fatalf("%d rows of %d, %v", n, x.rows, err)
				}
				wrong += len(p.taken())
			}
			if wrong == 0 {
				t.Error("nothing was noticed")
			}
		})
	}
}

// withheld keeps what is written.
type withheld struct {
	transport.Stream
	frames *[][]byte
}

func (w withheld) Write(b []byte) (int, error) {
	*w.frames = append(*w.frames, slices.Clone(b))
	return len(b), nil
}

func (w withheld) CloseWrite() error { return nil }

// TestBusy: a server that has too much to read says so, and is asked again.
func TestBusy(t *testing.T) {
	first, asked := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := pauses{hook: func() { once.Do(func() { close(asked) }) }}
	o := service.Options{Pause: p.pause, Limits: service.Limits{Serving: 1}}
	x := holding(t, 64<<20, nil, o, []int{8000, 8000})
	var n atomic.Int64
	carrier, from := x.reach(t, func(h transport.Handler) transport.Handler {
		return func(ctx context.Context, from identity.Name, s transport.Stream) {
			if n.Add(1) > 1 {
				h(ctx, from, s)
				return
			}
			chunk := sync.OnceFunc(func() { close(first) })
			h(ctx, from, writing{s, func(s transport.Stream, b []byte) (int, error) {
				if b[4] == kindChunk {
					chunk()
					<-asked
				}
				return s.Write(b)
			}, new([]byte)})
		}
	})
	c := service.NewClient(carrier, o)
	defer c.Close()
	var wg sync.WaitGroup
	read := func() {
		if err := x.whole(t, c, from, nil); err != nil {
			t.Error(err)
		}
	}
	wg.Go(read)
	<-first
	wg.Go(read)
	wg.Wait()
	if got := p.taken(); len(got) == 0 || got[0] < 100*time.Millisecond || got[0] > time.Second {
		t.Errorf("pauses %v", got)
	}
}

// TestBusyForEver: a server that is busy for too long is given up.
func TestBusyForEver(t *testing.T) {
	var p pauses
	o := service.Options{Pause: p.pause}
	x := holding(t, 16<<20, nil, o, []int{100})
	carrier, from := x.reach(t, func(transport.Handler) transport.Handler {
		return func(_ context.Context, _ identity.Name, s transport.Stream) {
			_, _ = io.Copy(io.Discard, s)
			body := binary.AppendUvarint(nil, 30_000)
			_, _ = s.Write(append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), 5), body...))
			_ = s.CloseWrite()
		}
	})
	c := service.NewClient(carrier, o)
	defer c.Close()
	var g *shuffle.GoneError
	if err := x.whole(t, c, from, nil); !errors.As(err, &g) || len(p.taken()) != 4 {
		t.Errorf("%v after %v", err, p.taken())
	}
}
