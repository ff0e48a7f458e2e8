package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// results serves a result stream: every chunk is answered when the driver has its
// rows (R3).
func (b *Backend) results(ctx context.Context, executor exec.ExecutorID, id exec.TaskID, f *message.Conn) {
	schema, err := b.schema(id, executor)
	for {
		k, body, rerr := f.Read()
		if rerr != nil || k != kindChunk {
			return
		}
		var rows *columnar.Batch
		if err == nil {
			rows, err = chunk.Decode(body, schema)
		}
		if err == nil {
			err = b.Results.Push(ctx, id, rows, func(bool) {})
		}
		var answer taken
		if err != nil {
			answer.Failure = exec.EncodeFailure(exec.Classify(err))
		}
		if f.Send(kindTaken, answer) != nil || err != nil {
			return
		}
	}
}

// pusher hands the rows of result tasks to the driver: it is the executor's
// ResultSink.
type pusher struct {
	conn    transport.Conn
	mu      sync.Mutex
	streams map[exec.TaskID]*resultStream
}

// resultStream belongs to the goroutine of its task.
type resultStream struct {
	stream   transport.Stream
	messages *message.Conn
	chunk    []byte
}

// Push implements executor.ResultSink. The task is parked until the driver has
// taken the rows.
func (p *pusher) Push(ctx context.Context, id exec.TaskID, b *columnar.Batch, parked func(bool)) error {
	r, err := p.open(ctx, id)
	if err != nil {
		return err
	}
	if r.chunk, err = chunk.Append(r.chunk[:0], b, chunk.LZ4); err != nil {
		return err
	}
	if err := r.messages.Write(kindChunk, r.chunk); err != nil {
		return err
	}
	parked(true)
	k, body, err := r.messages.Read()
	parked(false)
	if err != nil {
		return fmt.Errorf("the driver does not take results: %w", err)
	}
	t, err := message.Decode[taken](body)
	if err != nil || k != kindTaken {
		return errors.Join(message.ErrMalformed, err)
	}
	if t.Failure == nil {
		return nil
	}
	failure, err := exec.DecodeFailure(t.Failure)
	if err != nil {
		return err
	}
	return failure
}

// open returns the stream of a task. It lives until end.
func (p *pusher) open(ctx context.Context, id exec.TaskID) (*resultStream, error) {
	p.mu.Lock()
	r, ok := p.streams[id]
	p.mu.Unlock()
	if ok {
		return r, nil
	}
	s, err := p.conn.Open(ctx, transport.Normal)
	if err != nil {
		return nil, err
	}
	r = &resultStream{stream: s, messages: message.New(s, maxMessage)}
	if err := r.messages.Send(kindResult, result{id}); err != nil {
		s.Cancel(transport.CodeContext)
		return nil, err
	}
	p.mu.Lock()
	p.streams[id] = r
	p.mu.Unlock()
	return r, nil
}

// end closes the stream of a task that ended.
func (p *pusher) end(id exec.TaskID) {
	p.mu.Lock()
	r, ok := p.streams[id]
	delete(p.streams, id)
	p.mu.Unlock()
	if ok {
		r.stream.Cancel(transport.CodeContext)
	}
}
