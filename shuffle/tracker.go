// Package shuffle knows which outputs of exchanges exist, where, and what their rows add
// up to: map statuses and the tracker with its epochs.
//
//	sink ── Commit ──► MapStatus ──► Tracker ──► readers: where is partition p?
//
// Invariants:
//
//   - S1 An output is visible only after its task succeeded, once per map task:
//     a later report of another attempt of the same epoch is ignored.
//   - S2 Unregistering an output raises the exchange's epoch; whoever planned on
//     an older epoch is told so when its fetch fails. Moving one does, too, but to
//     an epoch of the same contents: who planned on the one before may go on.
//   - S3 What is read of an output adds up to what was written (Sum): a reader
//     compares per map task and partition, the driver per partition and over all.
//
// The package imports columnar.
package shuffle

import "sync"

// Tracker knows the outputs of the exchanges of running jobs. It is safe for
// concurrent use.
type Tracker struct {
	mu   sync.RWMutex
	exch map[key]*exchange
}

type key struct{ job, exchange int }

// Contents is the part of an epoch that tells which outputs there are: epochs of the
// same contents differ in where these lie.
func Contents(epoch uint64) uint64 { return uint64(uint32(epoch)) }

// moved is what the move of an output adds to an epoch.
const moved = 1 << 32

type exchange struct {
	epoch   uint64 // of contents in its lower half; the upper one counts moves
	outputs map[int]MapStatus
}

// NewTracker returns an empty tracker.
func NewTracker() *Tracker { return &Tracker{exch: map[key]*exchange{}} }

func (t *Tracker) get(k key) *exchange {
	e, ok := t.exch[k]
	if !ok {
		e = &exchange{epoch: 1, outputs: map[int]MapStatus{}}
		t.exch[k] = e
	}
	return e
}

// Register adds an output; it reports false if the map task has one already.
func (t *Tracker) Register(job, exch int, s MapStatus) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.get(key{job, exch})
	if _, ok := e.outputs[s.Map]; ok {
		return false
	}
	e.outputs[s.Map] = s
	return true
}

// Unregister removes an output and raises the epoch.
func (t *Tracker) Unregister(job, exch, mapTask int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.get(key{job, exch})
	if _, ok := e.outputs[mapTask]; ok {
		delete(e.outputs, mapTask)
		e.epoch++
	}
}

// Move notes that an output lies on another executor now; false if it is not the one
// that is registered.
func (t *Tracker) Move(job, exch int, s MapStatus, to string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.exch[key{job, exch}]
	if !ok {
		return false
	}
	if has, ok := e.outputs[s.Map]; !ok || has.Attempt != s.Attempt || has.Executor != s.Executor {
		return false
	}
	s.Executor = to
	e.outputs[s.Map] = s
	e.epoch += moved
	return true
}

// Moved reports whether outputs lie elsewhere than they did in an epoch of the same
// contents.
func (t *Tracker) Moved(job, exch int, epoch uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.exch[key{job, exch}]
	return ok && Contents(e.epoch) == Contents(epoch) && e.epoch > epoch
}

// Outputs returns the epoch and the outputs in the order of their map tasks.
func (t *Tracker) Outputs(job, exch int) (uint64, []MapStatus) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.exch[key{job, exch}]
	if !ok {
		return 0, nil
	}
	most := -1
	for m := range e.outputs {
		most = max(most, m)
	}
	var out []MapStatus
	for m := 0; m <= most; m++ {
		if s, ok := e.outputs[m]; ok {
			out = append(out, s)
		}
	}
	return e.epoch, out
}

// Expected returns what the rows that were read should add up to, in the epoch of the
// read, and how many partitions there are. known is false in an epoch of other contents,
// exact where some output does not tell.
func (t *Tracker) Expected(job int, r Read) (sum Sum, partitions int, exact, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, ok := t.exch[key{job, r.Exchange}]
	if !ok || Contents(e.epoch) != Contents(r.Epoch) {
		return Sum{}, 0, false, false
	}
	exact = true
	add := func(m *MapStatus) {
		partitions = max(partitions, m.Partitions)
		if r.Partition == All || r.Partition == 0 && r.More >= m.Partitions-1 {
			sum = sum.Plus(m.Total.Sum)
			return
		}
		for p := r.Partition; p <= r.Partition+min(r.More, m.Partitions); p++ {
			x, told := m.Sum(p)
			exact = exact && told
			sum = sum.Plus(x)
		}
	}
	if r.Maps == nil {
		for _, m := range e.outputs {
			add(&m)
		}
		return sum, partitions, exact, true
	}
	for _, at := range r.Maps {
		m, ok := e.outputs[at]
		if exact = exact && ok; ok {
			add(&m)
		}
	}
	return sum, partitions, exact, true
}

// Drop forgets a job's exchanges.
func (t *Tracker) Drop(job int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.exch {
		if k.job == job {
			delete(t.exch, k)
		}
	}
}
