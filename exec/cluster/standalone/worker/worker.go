package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Config says what a worker is made of.
type Config struct {
	Transport transport.Transport // of the role Worker
	Master    transport.Addr
	URL       string // of the master, as drivers are told
	ID        string
	Host      string // where its executors serve their blocks
	Size      standalone.Size
	Dir       string
	// Keep says that Dir is somebody else's: it stays when the worker ends.
	Keep bool
	// Authority makes the credentials of drivers, which are the cluster's clients.
	Authority *identity.Authority
	Log       *slog.Logger
	Silence   time.Duration // 0 stands for standalone.Silence
}

// worker is a worker that runs. What is not a channel belongs to its loop.
type worker struct {
	Config
	began     time.Time
	inbox     chan Event
	attach    chan attached
	done      chan struct{} // the loop has ended
	state     *State
	line      *standalone.Line // to the master, nil if there is none
	processes map[Key]*child
}

// attached is a stream to the master that has come up; join gets what the worker
// says first. One without a line says that the last one broke.
type attached struct {
	line *standalone.Line
	join chan standalone.JoinBody
}

// Run is a worker's life. It returns when ctx has ended and all processes have, when
// the worker is drained, or when the master refuses it.
func Run(ctx context.Context, c Config) error {
	if c.Silence == 0 {
		c.Silence = standalone.Silence
	}
	w := &worker{Config: c, began: time.Now(), inbox: make(chan Event), attach: make(chan attached), done: make(chan struct{}),
		state: New(c.Size), processes: map[Key]*child{}}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return diag.New(diag.PathDenied, "the directory %s of the worker cannot be made: %v", c.Dir, err).WithPath(c.Dir).WithCause(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The stream to the master outlives ctx, so that the ends of processes are told.
	talking, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	talked := make(chan error, 1)
	go func() { // ends with talking, or a refusal
		err := w.talk(talking, ctx)
		cancel()
		talked <- err
	}()
	w.loop(ctx)
	cancel() // one that is drained ends by itself
	w.leave()
	hangUp()
	err := <-talked
	if !c.Keep {
		err = errors.Join(err, os.RemoveAll(c.Dir))
	}
	return err
}

// tick is how often the worker looks at the time.
const tick = 500 * time.Millisecond

// loop takes events in until ctx has ended and all processes have.
func (w *worker) loop(ctx context.Context) {
	defer close(w.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	ending := ctx.Done()
	for {
		var e Event
		select {
		case e = <-w.inbox:
			if e.Exited != nil {
				delete(w.processes, e.Exited.Key)
			}
		case a := <-w.attach:
			if w.line = a.line; w.line != nil {
				b := w.state.Running()
				b.Version, b.Host = standalone.Version, w.Host
				a.join <- b
			}
		case <-t.C:
		case <-ending:
			e.Close, ending = true, nil
		}
		e.Now = time.Since(w.began)
		for _, a := range w.state.Step(e) {
			if a.Done {
				return
			}
			w.do(a)
		}
	}
}

// tell gives the loop an event, unless it has ended.
func (w *worker) tell(e Event) {
	select {
	case w.inbox <- e:
	case <-w.done:
	}
}

func (w *worker) do(a Action) {
	switch {
	case a.SpawnExecutor != nil:
		w.spawn(Key{Executor: a.SpawnExecutor.ID}, func() (*child, error) { return w.executor(a.SpawnExecutor) })
	case a.SpawnDriver != nil:
		w.spawn(Key{Driver: a.SpawnDriver.ID}, func() (*child, error) { return w.driver(a.SpawnDriver) })
	case a.Ask != nil:
		if p := w.processes[*a.Ask]; p != nil {
			p.Ask()
		}
	case a.Kill != nil:
		if p := w.processes[*a.Kill]; p != nil {
			w.Log.Warn("process killed: it did not end by itself", "process", p.name)
			p.Kill()
		}
	case a.Report != nil:
		if w.line != nil {
			w.line.Send(a.Report.Kind, a.Report.Body)
		}
	}
}

// leave says that the worker will not come back, and waits a little until the
// master has heard it.
func (w *worker) leave() {
	if w.line == nil {
		return
	}
	w.line.Send(standalone.Leave, struct{}{})
	select {
	case <-w.attach: // the master has ended the stream
	case <-time.After(leaving):
	}
}

const leaving = time.Second

// talk keeps a stream to the master until ctx ends, or the worker is refused
// before it ever was let in. It does not come back once ending is over, which ends
// before ctx.
func (w *worker) talk(ctx, ending context.Context) error {
	master := transport.Peer{Addr: w.Master, Name: identity.Name{App: w.Authority.App(), Role: identity.Master}}
	caller := standalone.Caller{Transport: w.Transport, Master: master, Verb: standalone.Join, Silence: w.Silence,
		Attach: w.attached, Detach: func() { w.detached(ctx) }, Joined: func() { w.Log.Info("joined the master", "master", w.Master) }, Receive: w.receive}
	var pauses standalone.Pauses
	joined := false
	for {
		was, err := caller.Meet(ctx)
		joined = joined || was
		var refusal *diag.Error
		if ending.Err() != nil {
			<-ctx.Done()
			return nil
		}
		if !joined && (errors.As(err, &refusal) || transport.KindOf(err) == transport.Refused) {
			return standalone.Unreachable(string(w.Master), err)
		}
		if was {
			pauses = standalone.Pauses{}
			w.Log.Warn("the master is away; what runs goes on", "master", w.Master, "reason", err)
		} else {
			w.Log.Warn("the master cannot be reached", "master", w.Master, "reason", err)
		}
		if !pauses.Wait(ending) {
			<-ctx.Done()
			return nil
		}
	}
}

// attached gives the loop the line to the master, and returns what the worker says first.
func (w *worker) attached(line *standalone.Line) (any, error) {
	a := attached{line, make(chan standalone.JoinBody, 1)}
	select {
	case w.attach <- a:
		return <-a.join, nil
	case <-w.done:
		return nil, context.Canceled
	}
}

// detached tells the loop that there is no line, or leave, which waits for that.
func (w *worker) detached(ctx context.Context) {
	select {
	case w.attach <- attached{}:
	case <-w.done:
		select {
		case w.attach <- attached{}:
		case <-ctx.Done():
		}
	}
}

// receive takes in what the master says.
func (w *worker) receive(k message.Kind, body []byte) error {
	switch k {
	case standalone.StartExecutor:
		return standalone.On(body, func(b standalone.StartExecutorBody) { w.tell(Event{StartExecutor: &b}) })
	case standalone.StopExecutor:
		return standalone.On(body, func(b standalone.StopExecutorBody) { w.tell(Event{StopExecutor: &b.ID}) })
	case standalone.StartDriver:
		return standalone.On(body, func(b standalone.StartDriverBody) { w.tell(Event{StartDriver: &b}) })
	case standalone.EndDriver:
		return standalone.On(body, func(b standalone.DriverBody) { w.tell(Event{EndDriver: &b.ID}) })
	case standalone.Drain:
		w.tell(Event{Drain: true})
		return nil
	case standalone.NotedDriver:
		return standalone.On(body, func(b standalone.DriverBody) { w.tell(Event{Noted: &b.ID}) })
	}
	return message.ErrMalformed
}
