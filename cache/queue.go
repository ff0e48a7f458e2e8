package cache

import "container/list"

// queue is blocks in an order, each of which is found by its id.
type queue struct {
	order *list.List // of BlockID
	at    map[BlockID]*list.Element
}

func newQueue() queue { return queue{list.New(), map[BlockID]*list.Element{}} }

func (q *queue) len() int { return q.order.Len() }

func (q *queue) has(id BlockID) bool { return q.at[id] != nil }

// push puts a block at the end.
func (q *queue) push(id BlockID) {
	q.drop(id)
	q.at[id] = q.order.PushBack(id)
}

// drop takes a block out. It reports whether it was in.
func (q *queue) drop(id BlockID) bool {
	e, ok := q.at[id]
	if ok {
		q.order.Remove(e)
		delete(q.at, id)
	}
	return ok
}

// all lists the blocks in order.
func (q *queue) all(yield func(BlockID) bool) {
	for e := q.order.Front(); e != nil; e = e.Next() {
		if !yield(e.Value.(BlockID)) {
			return
		}
	}
}
