package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// AgentConfig says what an agent is made of.
type AgentConfig struct {
	Transport transport.Transport
	Driver    transport.Peer
	At        transport.Addr  // where it serves its blocks
	Executor  executor.Config // Results, Outputs and Holders are the agent's to set
	// Fingerprint is of the program's functions: the driver's must have the same.
	Fingerprint string
	App         string          // the application's id, which its peers must have
	Artifacts   Place           // where they go
	Fetch       service.Options // how exchange output is fetched and served
}

// agent is an executor's side.
type agent struct {
	AgentConfig
	executor  *executor.Executor
	messages  *message.Conn
	results   *pusher
	artifacts *fetching
	fetcher   *service.Client
	tasks     sync.WaitGroup
	received  received

	mu      sync.Mutex
	cancels map[exec.TaskID]context.CancelFunc
	stages  map[[32]byte][]byte
	outputs map[exchangeID]outputs
	blocks  map[string]string                  // executor: where it serves its blocks
	moves   map[int]map[int]context.CancelFunc // by job
	moved   int                                // moves that there have been
}

// dials is how often an executor tries to reach a driver that does not answer in time.
const dials = 3

// Run is an executor's life: it registers with the driver and runs what it is
// given until the driver shuts it down, which returns nil, or is lost, or ctx
// ends.
func Run(ctx context.Context, c AgentConfig) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &agent{AgentConfig: c, cancels: map[exec.TaskID]context.CancelFunc{}, stages: map[[32]byte][]byte{}, outputs: map[exchangeID]outputs{}, blocks: map[string]string{}, moves: map[int]map[int]context.CancelFunc{}}
	a.artifacts = newFetching(c.Artifacts)
	defer a.artifacts.close()
	a.results = &pusher{streams: map[exec.TaskID]*resultStream{}}
	a.fetcher = service.NewClient(c.Transport, c.Fetch)
	c.Executor.Results, c.Executor.Outputs, c.Executor.Holders = a.results, a, a.holder
	a.executor = executor.New(c.Executor)
	defer a.executor.Close()
	defer a.fetcher.Close()

	server := service.NewServer(a.executor.Store(), c.Fetch)
	listener, err := c.Transport.Listen(ctx, c.At, server.Serve, identity.Executor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	conn, err := c.Transport.Dial(ctx, c.Driver)
	for n := 1; n < dials && transport.Silent(err); n++ { // the driver's host may be busy
		conn, err = c.Transport.Dial(ctx, c.Driver)
	}
	if err != nil {
		return fmt.Errorf("the driver at %s cannot be reached: %w", c.Driver.Addr, err)
	}
	defer conn.Close()
	a.results.conn = conn
	s, err := conn.Open(ctx, transport.Control)
	if err != nil {
		return err
	}
	defer s.Cancel(transport.CodeContext)
	a.messages = message.New(s, maxMessage)
	host, err := os.Hostname()
	if err != nil {
		host = "" // nobody is on the same one then
	}
	if err := a.messages.Send(kindHello, hello{Version: version, Slots: c.Executor.Slots, Host: host, Blocks: string(listener.Addr()), Functions: c.Fingerprint}); err != nil {
		return err
	}
	k, body, err := a.messages.Read()
	if err != nil || k != kindWelcome {
		return fmt.Errorf("the driver does not accept executor %s: %w", c.Executor.ID, err)
	}
	w, err := message.Decode[welcome](body)
	if err != nil {
		return err
	}
	if w.Refused != "" {
		return errors.New(w.Refused)
	}
	if w.Version != version || w.Heartbeat <= 0 {
		return fmt.Errorf("the driver speaks version %d, this executor %d: both must be of one release", w.Version, version)
	}

	var beats sync.WaitGroup
	beats.Go(func() { a.beat(ctx, w.Heartbeat) })
	defer beats.Wait()
	defer a.tasks.Wait()
	defer cancel()
	return a.obey(ctx)
}

// beat lets the driver hear of the executor.
func (a *agent) beat(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if a.messages.Send(kindHeartbeat, heartbeat{a.usage()}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// usage is what the process holds now.
func (a *agent) usage() Usage {
	return Usage{Reserved: a.Executor.Broker.Reserved(), Blocks: a.executor.Blocks(), Bytes: a.executor.BlockBytes(), Goroutines: runtime.NumGoroutine()}
}

// obey carries out what the driver says.
func (a *agent) obey(ctx context.Context) error {
	for {
		k, body, err := a.messages.Read()
		if err != nil {
			return fmt.Errorf("the driver is gone: %w", err)
		}
		switch k {
		case kindShutdown:
			return nil
		case kindLaunch:
			err = on(body, func(m launch) { a.launch(ctx, m) })
		case kindOffer:
			err = on(body, a.artifacts.offered)
		case kindKill:
			err = on(body, func(m kill) { a.kill(m.ID) })
		case kindBeginJob:
			err = on(body, func(m beginJob) { a.tasks.Go(func() { a.begin(ctx, m) }) })
		case kindPublish:
			err = on(body, func(m publish) { a.publish(ctx, m) })
		case kindDiscard:
			err = on(body, func(m discard) { a.executor.Discard(m.Output) })
		case kindMove:
			err = a.moving(ctx, body)
		case kindEndStage:
			err = on(body, func(m endStage) { a.executor.EndStage(m.ID) })
		case kindEndJob:
			err = on(body, func(m endJob) { a.endJob(m.Job) })
		case kindEndDataset:
			err = on(body, func(m endDataset) { a.executor.EndDataset(m.Dataset) })
		case kindOutputs:
			err = on(body, a.learn)
		case kindLost:
			err = on(body, a.lost)
		default:
			err = fmt.Errorf("%w: kind %d", message.ErrMalformed, k)
		}
		if err != nil {
			return err
		}
	}
}

func on[T any](body []byte, do func(T)) error {
	m, err := message.Decode[T](body)
	if err == nil {
		do(m)
	}
	return err
}

// launch runs a task in a goroutine of its own, which ends with it.
func (a *agent) launch(ctx context.Context, m launch) {
	ctx, cancel := context.WithCancel(ctx)
	a.mu.Lock()
	if m.Stage != nil {
		a.stages[m.Hash] = m.Stage
	}
	stage := a.stages[m.Hash]
	a.cancels[m.ID] = cancel
	a.mu.Unlock()
	a.tasks.Go(func() {
		r := a.run(ctx, m, stage)
		cancel()
		a.results.end(m.ID)
		a.mu.Lock()
		delete(a.cancels, m.ID)
		a.mu.Unlock()
		a.messages.Send(kindReport, reportOf(r)) // a driver that cannot be told is gone, as obey notices
	})
}

// run runs a task, whose stage may have to be got first.
func (a *agent) run(ctx context.Context, m launch, stage []byte) cluster.Report {
	if err := a.artifacts.ready(ctx); err != nil {
		return cluster.Report{Task: m.ID, Executor: a.Executor.ID, Failure: exec.Classify(err)}
	}
	if m.Value != nil {
		var err error
		if stage, err = a.value(ctx, *m.Value); err != nil {
			return cluster.Report{Task: m.ID, Executor: a.Executor.ID, Failure: exec.Classify(err)}
		}
	}
	return a.executor.Run(ctx, m.ID, m.Task, stage)
}

// publish makes a runtime filter known, whose keys may have to be got first.
func (a *agent) publish(ctx context.Context, m publish) {
	if m.Value == nil {
		a.executor.Publish(m.Job, m.Keys)
		return
	}
	a.tasks.Go(func() {
		if set, err := a.value(ctx, *m.Value); err == nil { // else there is no filter
			m.Keys.Set = set
			a.executor.Publish(m.Job, m.Keys)
		}
	})
}

func (a *agent) kill(id exec.TaskID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if cancel, ok := a.cancels[id]; ok {
		cancel()
	}
}

func (a *agent) begin(ctx context.Context, m beginJob) {
	answer := begun{Job: m.Job}
	if err := a.executor.BeginJob(ctx, m.Job, m.Shared, m.Task); err != nil {
		answer.Failure = exec.EncodeFailure(exec.Classify(err))
	}
	a.messages.Send(kindBegun, answer) // as in launch
}

func (a *agent) endJob(job int) {
	a.stay(job)
	a.received.forget(job)
	a.executor.EndJob(job)
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.stages)
	for at := range a.outputs {
		if at.job == job {
			delete(a.outputs, at)
		}
	}
}

// learn takes in where the outputs of an exchange are.
func (a *agent) learn(m outputs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outputs[exchangeID{m.Job, m.Exchange}] = m
	maps.Copy(a.blocks, m.Blocks)
}

// lost forgets an executor: nobody waits for it any more.
func (a *agent) lost(m lost) {
	a.mu.Lock()
	delete(a.blocks, m.Executor)
	a.mu.Unlock()
	a.fetcher.Lose(m.Executor)
}

// Outputs implements exchange.Outputs by what the driver told.
func (a *agent) Outputs(job, exchange int) (uint64, []shuffle.MapStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.outputs[exchangeID{job, exchange}]
	return m.Epoch, m.Maps
}

// holder returns who holds the blocks of an executor.
func (a *agent) holder(id string) exchange.Holder {
	if id == string(a.Executor.ID) {
		return exchange.Stored(a.executor.Store())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.blocks[id]
	if !ok {
		return nil
	}
	return holder{a.fetcher, a.peer(id, at)}
}

// peer is another executor, which serves its blocks at an address.
func (a *agent) peer(id, at string) transport.Peer {
	return transport.Peer{Addr: transport.Addr(at), Name: identity.Name{App: a.App, Role: identity.Executor, ID: id}}
}

// holder is another executor.
type holder struct {
	client *service.Client
	peer   transport.Peer
}

// Lacks implements exchange.Holder: who asks will know.
func (h holder) Lacks(cache.BlockID) bool { return false }

// Read implements exchange.Holder.
func (h holder) Read(ctx context.Context, ids []cache.BlockID, schema *columnar.Schema, r memory.Reservation) exchange.Blocks {
	return h.client.Read(ctx, h.peer, ids, schema, r)
}
