package master

import (
	"cmp"
	"slices"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// size is what a driver takes of its worker: it mostly waits for its executors.
func (d *Driver) size() standalone.Size { return standalone.Size{Memory: d.Spec.Memory} }

func (d *Driver) over() bool {
	return d.State != standalone.DriverWaiting && d.State != standalone.DriverRunning
}

func (s *State) driver(id string) *Driver {
	for _, d := range s.drivers {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// Drivers returns the drivers as they are to be kept on disk.
func (s *State) Drivers() []Driver {
	out := make([]Driver, len(s.drivers))
	for i, d := range s.drivers {
		out[i] = *d
	}
	return out
}

// submit takes in a driver, and forgets the oldest that has ended if there are
// too many.
func (s *State) submit(d Driver) {
	d.State = standalone.DriverWaiting
	s.drivers = append(s.drivers, &d)
	over := 0
	for _, d := range s.drivers {
		if d.over() {
			over++
		}
	}
	s.drivers = slices.DeleteFunc(s.drivers, func(d *Driver) bool {
		drop := over > maxEnded && d.over()
		if drop {
			over--
		}
		return drop
	})
	s.save()
}

// stopDriver ends a driver: one that waits at once, one that runs when its worker
// says so.
func (s *State) stopDriver(id string) {
	d := s.driver(id)
	switch {
	case d == nil:
	case d.State == standalone.DriverWaiting:
		s.ended(d, standalone.DriverStopped, "")
	case d.State == standalone.DriverRunning:
		d.stopping = true
		s.tell(d.Worker, standalone.EndDriver, standalone.DriverBody{ID: id})
	}
}

func (s *State) ended(d *Driver, state, reason string) {
	d.State, d.Reason = state, reason
	s.save()
}

// driverSaid takes in what a worker says about a driver. It may forget one that
// has ended once that is on disk.
func (s *State) driverSaid(worker string, r standalone.DriverReport) {
	d := s.driver(r.ID)
	mine := d != nil && d.Worker == worker && d.State == standalone.DriverRunning
	switch {
	case mine && r.Ended:
		d.Output = r.Output
		state := standalone.DriverFinished
		if d.stopping {
			state = standalone.DriverStopped
		} else if r.Failed {
			state = standalone.DriverFailed
		}
		s.ended(d, state, r.Reason)
	case mine:
		d.until = 0
	case !r.Ended: // it was given up
		s.tell(worker, standalone.EndDriver, standalone.DriverBody{ID: r.ID})
	}
	if r.Ended {
		s.tell(worker, standalone.NotedDriver, standalone.DriverBody{ID: r.ID})
	}
}

// rejoined takes in what a worker that came says about its drivers.
func (s *State) rejoined(worker string, reports []standalone.DriverReport) {
	told := map[string]bool{}
	for _, r := range reports {
		told[r.ID] = true
		s.driverSaid(worker, r)
	}
	for _, d := range s.drivers {
		if d.Worker != worker || d.State != standalone.DriverRunning {
			continue
		}
		d.until = 0
		if !told[d.ID] {
			s.ended(d, standalone.DriverFailed, "it had ended when its worker came back")
		} else if d.stopping {
			s.tell(worker, standalone.EndDriver, standalone.DriverBody{ID: d.ID})
		}
	}
}

// expireDrivers gives up drivers whose workers do not come back to a new master.
func (s *State) expireDrivers() {
	for _, d := range s.drivers {
		if d.State == standalone.DriverRunning && d.until > 0 && s.now >= d.until && s.worker(d.Worker) == nil {
			s.ended(d, standalone.DriverFailed, "its worker did not come back")
		}
	}
}

// Report is what the master knows, for people.
func (s *State) Report() standalone.StateBody {
	var out standalone.StateBody
	free := s.free()
	for _, w := range s.workers {
		out.Workers = append(out.Workers, standalone.WorkerState{ID: w.id, Host: w.host, Size: w.size, Free: free[w.id], Away: w.away, Draining: w.draining})
	}
	for _, a := range s.apps {
		x := standalone.AppState{ID: a.id, Name: a.name, Wanted: a.want, Size: a.size, Waiting: a.waiting, Away: a.away}
		for _, e := range a.executors {
			x.Executors = append(x.Executors, standalone.Held{N: e.n, Worker: e.worker})
		}
		slices.SortFunc(x.Executors, func(a, b standalone.Held) int { return cmp.Compare(a.N, b.N) })
		out.Apps = append(out.Apps, x)
	}
	for _, d := range s.drivers {
		out.Drivers = append(out.Drivers, standalone.DriverState{ID: d.ID, Name: d.Spec.Name, State: d.State, Worker: d.Worker, Since: d.Since, Reason: d.Reason, Output: d.Output})
	}
	return out
}
