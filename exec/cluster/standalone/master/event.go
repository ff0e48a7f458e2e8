package master

import (
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/transport/message"
)

// Event is what happened, and when. Exactly one of the pointers is set, or none:
// then time has passed.
type Event struct {
	Now time.Duration // since the master began; it never goes back

	Join     *Join
	Lost     *Lost
	Ended    *Ended
	Driver   *DriverSaid
	Register *standalone.RegisterBody
	Left     *Left
	Spec     *Answer
	Up, Down *standalone.ExecutorID // it has reached its driver; its driver has lost it
	Submit   *Driver
	Stop     *string // a driver that is to be stopped
	Drain    *string // a worker that is to end once it is empty
	Want     *Want
}

// Join is a worker that came, or came back.
type Join struct {
	Worker string
	Body   standalone.JoinBody
}

// Lost is a worker whose stream ended; Done: as it said it would.
type Lost struct {
	Worker string
	Done   bool
}

// Ended is what a worker says about an executor.
type Ended struct {
	Worker string
	Body   standalone.ExecutorEndedBody
}

// DriverSaid is what a worker says about a driver.
type DriverSaid struct {
	Worker string
	Report standalone.DriverReport
}

// Left is an application whose stream ended; Done: as it said it would.
type Left struct {
	App  string
	Done bool
}

// Want is how many executors an application wants from now on.
type Want struct {
	App       string
	Executors int
}

// Answer is what an application says about a placed executor.
type Answer struct {
	App  string
	Body standalone.SpecBody
}

// Driver is a driver that was submitted, as it is kept on disk.
type Driver struct {
	ID     string
	Spec   standalone.DriverSpec
	State  string
	Worker string
	Since  time.Time
	Reason string
	Output string

	stopping bool
	until    time.Duration // when it is given up, if its worker is unknown
}

// Action is what to do: send a message to a worker or an application, or save the
// drivers before doing what follows.
type Action struct {
	Worker, App string
	Kind        message.Kind
	Body        any
	Save        bool
}
