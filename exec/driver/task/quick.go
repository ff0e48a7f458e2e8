package task

// A task that runs is not stopped for another one, so that a short query that comes
// while long tasks hold all slots would wait for one of them to end, which may be many
// times what it takes itself. Instead slots count twice for jobs, or pools, whose tasks
// have run for less than Quick so far, and that hold fewer slots than another one: they
// start at once and share the processors with what runs, until they have had their part;
// then they wait as others do. No more than twice the slots of an executor are ever in
// use, and 0 stands for never.

// quick reports whether a share may use slots twice.
func (s *Scheduler) quick(k share) bool {
	most := 0
	for _, n := range s.shares {
		most = max(most, n)
	}
	if s.shares[k] >= most {
		return false
	}
	spent := s.spent[k]
	for id, holds := range s.holds {
		if holds == k {
			spent += s.now - s.started[id]
		}
	}
	return spent < s.Quick
}

// pickQuick is pick when no slot is free.
func (s *Scheduler) pickQuick() (at int, on *executor) {
	if s.Quick <= 0 {
		return 0, nil
	}
	s.over = 1
	defer func() { s.over = 0 }()
	if !s.Idle() {
		return 0, nil
	}
	may := s.startable()
	for _, g := range s.groups() {
		st := stageOf(s.pending[g.from])
		x := s.sets[st]
		if !s.quick(shareOf(x.pool, st.Job)) {
			continue
		}
		if at, on = s.within(x, g.from, g.to, may); on != nil {
			return at, on
		}
	}
	return 0, nil
}
