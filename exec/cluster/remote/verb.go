package remote

import (
	"context"
	"maps"
	"slices"

	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// verb answers a stream that an executor opened, by the message that it begins with.
// What it does not understand ends the stream.
type verb func(b *Backend, ctx context.Context, from exec.ExecutorID, body []byte, f *message.Conn, s transport.Stream)

// verbs are all that a driver answers, to executors of its application alone.
var verbs = map[message.Kind]verb{
	kindHello:  (*Backend).hello,
	kindSpread: (*Backend).spreads,
	kindResult: (*Backend).takes,
}

// Verbs are the kinds of messages that a stream to the driver may begin with.
func Verbs() []message.Kind { return slices.Sorted(maps.Keys(verbs)) }

// serve answers a stream that an executor opened.
func (b *Backend) serve(ctx context.Context, from identity.Name, s transport.Stream) {
	f := message.New(s, maxMessage)
	k, body, err := f.Read()
	if v := verbs[k]; err == nil && v != nil {
		v(b, ctx, exec.ExecutorID(from.ID), body, f, s)
	}
}

func (b *Backend) hello(ctx context.Context, from exec.ExecutorID, body []byte, f *message.Conn, s transport.Stream) {
	h, err := message.Decode[hello](body)
	switch {
	case err != nil || h.Version != version || h.Slots <= 0:
	case b.Fingerprint != "" && h.Functions != b.Fingerprint:
		f.Send(kindWelcome, welcome{Version: version, Refused: differs})
	default:
		b.control(ctx, from, h, f, s)
	}
}

// differs tells an executor why it is refused.
const differs = "the executor's program registers other functions than the driver's: both must be the same binary"

func (b *Backend) spreads(ctx context.Context, from exec.ExecutorID, body []byte, f *message.Conn, s transport.Stream) {
	if r, err := message.Decode[broadcast.Ref](body); err == nil && r.Check() == nil {
		b.spread(ctx, from, r, f, s)
	}
}

func (b *Backend) takes(ctx context.Context, from exec.ExecutorID, body []byte, f *message.Conn, _ transport.Stream) {
	if r, err := message.Decode[result](body); err == nil {
		b.results(ctx, from, r.Task, f)
	}
}
