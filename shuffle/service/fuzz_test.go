package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

var fuzzSchema = columnar.NewSchema(columnar.Field{Name: "n", Type: columnar.Int64Type})

func numbersFrom(first int64, n int) *columnar.Batch {
	x := make([]int64, n)
	for i := range x {
		x[i] = first + int64(i)
	}
	return &columnar.Batch{Schema: fuzzSchema, Rows: n, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(x), Stable: true}}}
}

// recorded is a stream that reads what it was given and keeps what is written.
type recorded struct {
	io.Reader
	bytes.Buffer
	closed bool
}

func (r *recorded) Read(b []byte) (int, error)          { return r.Reader.Read(b) }
func (r *recorded) CloseWrite() error                   { r.closed = true; return nil }
func (r *recorded) SetUrgency(transport.Urgency) error  { return nil }
func (r *recorded) Cancel(uint32)                       {}
func (r *recorded) Write(b []byte) (int, error)         { return r.Buffer.Write(b) }
func (r *recorded) ReadFrom(x io.Reader) (int64, error) { return r.Buffer.ReadFrom(x) }
func (r *recorded) WriteTo(w io.Writer) (int64, error)  { return io.Copy(w, r.Reader) }

var _ transport.Stream = (*recorded)(nil)

func framed(k message.Kind, body []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), byte(k)), body...)
}

// fuzzRequests are what servers may be asked.
func fuzzRequests() map[string][]byte {
	blocks := []block{{0, 1, 3}, {1, 0, 3}, {7, 2, 0}}
	whole := &request{Urgency: transport.Normal, Nonce: 5, Job: 1, Exchange: 2, Max: 1 << 20, Codecs: []string{"lz4", "raw"}, Blocks: blocks[:1]}
	far := &request{Urgency: transport.Scrub, Job: maxID, Exchange: maxID, Max: 1, Row: 7, Codecs: []string{"zstd"}, Blocks: blocks}
	q := &diagnose{ID: cache.BlockID{Job: 1, Exchange: 2, Map: 0, Attempt: 1, Partition: 3}, Row: 2, Codec: "lz4", Sum: 1 << 63}
	return map[string][]byte{
		"whole": framed(kindFetch, whole.encode()), "far": framed(kindFetch, far.encode()), "diagnose": framed(kindDiagnose, q.encode()),
		"empty": framed(kindFetch, nil), "answer": framed(kindEnd, end{5, 1, 2, 3}.encode()), "cut": framed(kindFetch, whole.encode())[:9],
	}
}

// fuzzAnswers are what clients may be answered.
func fuzzAnswers(t testing.TB) map[string][]byte {
	chunkOf := func(seq uint32, block int, row int64, b *columnar.Batch) []byte {
		data, err := Raw.Append(head{0, seq, block, row, 1}.append(nil), b)
		if err != nil {
			t.Fatal(err)
		}
		return framed(kindChunk, data)
	}
	one, two := chunkOf(0, 0, 0, numbersFrom(0, 4)), chunkOf(1, 1, 0, numbersFrom(4, 3))
	return map[string][]byte{
		"whole": append(append(one[:len(one):len(one)], two...), framed(kindEnd, end{0, 2, 2, 0}.encode())...),
		"more":  append(one[:len(one):len(one)], framed(kindEnd, end{0, 1, 0, 4}.encode())...),
		"gone":  framed(kindGone, encodeMaps([]int{1})), "nothing gone": framed(kindGone, encodeMaps(nil)),
		"busy": framed(kindBusy, binary.AppendUvarint(nil, 5)), "damaged": framed(kindDamaged, end{block: 1}.encode()), "cut": one[:20],
	}
}

// seeds checks that the committed corpus, which -rewrite writes, is there, and if
// the whole form is this package's, that it is what is made today.
func seeds(f *testing.F, name string, own bool, all map[string][]byte) {
	for n, b := range all {
		if old := golden.Seed(f, name, n, b); own && !bytes.Equal(old, b) {
			f.Errorf("%s of %s is not what is said today (-rewrite writes it; raise the version)", n, name)
		}
	}
}

// FuzzRequest: whatever is asked, a server answers in order or not at all.
func FuzzRequest(f *testing.F) {
	seeds(f, "FuzzRequest", true, fuzzRequests())
	store := cache.NewStore(memory.NewBroker(16<<20), "blocks", nil)
	f.Cleanup(store.Close)
	id := cache.BlockID{Job: 1, Exchange: 2, Map: 0, Attempt: 1, Partition: 3}
	w := store.NewWriter(id, 4, cache.MemoryAndDisk)
	if err := w.Append(f.Context(), 3, numbersFrom(0, 100), 800); err != nil {
		f.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		f.Fatal(err)
	}
	s := NewServer(store, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		x := &recorded{Reader: bytes.NewReader(data)}
		s.Serve(t.Context(), identity.Name{}, x)
		if s.due != 0 {
			t.Fatalf("%d bytes are due", s.due)
		}
		if !x.closed {
			return
		}
		m := message.New(&recorded{Reader: &x.Buffer}, maxMessage)
		last := message.Kind(0)
		for {
			k, _, err := m.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || last != 0 && last != kindChunk {
				t.Fatalf("%v, kind %d after %d", err, k, last)
			}
			last = k
		}
		if last != kindEnd && last != kindGone && last != kindDiagnosis && last != kindBusy {
			t.Fatalf("the answer ends with kind %d", last)
		}
	})
}

// canned is a connection whose streams answer with the same bytes.
type canned struct {
	transport.Conn
	answer []byte
}

func (c canned) Open(context.Context, transport.Urgency) (transport.Stream, error) {
	return &recorded{Reader: bytes.NewReader(c.answer)}, nil
}

func (c canned) Close() error { return nil }

type cannedTransport struct {
	transport.Transport
	answer []byte
}

func (c cannedTransport) Dial(context.Context, transport.Peer) (transport.Conn, error) {
	return canned{answer: c.answer}, nil
}

// FuzzAnswer: whatever is answered, a reader has rows or a typed error, and all
// that it held is given back.
func FuzzAnswer(f *testing.F) {
	seeds(f, "FuzzAnswer", false, fuzzAnswers(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := NewClient(cannedTransport{answer: data}, Options{Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		c.nonce = func() uint32 { return 0 }
		defer c.Close()
		broker := memory.NewBroker(64 << 20)
		task := broker.Reserve("task", 0)
		x := c.Read(t.Context(), executorPeer("1"), []cache.BlockID{{Job: 1, Exchange: 2}, {Job: 1, Exchange: 2, Map: 1}}, fuzzSchema, task)
		for rows := 0; rows < 1<<20; {
			b, err := x.Next(t.Context())
			if err != nil {
				var g *shuffle.GoneError
				if !errors.Is(err, io.EOF) && !errors.As(err, &g) {
					t.Fatalf("an error of another kind: %v", err)
				}
				break
			}
			rows += b.Selected()
		}
		x.Close()
		if task.Held() != 0 || c.admission.used != 0 {
			t.Fatalf("%d bytes are held, %d in flight", task.Held(), c.admission.used)
		}
	})
}

// Requests survive their encoding; what is out of bounds does not parse.
func TestForms(t *testing.T) {
	good := request{Urgency: transport.Gating, Nonce: 1<<32 - 1, Job: 3, Exchange: 4, Max: 5, Row: 6, Codecs: []string{"a", "b"}, Blocks: []block{{maxID, 0, 0}, {0, maxID, maxID}, {5, 5, 5}}}
	got, err := parseRequest(good.encode())
	if err != nil || fmt.Sprint(*got) != fmt.Sprint(good) {
		t.Fatalf("%v, %v", got, err)
	}
	for what, change := range map[string]func(r *request){
		"no blocks":    func(r *request) { r.Blocks = nil },
		"below zero":   func(r *request) { r.Blocks = []block{{-1, 0, 0}} },
		"beyond":       func(r *request) { r.Blocks = []block{{maxID + 1, 0, 0}} },
		"urgency":      func(r *request) { r.Urgency = 8 },
		"many codecs":  func(r *request) { r.Codecs = make([]string, maxCodecs+1) },
		"a long codec": func(r *request) { r.Codecs = []string{string(make([]byte, maxName+1))} },
		"many blocks":  func(r *request) { r.Blocks = make([]block, maxBlocks+1) },
	} {
		r := good
		change(&r)
		if x, err := parseRequest(r.encode()); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("%s: %v, %v", what, x, err)
		}
	}
	b := good.encode()
	for i := range b {
		if _, err := parseRequest(b[:i]); !errors.Is(err, message.ErrMalformed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	// A request that promises many blocks takes memory for what is there.
	bomb := (&request{Codecs: []string{"a"}, Blocks: []block{{}}}).encode()
	bomb = append(bomb[:len(bomb)-4], binary.AppendUvarint(nil, maxBlocks)...)
	if n := testing.AllocsPerRun(10, func() { _, _ = parseRequest(bomb) }); n > 10 {
		t.Errorf("%v allocations for a bomb", n)
	}
	q := diagnose{ID: cache.BlockID{Job: 1, Exchange: 2, Map: 3, Attempt: 4, Partition: 5}, Row: 6, Codec: "lz4", Sum: 1<<64 - 1}
	if got, err := parseDiagnose(q.encode()); err != nil || *got != q {
		t.Errorf("%v, %v", got, err)
	}
}
