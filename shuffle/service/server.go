package service

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Server answers fetches out of a store.
type Server struct {
	store  *cache.Store
	limits Limits
	codecs map[string]Codec
	reads  *transport.Egress // whose turn it is to read and encode

	mu  sync.Mutex
	due int64 // bytes asked for and not sent yet
}

// NewServer returns a server of a store.
func NewServer(store *cache.Store, o Options) *Server {
	o = o.filled()
	return &Server{store: store, limits: o.Limits, codecs: codecs(o.Codec), reads: transport.NewEgress(o.Slots, o.Policy.Before)}
}

// verb answers a request. ok is false if it makes no sense.
type verb func(s *Server, ctx context.Context, body []byte, m *message.Conn, stream transport.Stream) (ok bool)

// verbs are all that an executor answers, to executors of its application alone.
var verbs = map[message.Kind]verb{
	kindFetch: func(s *Server, ctx context.Context, body []byte, _ *message.Conn, stream transport.Stream) bool {
		r, err := parseRequest(body)
		files, _ := stream.(transport.FileStream)
		return err == nil && s.fetch(ctx, message.New(stream, maxMessage), files, r) == nil
	},
	kindDiagnose: func(s *Server, ctx context.Context, body []byte, m *message.Conn, _ transport.Stream) bool {
		q, err := parseDiagnose(body)
		return err == nil && m.Write(kindDiagnosis, []byte{byte(s.diagnose(ctx, q))}) == nil
	},
}

// Verbs are the kinds of messages that a stream to an executor may begin with.
func Verbs() []message.Kind { return slices.Sorted(maps.Keys(verbs)) }

// Serve is a transport.Handler. A stream that says nothing it understands is
// cancelled, which the reader takes for a loss.
func (s *Server) Serve(ctx context.Context, _ identity.Name, stream transport.Stream) {
	m := message.New(stream, maxRequest)
	k, body, err := m.Read()
	if v := verbs[k]; err == nil && v != nil && v(s, ctx, body, m, stream) {
		_ = stream.CloseWrite() // else who asked is gone
	}
}

// maxRequest bounds what a client sends.
const maxRequest = 4 << 20

// retryAfter is what a server that is busy asks for.
const retryAfter = 100 * time.Millisecond

// admit counts a request among those being served. It is false if there are too
// many; one is always served.
func (s *Server) admit(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due > 0 && s.due+n > s.limits.Serving {
		return false
	}
	s.due += n
	return true
}

func (s *Server) done(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due -= n
}

var errMissing = errors.New("service: the block is not there any more")

// fetch sends the blocks, or says which are gone before it sends any.
func (s *Server) fetch(ctx context.Context, m *message.Conn, files transport.FileStream, r *request) error {
	if maps := s.missing(r); maps != nil {
		return m.Write(kindGone, encodeMaps(maps))
	}
	w := &sender{server: s, messages: m, request: r, left: max(1, r.Max), head: head{nonce: r.Nonce}}
	for i, name := range r.Codecs {
		if w.codec = s.codecs[name]; w.codec != nil {
			w.head.codec = i
			break
		}
	}
	w.plain = slices.IndexFunc(r.Codecs, func(name string) bool { return s.codecs[name] == LZ4 || s.codecs[name] == Raw })
	if w.mapped = slices.Index(r.Codecs, mapped); files != nil && w.mapped >= 0 {
		w.files = files
	}
	if w.codec == nil {
		return errors.New("service: no codec in common")
	}
	if !s.admit(w.left) {
		return m.Write(kindBusy, binary.AppendUvarint(nil, uint64(retryAfter.Milliseconds())))
	}
	defer func(n int64) { s.done(n) }(w.left)
	row := r.Row
	for i := range r.Blocks {
		w.head.block = i
		switch at, err := w.block(ctx, r.id(i), row); {
		case errors.Is(err, errFull):
			return m.Write(kindEnd, end{r.Nonce, int(w.head.seq), i, at}.encode())
		case errors.Is(err, errMissing):
			return m.Write(kindGone, encodeMaps([]int{r.Blocks[i].Map}))
		case errors.Is(err, errUnreadable):
			return m.Write(kindDamaged, end{r.Nonce, int(w.head.seq), i, at}.encode())
		case err != nil:
			return err
		}
		row = 0
	}
	return m.Write(kindEnd, end{r.Nonce, int(w.head.seq), len(r.Blocks), 0}.encode())
}

// missing lists the map tasks of which blocks are not there.
func (s *Server) missing(r *request) (maps []int) {
	known := map[int]bool{}
	for i := range r.Blocks {
		if id := r.id(i); !known[id.Map] && !s.store.Has(id) {
			known[id.Map] = true
			maps = append(maps, id.Map)
		}
	}
	return maps
}

// sender writes the chunks of one answer.
type sender struct {
	server   *Server
	messages *message.Conn
	request  *request
	codec    Codec
	plain    int                  // index of a codec that is columnar/chunk itself, −1 if there is none
	files    transport.FileStream // nil: nothing is mapped
	mapped   int                  // index of the codec
	shown    *memory.Region       // that the reader has the file of
	head     head
	left     int64 // bytes that may still be sent
	first    [headBytes + 1]byte
	buf      []byte
}

var (
	errFull       = errors.New("service: the answer has as much as was asked for")
	errUnreadable = errors.New("service: the block cannot be read")
)

// block sends a block from a row on, and returns up to which row it came.
func (w *sender) block(ctx context.Context, id cache.BlockID, row int64) (int64, error) {
	p, ok := w.server.store.Get(id)
	if !ok {
		return row, errMissing
	}
	defer p.Close()
	at, err := p.Skip(ctx, row)
	for err == nil {
		var x piece
		if x, err = w.read(ctx, p, at < row); err != nil {
			break
		}
		if at+x.rows <= row {
			at += x.rows
			continue
		}
		if at < row {
			x.batch, x.region = from(x.batch, int(row-at)), nil
			at, x.rows = row, int64(x.batch.Selected())
		}
		if w.left <= 0 {
			return at, errFull
		}
		if err := w.send(ctx, at, x); err != nil {
			return at, err
		}
		at += x.rows
	}
	if errors.Is(err, io.EOF) {
		return at, nil
	}
	if ctx.Err() == nil {
		err = errors.Join(errUnreadable, err)
	}
	return at, err
}

// piece is what becomes a chunk: rows, rows that the reader can map, or a chunk as it
// lies on disk.
type piece struct {
	batch  *columnar.Batch
	region *memory.Region // nil: it cannot
	sheet  []byte         // where in the region
	stored []byte
	rows   int64
}

// turn waits for this answer's turn among all that the process reads.
func (w *sender) turn(ctx context.Context) (release func(), err error) {
	deadline, _ := ctx.Deadline()
	release = w.server.reads.Acquire(transport.Ticket{Urgency: w.request.Urgency, Deadline: deadline, Arrival: time.Now()}, ctx.Done())
	if release == nil {
		return nil, ctx.Err()
	}
	return release, nil
}

// read reads the next piece. What lies on disk leaves as it is stored there, neither
// decoded nor checked, which the reader does; unless only a part of it is wanted, or
// the reader does not understand it.
func (w *sender) read(ctx context.Context, p *cache.Pinned, part bool) (x piece, err error) {
	release, err := w.turn(ctx)
	if err != nil {
		return x, err
	}
	defer release()
	if part || w.plain < 0 {
		if x.batch, err = p.Next(ctx, nil); err == nil {
			x.rows = int64(x.batch.Selected())
		}
		return x, err
	}
	rows := 0
	x.batch, x.stored, rows, err = p.NextStored(ctx, nil)
	x.rows = int64(rows)
	if err == nil && x.batch != nil && w.files != nil {
		x.region, x.sheet = p.Shared()
	}
	return x, err
}

// storedGrows is about what a byte of a chunk as it is stored takes in the reader's
// memory. Readers pay for what is more when it comes.
const storedGrows = 3

// send encodes and writes a piece that begins at a row of the block.
func (w *sender) send(ctx context.Context, row int64, x piece) error {
	h := w.head
	h.row = row
	w.head.seq++
	if x.stored != nil {
		h.codec = w.plain
		w.left -= storedGrows * int64(len(x.stored))
		return w.messages.Write(kindChunk, h.append(w.first[:0]), x.stored)
	}
	if x.region != nil {
		return w.show(h, x)
	}
	release, err := w.turn(ctx)
	if err != nil {
		return err
	}
	w.buf, err = w.codec.Append(w.buf[:0], x.batch)
	release()
	if err != nil {
		return err
	}
	w.left -= x.batch.MemoryBytes()
	return w.messages.Write(kindChunk, h.append(w.first[:0]), w.buf)
}

// show tells where the reader finds a piece, and passes the file that it lies in
// unless that came last.
func (w *sender) show(h head, x piece) error {
	h.codec = w.mapped
	w.left -= x.batch.MemoryBytes()
	fresh := byte(0)
	if x.region != w.shown {
		fresh = 1
	}
	if err := w.messages.Write(kindShown, append(h.append(w.first[:0]), fresh), x.sheet); err != nil || fresh == 0 {
		return err
	}
	w.shown = x.region
	return w.files.SendFile(x.region.File())
}

// from returns a batch without its first n rows that count.
func from(b *columnar.Batch, n int) *columnar.Batch {
	if b.Sel != nil {
		out := *b
		out.Sel = b.Sel[n:]
		return &out
	}
	return kernel.SliceBatch(b, n, b.Rows-n, nil)
}

// diagnose reads a chunk again, twice, to tell where it was damaged: what cannot be
// read was on disk, what does not come out the same or whole in this memory.
func (s *Server) diagnose(ctx context.Context, q *diagnose) shuffle.Damage {
	codec := s.codecs[q.Codec]
	if codec == nil {
		return shuffle.Unknown
	}
	var sums [2]uint64
	for i := range sums {
		sum, where := s.again(ctx, q, codec)
		if where != shuffle.OnNetwork {
			return where
		}
		sums[i] = sum
	}
	if sums[0] != sums[1] || sums[0] == q.Sum {
		return shuffle.InMemory
	}
	return shuffle.OnNetwork
}

// again makes the chunk at a row once more and returns its checksum, and where it
// is damaged: OnNetwork if it is not, here.
func (s *Server) again(ctx context.Context, q *diagnose, codec Codec) (sum uint64, where shuffle.Damage) {
	p, ok := s.store.Get(q.ID)
	if !ok {
		return 0, shuffle.Unknown
	}
	defer p.Close()
	at, err := p.Skip(ctx, q.Row)
	var b *columnar.Batch
	for err == nil {
		if b, err = p.Next(ctx, nil); err != nil {
			break
		}
		n := int64(b.Selected())
		if at+n > q.Row {
			b = from(b, int(q.Row-at))
			break
		}
		at += n
	}
	switch {
	case ctx.Err() != nil || errors.Is(err, io.EOF):
		return 0, shuffle.Unknown
	case err != nil:
		return 0, shuffle.OnDisk
	}
	data, err := codec.Append(nil, b)
	if err == nil {
		_, err = codec.Decode(data, b.Schema)
	}
	if err != nil {
		return 0, shuffle.InMemory
	}
	return xxhash.Sum64(data), shuffle.OnNetwork
}
