package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Silence is how long an executor may say nothing before it counts as lost, when
// Config does not say otherwise.
const Silence = 10 * time.Second

// Config says what a backend is made of.
type Config struct {
	// Transport and At: how and where the driver listens.
	Transport transport.Transport
	At        transport.Addr
	Results   executor.ResultSink // takes the rows of result stages
	Outputs   exchange.Outputs    // the driver's map output tracker
	Functions expr.Lookup         // what stages may call; nil stands for expr.Builtins
	// Fingerprint is of the program's functions: executors must have the same; "": it has none.
	Fingerprint string
	// Self and Host: as whom and where the driver serves artifacts, once there are any.
	Self    *identity.Credential
	Host    string
	Silence time.Duration // 0 stands for Silence; at least a few heartbeats, of which there are five in it
	// Joined and Lost hear of executors that registered, and that are lost; nil:
	// nobody does. They must not block.
	Joined, Lost func(exec.ExecutorID)
}

// Backend is the driver's side: a cluster.Backend of whatever executors dial in.
type Backend struct {
	Config
	listener transport.Listener
	events   chan cluster.Report
	ctx      context.Context
	stop     context.CancelFunc
	close    sync.Once
	wg       sync.WaitGroup
	values   broadcasts
	sent     atomic.Int64 // bytes of values that the driver sent itself
	sharing  sharing

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when peers changes
	listed  bool          // Executors was called: later ones are told by events
	peers   map[exec.ExecutorID]*peer
	tasks   map[exec.TaskID]given
	stages  map[[32]byte][]byte        // of running jobs
	large   map[largeID]*broadcast.Ref // of those that are broadcast
	begins  map[beginID]chan error
	moves   map[moveID]cluster.Move
}

// given is a task attempt that an executor was given.
type given struct {
	executor exec.ExecutorID
	stage    [32]byte
}

// exchangeID names an exchange of a job.
type exchangeID struct{ job, exchange int }

// largeID names a stage of a job that is broadcast.
type largeID struct {
	job  int
	hash [32]byte
}

// beginID names a BeginJob that an executor has to answer.
type beginID struct {
	job      int
	executor exec.ExecutorID
}

// moveID names a move that an executor has to answer.
type moveID struct {
	block cache.BlockID
	to    exec.ExecutorID
}

// peer is an executor that dialled in.
type peer struct {
	id     exec.ExecutorID
	hello  hello
	queue  chan envelope
	cancel context.CancelFunc
	// Guarded by the backend's mu:
	stages    map[[32]byte]bool
	known     map[exchangeID]uint64
	addresses map[string]string // of executors that hold partitions of datasets, as it was told
	offered   int64             // the offer of artifacts that it has
	usage     Usage             // as told by the last of so many heartbeats
	beats     int
}

// executor is the peer as the scheduler sees it.
func (p *peer) executor() *cluster.Executor {
	return &cluster.Executor{ID: p.id, Slots: p.hello.Slots, Host: p.hello.Host}
}

// envelope is a message to be sent.
type envelope struct {
	kind message.Kind
	body any
}

// maxQueue bounds the messages that wait for one executor; who falls behind so
// far is lost.
const maxQueue = 4096

// Listen makes a backend to which executors may dial in.
func Listen(ctx context.Context, c Config) (*Backend, error) {
	if c.Silence == 0 {
		c.Silence = Silence
	}
	b := &Backend{Config: c, events: make(chan cluster.Report, 64), changed: make(chan struct{}), peers: map[exec.ExecutorID]*peer{},
		tasks: map[exec.TaskID]given{}, stages: map[[32]byte][]byte{}, large: map[largeID]*broadcast.Ref{}, begins: map[beginID]chan error{}, moves: map[moveID]cluster.Move{}}
	b.ctx, b.stop = context.WithCancel(context.Background())
	l, err := c.Transport.Listen(ctx, c.At, b.serve, identity.Executor)
	if err != nil {
		b.stop()
		return nil, err
	}
	b.listener = l
	return b, nil
}

var (
	_ cluster.Discarding = (*Backend)(nil)
	_ cluster.Migrating  = (*Backend)(nil)
)

// Addr is where executors dial in.
func (b *Backend) Addr() transport.Addr { return b.listener.Addr() }

// Await waits until n executors are there.
func (b *Backend) Await(ctx context.Context, n int) error {
	for {
		b.mu.Lock()
		have, changed := len(b.peers), b.changed
		b.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d executors have registered: %w", have, n, ctx.Err())
		}
	}
}

// Executors implements cluster.Backend: those that are there now. Later ones are
// told by events.
func (b *Backend) Executors() []cluster.Executor {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listed = true
	var out []cluster.Executor
	for _, p := range b.peers {
		out = append(out, *p.executor())
	}
	slices.SortFunc(out, func(x, y cluster.Executor) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return out
}

// Usage returns what executors said last that they hold, and how many heartbeats
// there have been of each.
func (b *Backend) Usage() (usage map[exec.ExecutorID]Usage, beats map[exec.ExecutorID]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	usage, beats = map[exec.ExecutorID]Usage{}, map[exec.ExecutorID]int{}
	for id, p := range b.peers {
		usage[id], beats[id] = p.usage, p.beats
	}
	return usage, beats
}

// Events implements cluster.Backend.
func (b *Backend) Events() <-chan cluster.Report { return b.events }

func (b *Backend) tell(r cluster.Report) {
	select {
	case b.events <- r:
	case <-b.ctx.Done():
	}
}

// control serves an executor's control stream until it ends: the executor is lost
// then.
func (b *Backend) control(ctx context.Context, id exec.ExecutorID, h hello, f *message.Conn, s transport.Stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &peer{id: id, hello: h, queue: make(chan envelope, maxQueue), cancel: cancel, stages: map[[32]byte]bool{}, known: map[exchangeID]uint64{}}
	if f.Send(kindWelcome, welcome{Version: version, Heartbeat: b.Silence / 5}) != nil || !b.add(p) {
		return
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	defer b.lose(p)
	defer cancel()
	writer.Go(func() {
		defer s.Cancel(transport.CodeContext) // wakes the reader
		for {
			select {
			case m := <-p.queue:
				if f.Send(m.kind, m.body) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	watch := time.AfterFunc(b.Silence, cancel)
	defer watch.Stop()
	for {
		k, body, err := f.Read()
		if err != nil || ctx.Err() != nil {
			return
		}
		watch.Reset(b.Silence)
		switch k {
		case kindHeartbeat:
			m, err := message.Decode[heartbeat](body)
			if err != nil {
				return
			}
			b.mu.Lock()
			p.usage, p.beats = m.Usage, p.beats+1
			b.mu.Unlock()
		case kindReport:
			m, err := message.Decode[report](body)
			if err != nil {
				return
			}
			r, err := m.of(id)
			if err != nil {
				return
			}
			if b.done(r) {
				b.tell(r)
			}
		case kindBegun:
			m, err := message.Decode[begun](body)
			if err != nil {
				return
			}
			b.begun(id, m)
		case kindMoved:
			m, err := message.Decode[moved](body)
			if err != nil {
				return
			}
			b.moved(id, m)
		default:
			return
		}
	}
}

// add makes an executor known; it is false if there is one of that id.
func (b *Backend) add(p *peer) bool {
	b.mu.Lock()
	_, twice := b.peers[p.id]
	if twice || b.ctx.Err() != nil {
		b.mu.Unlock()
		return false
	}
	b.peers[p.id] = p
	listed := b.listed
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
	if b.Joined != nil {
		b.Joined(p.id)
	}
	if listed {
		b.tell(cluster.Report{Executor: p.id, Added: p.executor()})
	}
	return true
}

// lose forgets an executor and tells so (R2).
func (b *Backend) lose(p *peer) {
	b.values.lose(p.id)
	b.mu.Lock()
	delete(b.peers, p.id)
	for id, g := range b.tasks {
		if g.executor == p.id {
			delete(b.tasks, id)
		}
	}
	for id, c := range b.begins {
		if id.executor == p.id {
			delete(b.begins, id)
			c <- nil // the others do
		}
	}
	maps.DeleteFunc(b.moves, func(m moveID, _ cluster.Move) bool { return m.to == p.id })
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
	if b.Lost != nil {
		b.Lost(p.id)
	}
	b.tell(cluster.Report{Executor: p.id, Lost: true})
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, other := range b.peers { // after the scheduler, which hears of their failures then
		other.send(kindLost, lost{string(p.id)})
	}
}

// done forgets a task that ended; it is false if the executor was not given it
// (R4).
func (b *Backend) done(r cluster.Report) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.tasks[r.Task]
	if !ok || g.executor != r.Executor {
		return false
	}
	delete(b.tasks, r.Task)
	return true
}

// send queues a message for an executor. The backend's mu is held.
func (p *peer) send(k message.Kind, body any) {
	select {
	case p.queue <- envelope{k, body}:
	default:
		p.cancel()
	}
}

// Launch implements cluster.Backend. The executor gets what it does not know yet
// about the exchanges that the task reads, and the stage, first.
func (b *Backend) Launch(executor exec.ExecutorID, id exec.TaskID, task, stage []byte) {
	t, err := wire.DecodeTask(task)
	if err != nil {
		b.wg.Go(func() {
			b.tell(cluster.Report{Task: id, Executor: executor, Failure: &exec.Failure{Kind: exec.Bug, Cause: err}})
		})
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.peers[executor]
	if !ok { // its loss has been told
		return
	}
	for _, e := range t.Epochs {
		at := exchangeID{id.Job, e.Exchange}
		if p.known[at] == e.Epoch && e.Epoch > 0 {
			continue
		}
		epoch, maps := b.Outputs.Outputs(id.Job, e.Exchange)
		where := map[string]string{}
		for _, m := range maps {
			if holder, ok := b.peers[exec.ExecutorID(m.Executor)]; ok {
				where[m.Executor] = holder.hello.Blocks
			}
		}
		p.known[at] = epoch
		p.send(kindOutputs, outputs{Job: id.Job, Exchange: e.Exchange, Epoch: epoch, Maps: maps, Blocks: where})
	}
	b.addresses(p, t)
	b.sharing.tell(p)
	m := launch{ID: id, Task: task, Hash: t.StageHash}
	switch {
	case len(stage) > inline:
		at := largeID{id.Job, t.StageHash}
		if b.large[at] == nil {
			r := b.values.add(id.Job, stage)
			b.large[at] = &r
		}
		m.Value = b.large[at]
	case !p.stages[t.StageHash]:
		p.stages[t.StageHash] = true
		m.Stage = stage
	}
	b.stages[t.StageHash] = stage
	b.tasks[id] = given{executor, t.StageHash}
	p.send(kindLaunch, m)
}

// Kill implements cluster.Backend.
func (b *Backend) Kill(id exec.TaskID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.peers[b.tasks[id].executor]; ok {
		p.send(kindKill, kill{id})
	}
}

// Drop gives up an executor of which somebody else knows that it has ended: that is
// faster than to wait for Silence, where a process that dies says nothing, as over
// QUIC.
func (b *Backend) Drop(id exec.ExecutorID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.peers[id]; ok {
		p.cancel()
	}
}

// Discard implements cluster.Discarding.
func (b *Backend) Discard(executor exec.ExecutorID, output cache.BlockID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.peers[executor]; ok {
		p.send(kindDiscard, discard{output})
	}
}

// BeginJob implements cluster.Backend: all executors have to agree.
func (b *Backend) BeginJob(ctx context.Context, job int, shared, task int64) error {
	b.mu.Lock()
	answers := make(chan error, len(b.peers))
	n := len(b.peers)
	for _, p := range b.peers {
		b.begins[beginID{job, p.id}] = answers
		p.send(kindBeginJob, beginJob{job, shared, task})
	}
	b.mu.Unlock()
	var err error
	for range n {
		select {
		case e := <-answers:
			err = errors.Join(err, e)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begun passes an executor's answer on.
func (b *Backend) begun(executor exec.ExecutorID, m begun) {
	var err error
	if m.Failure != nil {
		f, derr := exec.DecodeFailure(m.Failure)
		if err = derr; f != nil {
			err = f.Cause
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := beginID{m.Job, executor}
	if c, ok := b.begins[id]; ok {
		delete(b.begins, id)
		c <- err
	}
}

// Publish implements cluster.Backend.
func (b *Backend) Publish(job int, keys exec.Keys) {
	m := publish{Job: job, Keys: keys}
	if len(keys.Set) > inline {
		r := b.values.add(job, keys.Set)
		m.Keys.Set, m.Value = nil, &r
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		p.send(kindPublish, m)
	}
}

// EndStage implements cluster.Backend.
func (b *Backend) EndStage(id exec.StageID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		p.send(kindEndStage, endStage{id})
	}
}

// addresses tells an executor where those serve their blocks that hold partitions of
// datasets which its task reads. The mu is held.
func (b *Backend) addresses(p *peer, t *wire.TaskDescription) {
	where := map[string]string{}
	for _, l := range t.Leaves {
		for _, h := range l.Holders {
			if x, ok := b.peers[exec.ExecutorID(h)]; ok && p.addresses[h] != x.hello.Blocks {
				where[h] = x.hello.Blocks
			}
		}
	}
	if len(where) == 0 {
		return
	}
	if p.addresses == nil {
		p.addresses = map[string]string{}
	}
	maps.Copy(p.addresses, where)
	p.send(kindOutputs, outputs{Blocks: where})
}

// EndDataset implements cluster.Backend.
func (b *Backend) EndDataset(dataset int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		p.send(kindEndDataset, endDataset{dataset})
	}
}

// EndJob implements cluster.Backend. Executors forget all stages, whoever needs
// one again sends it again.
func (b *Backend) EndJob(job int) {
	b.values.drop(job)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		p.send(kindEndJob, endJob{job})
		clear(p.stages)
		delete(b.begins, beginID{job, p.id})
		for at := range p.known {
			if at.job == job {
				delete(p.known, at)
			}
		}
	}
	used := map[[32]byte]bool{}
	for _, g := range b.tasks {
		used[g.stage] = true
	}
	for hash := range b.stages {
		if !used[hash] {
			delete(b.stages, hash)
		}
	}
	for at := range b.large {
		if at.job == job {
			delete(b.large, at)
		}
	}
}

// schema returns the schema of a task's stage, if the executor was given the task.
func (b *Backend) schema(id exec.TaskID, executor exec.ExecutorID) (*columnar.Schema, error) {
	b.mu.Lock()
	g, ok := b.tasks[id]
	stage := b.stages[g.stage]
	b.mu.Unlock()
	if !ok || g.executor != executor {
		return nil, fmt.Errorf("remote: executor %s has no task %s", executor, id)
	}
	spec, err := wire.DecodeStage(stage, b.Functions)
	if err != nil {
		return nil, err
	}
	return spec.Plan.Schema(), nil
}

// Close implements cluster.Backend.
func (b *Backend) Close(ctx context.Context) error {
	var err error
	b.close.Do(func() {
		b.mu.Lock()
		for _, p := range b.peers {
			p.send(kindShutdown, struct{}{})
		}
		b.mu.Unlock()
		err = b.drained(ctx)
		b.stop()
		err = errors.Join(err, b.listener.Close())
		b.sharing.close()
		b.wg.Wait()
		close(b.events)
	})
	return err
}

// drained waits until all executors have gone.
func (b *Backend) drained(ctx context.Context) error {
	for {
		b.mu.Lock()
		left, changed := len(b.peers), b.changed
		b.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-b.events: // nobody else reads them any more
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
