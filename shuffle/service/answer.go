package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// request asks for the rest, or as much of it as the lane may hold, once.
func (x *Reader) request(ctx context.Context) error {
	most, err := x.lane.ask(ctx)
	if err != nil {
		return err
	}
	defer x.lane.sent()
	o := &x.client.options
	r := &request{Nonce: x.client.nonce(), Job: x.job, Exchange: x.exchange, Max: most, Row: x.row, Blocks: x.rest[:min(len(x.rest), maxBlocks)], Codecs: preferred(o.Codec, x.from.Addr)}
	if x.unmapped {
		r.Codecs = slices.DeleteFunc(r.Codecs, func(name string) bool { return name == mapped })
	}
	f := Fetch{Job: x.job, Exchange: x.exchange, From: x.from.Name.ID, Blocks: len(x.rest), Try: x.try, Waiting: x.lane.isHungry()}
	if r.Urgency = o.Policy.Urgency(f); !r.Urgency.Valid() {
		r.Urgency = transport.Scrub
	}
	a := &answer{reader: x, request: r}
	defer a.close()
	return x.exchangeWith(ctx, r.Urgency, kindFetch, r.encode(), func(m *message.Conn, s transport.Stream, progress func()) error {
		a.files, _ = s.(transport.FileStream)
		for {
			k, body, err := m.Read()
			if err != nil {
				return err
			}
			progress()
			if over, err := a.take(ctx, k, body); over || err != nil {
				return err
			}
		}
	})
}

// errStalled means that a peer that is there does not answer.
var errStalled = errors.New("service: the peer sends nothing")

// exchangeWith opens a stream to the holder, sends a message and lets hear read
// the answer. The stream is cancelled when nothing comes for too long.
func (x *Reader) exchangeWith(ctx context.Context, u transport.Urgency, k message.Kind, body []byte, hear func(m *message.Conn, s transport.Stream, progress func()) error) (err error) {
	conn, err := x.client.conn(ctx, x.from)
	if err != nil {
		return err
	}
	var stalled atomic.Bool
	defer func() {
		kind := transport.KindOf(err)
		if stalled.Load() {
			err = errors.Join(errStalled, err)
		}
		if kind == transport.Lost || kind == transport.Closed {
			x.client.forget(x.from, conn)
		}
	}()
	s, err := conn.Open(ctx, u)
	if err != nil {
		return err
	}
	defer s.Cancel(transport.CodeContext)
	stall := x.client.options.Stall
	watch := time.AfterFunc(stall, func() {
		stalled.Store(true)
		s.Cancel(transport.CodeContext)
	})
	defer watch.Stop()
	m := message.New(s, maxMessage)
	if err := m.Write(k, body); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	err = hear(m, s, func() { watch.Reset(stall) })
	var gone *shuffle.GoneError
	var busy *busyError
	if err == nil || errors.As(err, &gone) || errors.As(err, &busy) {
		_, _, _ = m.Read() // the end, after which a connection may serve another stream
	}
	return err
}

// answer is what came of an answer so far.
type answer struct {
	reader  *Reader
	request *request
	at      int // block of the request that the reader's rest begins with
	chunks  uint32
	files   transport.FileStream // nil: the stream passes none
	region  *memory.Region       // the last one that was shown; nil: none
}

func (a *answer) close() {
	if a.region != nil {
		a.region.Release()
	}
}

// take takes in a message; over says that the answer ended as it should.
func (a *answer) take(ctx context.Context, k message.Kind, body []byte) (over bool, err error) {
	switch k {
	case kindChunk:
		return false, a.chunk(ctx, body)
	case kindShown:
		return false, a.shown(body)
	case kindEnd:
		e, err := parseEnd(body)
		if err != nil {
			return false, err
		}
		return true, a.end(e)
	case kindGone:
		maps, err := parseMaps(body)
		if err != nil {
			return false, err
		}
		return false, &shuffle.GoneError{Maps: maps}
	case kindBusy:
		d := numbers{b: body}
		after := time.Duration(d.next(60_000)) * time.Millisecond
		if err := d.end("a busy"); err != nil {
			return false, err
		}
		return false, &busyError{max(after, 10*time.Millisecond)}
	case kindDamaged:
		e, err := parseEnd(body)
		if err == nil {
			err = a.end(e)
		}
		if err == nil && e.block == len(a.request.Blocks) {
			err = fmt.Errorf("%w: damage behind the last block", message.ErrMalformed)
		}
		if err != nil {
			return false, err
		}
		return false, a.reader.corrupt(shuffle.OnDisk, errUnreadable)
	}
	return false, fmt.Errorf("%w: kind %d", message.ErrMalformed, k)
}

// head takes in the head of a chunk: it is the next one, or the answer is not
// believed.
func (a *answer) head(body []byte) (h head, data []byte, err error) {
	if h, data, err = parseHead(body); err != nil {
		return h, nil, err
	}
	if h.nonce != a.request.Nonce || h.seq != a.chunks || h.codec >= len(a.request.Codecs) || h.block >= len(a.request.Blocks) {
		return h, nil, fmt.Errorf("%w: chunk %d of block %d and codec %d where %d was due", message.ErrMalformed, h.seq, h.block, h.codec, a.chunks)
	}
	a.chunks++
	return h, data, a.reach(h.block, h.row)
}

// chunk takes in a chunk.
func (a *answer) chunk(ctx context.Context, body []byte) error {
	h, data, err := a.head(body)
	if err != nil {
		return err
	}
	x := a.reader
	name := a.request.Codecs[h.codec]
	if name == mapped {
		return fmt.Errorf("%w: a chunk that is mapped", message.ErrMalformed)
	}
	b, err := x.client.codecs[name].Decode(data, x.schema)
	if errors.Is(err, chunk.ErrCorrupt) {
		return x.corrupt(x.diagnose(ctx, name, data), err)
	}
	if err != nil {
		return err
	}
	return x.arrive(b, nil)
}

// shown takes in rows that lie in the holder's memory.
func (a *answer) shown(body []byte) error {
	h, sheet, err := a.head(body)
	if err != nil {
		return err
	}
	x := a.reader
	if a.files == nil || a.request.Codecs[h.codec] != mapped || len(sheet) == 0 || sheet[0] > 1 || sheet[0] == 0 && a.region == nil {
		return fmt.Errorf("%w: memory that was not asked for", message.ErrMalformed)
	}
	if sheet[0] == 1 {
		f, err := a.files.ReceiveFile()
		if err != nil {
			return err
		}
		a.close()
		if a.region, err = memory.OpenRegion(f); err != nil {
			a.region, x.unmapped = nil, true // from now on rows are sent
			return err
		}
	}
	b, err := chunk.Unfold(sheet[1:], a.region, x.schema)
	if err != nil {
		return x.corrupt(shuffle.InMemory, err)
	}
	a.region.Hold()
	return x.arrive(b, a.region)
}

// arrive passes rows on that are due.
func (x *Reader) arrive(b *columnar.Batch, r *memory.Region) error {
	if b.Selected() == 0 {
		return fmt.Errorf("%w: a chunk without rows", message.ErrMalformed)
	}
	x.row += int64(b.Selected())
	x.arrived += int64(b.Selected())
	x.pass(b, r)
	return nil
}

// reach goes on to a block of the request, of which all before has arrived: blocks
// that are passed over had no more rows.
func (a *answer) reach(block int, row int64) error {
	x := a.reader
	if block < a.at || block-a.at > len(x.rest) || block > len(a.request.Blocks) {
		return fmt.Errorf("%w: block %d after block %d of %d", message.ErrMalformed, block, a.at, len(a.request.Blocks))
	}
	if n := block - a.at; n > 0 {
		x.rest, x.row = x.rest[n:], 0
		x.passed += n
		x.arrived += int64(n)
		a.at = block
	}
	if row != x.row {
		return fmt.Errorf("%w: row %d where %d was due", message.ErrMalformed, row, x.row)
	}
	return nil
}

func (a *answer) end(e end) error {
	if e.nonce != a.request.Nonce || e.chunks != int(a.chunks) {
		return fmt.Errorf("%w: %d chunks of %d arrived", message.ErrMalformed, a.chunks, e.chunks)
	}
	return a.reach(e.block, e.row)
}

// corrupt says where the rows that are due were damaged.
func (x *Reader) corrupt(where shuffle.Damage, cause error) error {
	b := x.rest[0]
	return &shuffle.CorruptError{Map: b.Map, Attempt: b.Attempt, Partition: b.Partition, Row: x.row, Where: where, Cause: cause}
}

// diagnosing bounds the time that finding out about damage takes.
const diagnosing = 10 * time.Second

// diagnose asks the holder where a chunk was damaged.
func (x *Reader) diagnose(ctx context.Context, codec string, data []byte) (where shuffle.Damage) {
	ctx, stop := context.WithTimeout(ctx, diagnosing)
	defer stop()
	b := x.rest[0]
	q := &diagnose{ID: cache.BlockID{Job: x.job, Exchange: x.exchange, Map: b.Map, Attempt: b.Attempt, Partition: b.Partition}, Row: x.row, Codec: codec, Sum: xxhash.Sum64(data)}
	err := x.exchangeWith(ctx, transport.Straggler, kindDiagnose, q.encode(), func(m *message.Conn, _ transport.Stream, _ func()) error {
		k, body, err := m.Read()
		if err != nil || k != kindDiagnosis {
			return errors.Join(message.ErrMalformed, err)
		}
		where, err = parseDamage(body)
		return err
	})
	if err != nil {
		return shuffle.Unknown
	}
	return where
}
