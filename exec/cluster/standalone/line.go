package standalone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// maxQueue bounds the messages that wait for one peer; who falls behind so far is
// cut off.
const maxQueue = 4096

// Line is what waits to be sent on a stream between the master and a worker or an
// application. It is safe for concurrent use.
type Line struct {
	queue chan envelope
	ctx   context.Context
	cut   context.CancelFunc
}

type envelope struct {
	kind message.Kind
	body any
}

// NewLine returns a line, whose messages wait until Talk sends them.
func NewLine(ctx context.Context) *Line {
	l := &Line{queue: make(chan envelope, maxQueue)}
	l.ctx, l.cut = context.WithCancel(ctx)
	return l
}

// Send queues a message. It does not block.
func (l *Line) Send(k message.Kind, body any) {
	select {
	case l.queue <- envelope{k, body}:
	default:
		l.cut()
	}
}

// Cut ends Talk.
func (l *Line) Cut() { l.cut() }

// Talk sends what is queued, something at least five times within silence, and
// passes on what comes until the stream ends, nothing has come for that long,
// receive fails, or the line is cut. What was queued before Cut is sent still, if
// that does not take long.
func (l *Line) Talk(s transport.Stream, f *message.Conn, silence time.Duration, receive func(message.Kind, []byte) error) error {
	defer l.cut()
	var writer sync.WaitGroup
	defer writer.Wait()
	defer l.cut()
	writer.Go(func() {
		defer s.Cancel(transport.CodeContext) // wakes the reader
		l.write(s, f, silence)
	})
	silent := time.AfterFunc(silence, l.cut)
	defer silent.Stop()
	for {
		k, body, err := f.Read()
		if err != nil {
			return err
		}
		silent.Reset(silence)
		if k == Alive {
			continue
		}
		if err := receive(k, body); err != nil {
			return err
		}
	}
}

func (l *Line) write(s transport.Stream, f *message.Conn, silence time.Duration) {
	beat := time.NewTicker(silence / 5)
	defer beat.Stop()
	for {
		var m envelope
		select {
		case m = <-l.queue:
		case <-beat.C:
			m = envelope{Alive, struct{}{}}
		case <-l.ctx.Done():
			stuck := time.AfterFunc(lastWords, func() { s.Cancel(transport.CodeContext) })
			defer stuck.Stop()
			for {
				select {
				case m := <-l.queue:
					if f.Send(m.kind, m.body) != nil {
						return
					}
				default:
					return
				}
			}
		}
		if f.Send(m.kind, m.body) != nil {
			return
		}
	}
}

// lastWords is how long the messages before the end may take to be sent.
const lastWords = time.Second

// On decodes a message and does something with it.
func On[T any](body []byte, do func(T)) error {
	m, err := message.Decode[T](body)
	if err == nil {
		do(m)
	}
	return err
}

// Ask sends a verb and returns what the answer holds. A refusal is a *diag.Error.
func Ask[T any](f *message.Conn, verb message.Kind, body any, answer message.Kind) (v T, err error) {
	if err := f.Send(verb, body); err != nil {
		return v, err
	}
	k, b, err := f.Read()
	if err != nil {
		return v, err
	}
	switch k {
	case answer:
		return message.Decode[T](b)
	case Refused:
		r, err := message.Decode[RefusedBody](b)
		if err != nil {
			return v, err
		}
		return v, &diag.Error{Class: diag.Class(r.Class), Message: r.Message, Remedy: r.Remedy}
	}
	return v, fmt.Errorf("%w: an answer of kind %d", message.ErrMalformed, k)
}

// Unreachable says what a failure to reach the master means.
func Unreachable(master string, err error) error {
	var d *diag.Error
	switch {
	case errors.As(err, &d):
		return err
	case transport.KindOf(err) == transport.Refused:
		return diag.New(diag.ClusterFailed, "the master at %s and this process do not accept each other: %v", master, err).WithCause(err).
			WithRemedy("both need the same token; --token names the file that holds it")
	}
	return diag.New(diag.ClusterFailed, "the master at %s cannot be reached: %v", master, err).WithCause(err).
		WithRemedy("start one by `millrace master`, or look whether host and port are right")
}
