package standalone

import (
	"fmt"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport/message"
)

// Version is of the messages; all parts of a cluster must have the same.
const Version = 3

// MaxMessage bounds a message: the text of a driver, or the state of a cluster.
const MaxMessage = 16 << 20

// Silence is how long a worker or an application may say nothing before its stream
// is given up; each says something five times as often.
const Silence = 10 * time.Second

// The messages; all are JSON. The first of a stream is a verb.
const (
	// Verbs of workers.
	Join message.Kind = iota + 1

	// Verbs of clients.
	Register
	Submit
	Status
	StopDriver
	DrainWorker

	// Answers to verbs.
	Welcome
	Refused
	Submitted
	State

	// From a worker after Join, and to it.
	ExecutorEnded
	DriverEnded
	StartExecutor
	StopExecutor
	StartDriver
	EndDriver
	NotedDriver
	Drain

	// To an application after Register, and from it.
	Placed
	Gone
	Waiting
	GivenUp
	Empty
	Spec
	Up
	Down
	Want

	// From workers and applications that will not come back, and from all when there
	// is nothing else to say.
	Leave
	Alive
)

// ExecutorID names an executor of a cluster: the N-th of an application.
type ExecutorID struct {
	App string
	N   int
}

// Size is what a process takes of its worker, or what a worker has.
type Size struct {
	Cores  int
	Memory int64 // bytes
}

// Fits reports whether there is room for x in s.
func (s Size) Fits(x Size) bool { return x.Cores <= s.Cores && x.Memory <= s.Memory }

// Plus returns s and by·x.
func (s Size) Plus(by int, x Size) Size {
	return Size{s.Cores + by*x.Cores, s.Memory + int64(by)*x.Memory}
}

// String prints "2 cores and 4GiB".
func (s Size) String() string {
	cores := "cores"
	if s.Cores == 1 {
		cores = "core"
	}
	memory := fmt.Sprintf("%dMiB", s.Memory>>20)
	if s.Memory >= 1<<30 {
		memory = fmt.Sprintf("%.4gGiB", float64(s.Memory)/(1<<30))
	}
	return fmt.Sprintf("%d %s and %s", s.Cores, cores, memory)
}

// JoinBody says what a worker has and what runs on it.
type JoinBody struct {
	Version   int
	Host      string
	Size      Size
	Executors []Running
	Drivers   []DriverReport
	Draining  bool // it was told to drain
}

// Running is an executor that runs on a worker.
type Running struct {
	ID   ExecutorID
	Size Size
}

// DriverReport says how a driver is: it runs, or has ended.
type DriverReport struct {
	ID     string
	Ended  bool
	Failed bool
	Reason string // why it failed
	Output string // the last that it printed
}

// RefusedBody says why a verb was refused.
type RefusedBody struct{ Class, Message, Remedy string }

// RegisterBody is an application that wants executors. One that comes back says
// what it has.
type RegisterBody struct {
	Version   int
	App       string
	Name      string
	Executors int // how many it wants
	Size      Size
	Next      int // the least N that was never used
	Have      []Held
}

// Held is an executor that an application has, and where.
type Held struct {
	N      int
	Worker string
}

// PlacedBody tells an application of a place for its executor N.
type PlacedBody struct {
	N      int
	Worker string
	Size   Size
}

// SpecBody answers it.
type SpecBody struct {
	N    int
	Spec ExecutorSpec
}

// ExecutorSpec is what an executor's worker has to know beside its size.
type ExecutorSpec struct {
	Credential []byte // identity.Credential.Encode, of the application
	Transport  string // schemes, as process.Carrier takes them
	Driver     string // address
	SpillLimit int64
	Fetch      service.Limits
	Keep       string // directory for executor.Config.Keep, or ""
	WorkDir    string // its working directory, if the host has one of that name
	// Of the store where artifacts go, and the program to run; nil: the worker's own.
	ArtifactDir   string
	ArtifactLimit int64
	Binary        *process.Binary `json:",omitempty"`
	// CachePolicy is as process.Spec.CachePolicy.
	CachePolicy string
	// CacheFront is as process.Spec.CacheFront.
	CacheFront string
}

// UpBody tells the master that an executor has reached its driver, or that its
// driver has lost it: Up, Down.
type UpBody struct{ N int }

// EmptyBody tells an application that its executor N is to leave: it has to move what
// that holds, and end it.
type EmptyBody struct{ N int }

// WantBody tells the master how many executors an application wants from now on.
type WantBody struct{ Executors int }

// WorkerBody names a worker: DrainWorker.
type WorkerBody struct{ ID string }

// GoneBody tells an application that an executor is no more.
type GoneBody struct {
	N      int
	Reason string
}

// ReasonBody says why an application waits, or has been given up.
type ReasonBody struct{ Reason string }

// StartExecutorBody has a worker start an executor.
type StartExecutorBody struct {
	ID   ExecutorID
	Size Size
	Spec ExecutorSpec
}

// StopExecutorBody has a worker end one.
type StopExecutorBody struct{ ID ExecutorID }

// ExecutorEndedBody tells that one has ended.
type ExecutorEndedBody struct {
	ID     ExecutorID
	Reason string
}

// DriverSpec is an application to be run on a worker: SQL text, or a program with its
// arguments, which who submits it serves until a worker has it.
type DriverSpec struct {
	Name    string
	SQL     string
	Program *process.Binary `json:",omitempty"`
	Args    []string        `json:",omitempty"`
	Conf    []string        // key=value
	Memory  int64           // bytes
	WorkDir string          // its working directory, if the host has one of that name
}

// StartDriverBody has a worker start a driver.
type StartDriverBody struct {
	ID   string
	Spec DriverSpec
}

// DriverProcess is what the process of a driver gets over standard input.
type DriverProcess struct {
	Spec   DriverSpec
	Master string // URL
	Token  string // file with its credential
	// Dir is removed when the driver has lost its worker, and Parents, from the
	// inside out, if nothing is left in them.
	Dir     string
	Parents []string
}

// DriverBody names a driver: EndDriver, NotedDriver, StopDriver, Submitted.
type DriverBody struct{ ID string }

// StateBody is what a master knows.
type StateBody struct {
	Workers []WorkerState
	Apps    []AppState
	Drivers []DriverState
}

// WorkerState is a worker.
type WorkerState struct {
	ID, Host string
	Size     Size
	Free     Size
	Away     bool // its stream is broken; it may come back
	Draining bool // it gets nothing more, and ends when it runs nothing
}

// State is how the worker is, in a word.
func (w WorkerState) State() string {
	switch {
	case w.Away:
		return Away
	case w.Draining:
		return WorkerDraining
	}
	return WorkerThere
}

// AppState is an application.
type AppState struct {
	ID, Name  string
	Wanted    int
	Size      Size
	Executors []Held
	Waiting   string // why it has fewer than it wants
	Away      bool
}

// State is how the application is, in a word.
func (a AppState) State() string {
	switch {
	case a.Away:
		return Away
	case len(a.Executors) == 0:
		return AppWaiting
	}
	return AppRunning
}

// The states of workers and applications.
const (
	Away           = "away"
	WorkerThere    = "there"
	WorkerDraining = "draining"
	AppWaiting     = "waiting"
	AppRunning     = "running"
)

// DriverState is a driver that was submitted.
type DriverState struct {
	ID, Name string
	State    string // Driver… below
	Worker   string
	Since    time.Time
	Reason   string
	Output   string
}

// The states of drivers.
const (
	DriverWaiting  = "waiting"
	DriverRunning  = "running"
	DriverFinished = "finished"
	DriverFailed   = "failed"
	DriverStopped  = "stopped"
)
