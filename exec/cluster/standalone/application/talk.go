package application

import (
	"context"
	"errors"
	"strconv"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// talk keeps a stream to the master until ctx ends, the application has left, or
// the master does not want it.
func (b *Backend) talk(ctx context.Context) {
	caller := standalone.Caller{Transport: b.want.Cluster, Master: b.want.Master, Verb: standalone.Register, Silence: standalone.Silence,
		Attach: b.attach, Detach: b.detach, Receive: b.receive}
	var pauses standalone.Pauses
	joined := false
	for {
		was, err := caller.Meet(ctx)
		joined = joined || was
		away := standalone.Unreachable(string(b.want.Master.Addr), err).(*diag.Error)
		b.mu.Lock()
		left, given := was && b.left, b.ended != nil
		b.mu.Unlock()
		var refusal *diag.Error
		switch {
		case ctx.Err() != nil || left:
			return
		case !joined && (errors.As(err, &refusal) || transport.KindOf(err) == transport.Refused):
			b.end(away)
			return
		}
		b.mu.Lock()
		b.reason = away.Message
		b.mu.Unlock()
		if given {
			return
		}
		if !joined && pauses.Longest() { // there is no master
			b.end(away)
			return
		}
		if was {
			pauses = standalone.Pauses{}
		}
		if !pauses.Wait(ctx) {
			return
		}
	}
}

// receive takes in what the master says.
func (b *Backend) receive(k message.Kind, body []byte) error {
	switch k {
	case standalone.Placed:
		m, err := message.Decode[standalone.PlacedBody](body)
		if err != nil {
			return err
		}
		return b.placed(m)
	case standalone.Gone:
		return standalone.On(body, b.gone)
	case standalone.Waiting:
		return standalone.On(body, func(m standalone.ReasonBody) { b.waits(m.Reason) })
	case standalone.Empty:
		return standalone.On(body, func(m standalone.EmptyBody) { b.Leave(exec.ExecutorID(strconv.Itoa(m.N))) })
	case standalone.GivenUp:
		return standalone.On(body, func(m standalone.ReasonBody) {
			b.end(diag.New(diag.ClusterFailed, "the cluster has given the application %s up: %s", b.want.Name, m.Reason))
		})
	}
	return message.ErrMalformed
}

// attach makes a line the one to the master, and returns what the application says
// first: what it wants and what it has.
func (b *Backend) attach(line *standalone.Line) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line = line
	r := standalone.RegisterBody{Version: standalone.Version, App: b.app, Name: b.want.Name, Executors: b.want.Executors, Size: b.want.Size, Next: b.next}
	for n, w := range b.held {
		r.Have = append(r.Have, standalone.Held{N: n, Worker: w})
		if b.up[n] {
			line.Send(standalone.Up, standalone.UpBody{N: n})
		}
	}
	return r, nil
}

func (b *Backend) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line = nil
}
