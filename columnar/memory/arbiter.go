package memory

// kind is what a root reservation is for.
type kind uint8

const (
	plain kind = iota // neither of the others: takes what is free
	job               // what the stages of a job share
	task              // a running task: fair shares, a guaranteed minimum
	store             // blocks, which can be given back at any time
)

// event is what happened to a root reservation.
type event struct {
	op    opcode
	id    int
	kind  kind  // enter
	n     int64 // enter: the minimum; ask, give: bytes
	tasks int64 // enter of a job: the largest minimum of its tasks
	from  int   // move: who gives
	free  int64 // move: what it gives

	insists bool // of who waits
}

type opcode uint8

const (
	enter  opcode = iota // a reservation wants to open with its minimum
	ask                  // it wants n bytes more
	give                 // it gives n bytes back
	leave                // it is closed, or does not want to open any more
	move                 // it takes n bytes over from another, which gives more or fewer
	park                 // a task waits for who reads its rows, n = 1, or no longer, n = 0
	insist               // who waits to enter has asked the store in vain
	take                 // it has n bytes more, whether or not the budget has them

	granted // it has n bytes more; the answer to enter, ask, move and take
	refused // it has not: spill first
	reclaim // the store should give n bytes back
	yield   // it holds more than its share while others starve, n = 1, or no longer, n = 0
)

// action is what to do. op is granted, refused, reclaim or yield.
type action struct {
	op opcode
	id int
	n  int64
}

// arbiter decides who may have memory. It is pure: no clock, no goroutine, the
// same events lead to the same actions.
//
//	budget ├── jobs: minimums of what stages share, and what that grows to ──┤
//	       ├── tasks: a minimum each, then up to 1/N ──┤
//	       ├── store: half is its own, more as long as nobody needs it ──────┤
//
// Rules:
//
//   - A1 Nothing is granted over the budget, but for A6 and A7.
//   - A2 A task or job enters when its minimum is free, first come, first served
//     among tasks and among jobs; until then it holds nothing. The store gives
//     way to it entirely.
//   - A3 Jobs leave room for the largest minimum of their tasks. So a task that
//     waits to enter waits for running tasks only.
//   - A4 Of N running tasks none grows beyond 1/N of what jobs and the store's
//     own half leave. One that is refused below 1/2N makes those above 1/N yield.
//   - A5 For growth the store gives way down to its half.
//   - A6 Somebody can always run: while no task does, or all that do are parked
//     (they wait for who reads their rows, who may wait for another query), the
//     first that waits enters over the budget.
//   - A7 What is taken whether or not the budget has it counts: until that much
//     is given back nobody grows or enters, but for A6.
type arbiter struct {
	budget  int64
	held    int64
	byKind  [store + 1]int64
	running int   // tasks
	parked  int   // of them
	largest int64 // minimum of a task of the jobs that are in
	members map[int]*member
	order   []int // ids of members, ascending
	waiting []event
}

// member is a reservation that is in.
type member struct {
	kind    kind
	held    int64
	least   int64
	tasks   int64
	starved bool
	yields  bool
	parked  bool
}

func newArbiter(budget int64) *arbiter {
	return &arbiter{budget: budget, members: map[int]*member{}}
}

// free returns the bytes that nobody holds.
func (a *arbiter) free() int64 { return a.budget - a.held }

// own returns the part of the store's bytes that it need not give to growth.
func (a *arbiter) own() int64 { return min(a.byKind[store], a.budget/2) }

// share returns the most that a task may hold by growing.
func (a *arbiter) share() int64 {
	return (a.budget - a.own() - a.byKind[job] - a.byKind[plain]) / int64(max(1, a.running))
}

// wanted returns the bytes that the store should give back on its own: for who
// waits to enter, and over the watermark.
func (a *arbiter) wanted() int64 {
	n := int64(0)
	var seen [store + 1]bool
	for _, w := range a.waiting { // the first of each kind
		if !seen[w.kind] {
			seen[w.kind] = true
			n = max(n, w.n-a.free())
		}
	}
	if a.held*100 >= a.budget*tightPercent {
		n = max(n, min(a.held-a.budget/100*idlePercent, a.byKind[store]-a.own()))
	}
	return min(max(n, 0), a.byKind[store])
}

// step takes an event and appends what to do to acts.
func (a *arbiter) step(e event, acts []action) []action {
	m := a.members[e.id]
	switch {
	case e.op == enter:
		a.waiting = append(a.waiting, e)
		return a.admit(acts)
	case e.op == ask && m != nil:
		return a.ask(m, e, acts)
	case e.op == ask:
		return append(acts, action{refused, e.id, 0})
	case e.op == take && m != nil:
		a.add(m, e.n)
		acts = a.yields(append(acts, action{granted, e.id, e.n}))
	case e.op == give && m != nil:
		a.add(m, -min(e.n, m.held))
	case e.op == leave:
		a.leave(e.id, m)
	case e.op == park && m != nil:
		a.park(m, e.n == 1)
	case e.op == insist:
		for i := range a.waiting {
			a.waiting[i].insists = a.waiting[i].insists || a.waiting[i].id == e.id
		}
	case e.op == move:
		from := a.members[e.from]
		if from != nil {
			e.free = min(e.free, from.held)
			a.add(from, -e.free)
		}
		if e.n > 0 {
			k := len(acts)
			if acts = a.step(event{op: ask, id: e.id, n: e.n}, acts); from != nil && acts[k].op == refused {
				a.add(from, e.free)
				return acts
			}
		}
	default:
		return acts
	}
	return a.admit(acts)
}

func (a *arbiter) add(m *member, n int64) {
	m.held += n
	a.held += n
	a.byKind[m.kind] += n
}

func (a *arbiter) park(m *member, parked bool) {
	if m.parked != parked {
		if m.parked = parked; parked {
			a.parked++
		} else {
			a.parked--
		}
	}
}

func (a *arbiter) leave(id int, m *member) {
	if m == nil { // it waits, or is unknown
		for i, w := range a.waiting {
			if w.id == id {
				a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
				return
			}
		}
		return
	}
	a.add(m, -m.held)
	a.park(m, false)
	delete(a.members, id)
	for i, x := range a.order {
		if x == id {
			a.order = append(a.order[:i], a.order[i+1:]...)
			break
		}
	}
	switch m.kind {
	case task:
		a.running--
	case job:
		a.largest = 0
		for _, x := range a.members { // a maximum: the order does not matter
			a.largest = max(a.largest, x.tasks)
		}
	}
}

// ask decides on growth.
func (a *arbiter) ask(m *member, e event, acts []action) []action {
	limit := a.budget
	switch m.kind {
	case task:
		if limit = a.share(); e.n+m.held > max(limit, m.least) {
			return append(acts, action{refused, e.id, 0})
		}
	case job:
		if a.byKind[job]+e.n > a.budget-a.largest {
			return append(acts, action{refused, e.id, 0})
		}
	case store:
		borrows := a.byKind[store]+e.n > a.budget/2
		if borrows && (a.held+e.n)*100 > a.budget*tightPercent || len(a.waiting) > 0 {
			return append(acts, action{refused, e.id, 0})
		}
	}
	if e.n <= a.free() {
		a.add(m, e.n)
		m.starved = false
		acts = append(a.yields(acts), action{granted, e.id, e.n})
		return a.relieve(acts)
	}
	acts = append(acts, action{refused, e.id, 0})
	if short := e.n - a.free(); m.kind != store && a.byKind[store]-a.own() >= short { // A5
		return append(acts, action{reclaim, e.id, short})
	}
	if m.kind == task && m.held < limit/2 {
		m.starved = true
	}
	return a.yields(acts)
}

// yields tells tasks above their share to spill while others starve.
func (a *arbiter) yields(acts []action) []action {
	starved := false
	for _, id := range a.order {
		starved = starved || a.members[id].starved
	}
	limit := a.share()
	for _, id := range a.order {
		m := a.members[id]
		if now := starved && m.kind == task && m.held > max(limit, m.least); now != m.yields {
			m.yields = now
			n := int64(0)
			if now {
				n = 1
			}
			acts = append(acts, action{yield, id, n})
		}
	}
	return acts
}

// admit lets in who waits, in order; who is not in holds nothing (A2). Jobs do
// not hold tasks up, nor tasks jobs.
func (a *arbiter) admit(acts []action) []action {
	var shut [store + 1]bool
	for i := 0; i < len(a.waiting); {
		e := a.waiting[i]
		fits := e.n <= a.free()
		if e.kind == job {
			fits = fits && a.byKind[job]+e.n <= a.budget-max(a.largest, e.tasks)
		}
		if e.insists && a.parked == a.running { // A6
			fits = fits || e.kind == task || e.kind == job && a.parked > 0
		}
		fits = fits && !shut[e.kind]
		if e.kind == plain || e.kind == store { // they do not wait
			if e.n > a.free() {
				e.n = 0
			}
			fits = true
		}
		if !fits {
			shut[e.kind] = true
			i++
			continue
		}
		a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
		m := &member{kind: e.kind, least: e.n, tasks: e.tasks}
		a.members[e.id] = m
		at := len(a.order)
		for at > 0 && a.order[at-1] > e.id {
			at--
		}
		a.order = append(a.order[:at], append([]int{e.id}, a.order[at:]...)...)
		a.add(m, e.n)
		a.largest = max(a.largest, e.tasks)
		if e.kind == task {
			a.running++
		}
		acts = append(acts, action{granted, e.id, e.n})
	}
	return a.relieve(a.yields(acts))
}

// relieve asks the store for what is wanted of it.
func (a *arbiter) relieve(acts []action) []action {
	if n := a.wanted(); n > 0 {
		acts = append(acts, action{reclaim, 0, n})
	}
	return acts
}
