package application

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// The pauses between attempts to reach the master, and how long one may take.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
	dialling   = 10 * time.Second
)

// talk keeps a stream to the master until ctx ends, the application has left, or
// the master does not want it.
func (b *Backend) talk(ctx context.Context) {
	pause, joined := firstPause, false
	for {
		was, err := b.once(ctx)
		joined = joined || was
		if ctx.Err() != nil || err == errLeft {
			return
		}
		var refusal *diag.Error
		if !joined && (errors.As(err, &refusal) || transport.KindOf(err) == transport.Refused) {
			b.end(standalone.Unreachable(string(b.want.Master.Addr), err))
			return
		}
		b.mu.Lock()
		given := b.ended != nil
		b.reason = standalone.Unreachable(string(b.want.Master.Addr), err).(*diag.Error).Message
		b.mu.Unlock()
		if given {
			return
		}
		if !joined && pause == maxPause { // there is no master
			b.end(standalone.Unreachable(string(b.want.Master.Addr), err))
			return
		}
		if was {
			pause = firstPause
		}
		t := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		pause = min(2*pause, maxPause)
	}
}

var errLeft = errors.New("the application has left")

// once talks to the master until the stream breaks. It reports whether the master
// let the application in.
func (b *Backend) once(ctx context.Context) (joined bool, err error) {
	dial, stop := context.WithTimeout(ctx, dialling)
	defer stop()
	conn, err := b.want.Cluster.Dial(dial, b.want.Master)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	s, err := conn.Open(ctx, transport.Control)
	if err != nil {
		return false, err
	}
	defer s.Cancel(transport.CodeContext)
	slow := time.AfterFunc(dialling, func() { s.Cancel(transport.CodeContext) })
	defer slow.Stop()
	line := standalone.NewLine(ctx)
	defer line.Cut()
	f := message.New(s, standalone.MaxMessage)
	if _, err := standalone.Ask[struct{}](f, standalone.Register, b.attach(line), standalone.Welcome); err != nil {
		b.detach()
		return false, err
	}
	defer b.detach()
	slow.Stop()
	err = line.Talk(s, f, standalone.Silence, func(k message.Kind, body []byte) error {
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
	})
	b.mu.Lock()
	left := b.left
	b.mu.Unlock()
	if left {
		return true, errLeft
	}
	return true, err
}

// attach makes a line the one to the master, and returns what the application says
// first: what it wants and what it has.
func (b *Backend) attach(line *standalone.Line) standalone.RegisterBody {
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
	return r
}

func (b *Backend) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line = nil
}
