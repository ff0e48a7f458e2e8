package remote

import (
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport/message"
)

// version is of the messages; both sides must have the same.
const version = 1

// maxMessage bounds a message: a stage, a report, or a chunk of results.
const maxMessage = 64 << 20

// Messages of a control stream are JSON; a chunk is what columnar/chunk encodes.
const (
	kindHello message.Kind = iota + 1
	kindWelcome
	kindLaunch
	kindKill
	kindBeginJob
	kindBegun
	kindEndStage
	kindEndJob
	kindOutputs
	kindShutdown
	kindReport
	kindHeartbeat
	kindResult
	kindChunk
	kindTaken
	kindPublish
	kindDiscard
	kindEndDataset
	kindSpread // a broadcast.Ref
	kindNext
	kindStep
	kindPiece // bytes
	kindMove
	kindMoved
	kindOffer // an artifacts.Offer
	kindLost
)

// hello opens an executor's control stream.
type hello struct {
	Version int
	Slots   int
	Host    string // that it runs on
	Blocks  string // the address where it serves its blocks
	// Functions is the fingerprint of its program's functions.
	Functions string `json:",omitempty"`
}

// welcome answers it: how often the executor must be heard, or why it is refused.
type welcome struct {
	Version   int
	Refused   string `json:",omitempty"`
	Heartbeat time.Duration
}

// heartbeat says that an executor lives, and what it holds.
type heartbeat struct{ Usage }

// Usage is what an executor process holds.
type Usage struct {
	Reserved   int64 // bytes of its memory budget
	Blocks     int   // of exchange output and datasets
	Bytes      int64 // that those take in memory
	Goroutines int
}

// launch starts a task attempt. Stage is empty if the executor has had a stage of
// that hash. Value: it is broadcast.
type launch struct {
	ID    exec.TaskID
	Task  []byte
	Hash  [32]byte
	Stage []byte         `json:",omitempty"`
	Value *broadcast.Ref `json:",omitempty"`
}

// kill stops one.
type kill struct{ ID exec.TaskID }

// lost tells that an executor is gone, and does not come back.
type lost struct{ Executor string }

// discard drops what an attempt wrote to an exchange.
type discard struct{ Output cache.BlockID }

// endDataset drops what is held of a cached dataset.
type endDataset struct{ Dataset int }

// move has an executor copy a map output from the one that serves its blocks at an
// address; moved answers it.
type (
	move struct {
		Job, Exchange int
		Output        shuffle.MapStatus
		Schema        []byte // wire.EncodeSchema
		Blocks        string
		Storage       *physical.Storage `json:",omitempty"`
	}
	moved struct {
		Block   cache.BlockID
		Kept    []exec.Kept `json:",omitempty"`
		Failure []byte      `json:",omitempty"`
	}
)

// beginJob sets memory aside for a job; begun answers it.
type beginJob struct {
	Job          int
	Shared, Task int64
}

type begun struct {
	Job     int
	Failure []byte `json:",omitempty"`
}

// publish makes a runtime filter known. Value: its keys are broadcast.
type publish struct {
	Job   int
	Keys  exec.Keys
	Value *broadcast.Ref `json:",omitempty"`
}

// next asks what to do next for a value that is broadcast; Got tells whether what
// was to be done before succeeded. A step answers it: get a piece from an executor
// that serves its blocks at an address, or take it from the message that follows.
type (
	next struct{ Got bool }
	step struct {
		Piece        int
		From, Blocks string
		Done         bool
	}
)

// endStage and endJob release what the executor keeps for them.
type (
	endStage struct{ ID exec.StageID }
	endJob   struct{ Job int }
)

// outputs is the state of an exchange in an epoch, and where the executors that
// hold its outputs serve them.
type outputs struct {
	Job, Exchange int
	Epoch         uint64
	Maps          []shuffle.MapStatus
	Blocks        map[string]string // executor: address
}

// report is a cluster.Report of a task.
type report struct {
	Task    exec.TaskID
	Failure []byte             `json:",omitempty"` // exec.EncodeFailure
	Status  *shuffle.MapStatus `json:",omitempty"`
	Reads   []shuffle.Read     `json:",omitempty"`
	Keys    []exec.Keys        `json:",omitempty"`
	Updates []exec.Update      `json:",omitempty"`
	Kept    []exec.Kept        `json:",omitempty"`
	Usages  []cache.Usage      `json:",omitempty"`
	Metrics []event.OperatorStats
	Millis  float64
	Peak    int64
	Spilled int64
}

func reportOf(r cluster.Report) report {
	m := report{Task: r.Task, Status: r.Status, Reads: r.Reads, Keys: r.Keys, Updates: r.Updates, Kept: r.Kept, Usages: r.Usages, Metrics: r.Metrics, Millis: r.Millis, Peak: r.Peak, Spilled: r.Spilled}
	if r.Failure != nil {
		m.Failure = exec.EncodeFailure(r.Failure)
	}
	return m
}

func (m report) of(executor exec.ExecutorID) (cluster.Report, error) {
	r := cluster.Report{Task: m.Task, Executor: executor, Status: m.Status, Reads: m.Reads, Keys: m.Keys, Updates: m.Updates, Kept: m.Kept, Usages: m.Usages, Metrics: m.Metrics, Millis: m.Millis, Peak: m.Peak, Spilled: m.Spilled}
	if m.Status != nil {
		if err := m.Status.Check(); err != nil {
			return r, err
		}
		m.Status.Executor = string(executor) // nobody reports for another
	}
	if m.Failure == nil {
		return r, nil
	}
	var err error
	r.Failure, err = exec.DecodeFailure(m.Failure)
	return r, err
}

// result opens a result stream.
type result struct{ Task exec.TaskID }

// taken answers a chunk: the driver has its rows, or a failure.
type taken struct{ Failure []byte }
