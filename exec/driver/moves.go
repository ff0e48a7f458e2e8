package driver

import (
	"maps"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
)

const (
	// maxMoves bounds what is on the way from one executor at a time, maxTries how
	// often something is moved from one before it is left where it is.
	maxMoves = 4
	maxTries = 3
)

// moves are outputs of exchanges and partitions of datasets on their way from one
// executor to another, and what could not be had.
type moves struct {
	underway map[moveID]exec.ExecutorID // from whom
	tries    map[tryID]int
}

type moveID struct {
	block cache.BlockID
	to    exec.ExecutorID
}

type tryID struct {
	block cache.BlockID
	from  exec.ExecutorID
}

func newMoves() moves {
	return moves{underway: map[moveID]exec.ExecutorID{}, tries: map[tryID]int{}}
}

// begin sets a move going.
func (m *moves) begin(b cluster.Migrating, x cluster.Move) {
	m.underway[moveID{x.Block(), x.To}] = exec.ExecutorID(x.Output.Executor)
	b.Move(x)
}

// from returns how many moves from an executor are on the way.
func (m *moves) from(id exec.ExecutorID) (n int) {
	for _, from := range m.underway {
		if from == id {
			n++
		}
	}
	return n
}

// settled reports whether a block need not be moved from an executor any more: it is on
// the way, or was tried often enough.
func (m *moves) settled(b cache.BlockID, from exec.ExecutorID) bool {
	for id, f := range m.underway {
		if id.block == b && f == from {
			return true
		}
	}
	return m.tries[tryID{b, from}] >= maxTries
}

// end takes a move off the books; it is false for one that is not on them, as its
// executor was lost, or began to leave, meanwhile.
func (m *moves) end(r *cluster.Report) bool {
	id := moveID{r.Moved.Block(), r.Moved.To}
	from, ok := m.underway[id]
	if !ok || from != exec.ExecutorID(r.Moved.Output.Executor) {
		return false
	}
	delete(m.underway, id)
	if try := (tryID{id.block, from}); r.Failure != nil {
		m.tries[try]++
	} else {
		delete(m.tries, try)
	}
	return true
}

// turnAway forgets what is on the way to an executor that leaves or is lost: it may be
// gone when word of it comes. Partitions of datasets may be tried again, as there are
// others now.
func (m *moves) turnAway(id exec.ExecutorID) {
	maps.DeleteFunc(m.underway, func(x moveID, _ exec.ExecutorID) bool { return x.to == id })
	maps.DeleteFunc(m.tries, func(x tryID, _ int) bool { return x.block.Job == 0 })
}

// lose forgets what was to be had from an executor that is lost.
func (m *moves) lose(id exec.ExecutorID) {
	m.turnAway(id)
	maps.DeleteFunc(m.underway, func(_ moveID, from exec.ExecutorID) bool { return from == id })
	maps.DeleteFunc(m.tries, func(x tryID, _ int) bool { return x.from == id })
}
