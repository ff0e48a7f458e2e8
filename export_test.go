package millrace

import (
	"context"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/shuffle"
)

// Reserved returns the bytes that the session's queries hold.
func (s *Session) Reserved() int64 {
	s.front.Close() // what it keeps is no leak
	return s.broker.Reserved()
}

// WithoutMain runs f as in a program that has not called Main.
func WithoutMain(f func()) {
	program.main = false
	defer func() { program.main = true }()
	f()
}

// Spill returns where the session's queries spill.
func (s *Session) Spill() *spill.Space { return s.spill }

// Backend returns what runs the session's tasks.
func (s *Session) Backend() cluster.Backend { return s.driver.Backend }

// OpenOn opens a session on executors that start makes.
func OpenOn(ctx context.Context, start func(context.Context, *shuffle.Tracker, *driver.Results, *connector.Registry) (cluster.Backend, error)) (*Session, error) {
	place, err := settings.ParseMaster("local-cluster[2,1,256]")
	if err != nil {
		return nil, err
	}
	s := &Session{conf: settings.Defaults(), place: place, views: map[string]logical.Plan{}, bus: &event.Bus{}, sight: &sight{}, broker: memory.NewBroker(256 << 20), front: &front.Cache{}, tables: files.Registry(nil), datasets: driver.NewDatasets(), live: map[int]bool{}}
	tracker, results := shuffle.NewTracker(), &driver.Results{}
	backend, err := start(ctx, tracker, results, s.tables)
	if err != nil {
		return nil, err
	}
	s.govern = s.broker.Govern()
	s.driver = driver.New(driver.Config{Backend: backend, Tables: s.tables, Tracker: tracker, Results: results, Memory: s.broker, Bus: s.bus, Datasets: s.datasets})
	s.place.Executors = s.driver.Executors()
	return s, nil
}

// Events returns what happens in the session's queries, until stop.
func (s *Session) Events(buffer int) (events <-chan event.Event, stop func()) {
	return s.bus.Subscribe(buffer)
}

// RegistrationError returns what is wrong with the functions of a program.
func RegistrationError(register func(*Registry)) error {
	var r Registry
	register(&r)
	return r.functions.Err()
}
