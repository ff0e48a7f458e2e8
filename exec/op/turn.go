package op

import (
	"runtime"
	"sync/atomic"
	"time"
)

// turn is how long a task holds its processor while others wait for one. The runtime
// itself takes it away after 10 ms only, which is several times what a whole query over a
// few rows takes, and such a query waits for a processor more than once. A yield costs
// less than a microsecond.
const turn = time.Millisecond

// Turn is since when a task has had its processor. It begins with the first Pass:
// a task that ends within its turn never yields. Goroutines of the task may share it.
type Turn struct{ since atomic.Int64 } // of the wall clock, in ns

// Pass lets others have the processor if the task has had it for its turn; now is the time.
func (t *Turn) Pass(now time.Time) {
	n, since := now.UnixNano(), t.since.Load()
	switch {
	case since == 0 || n < since:
		t.since.Store(n)
	case n-since >= int64(turn):
		runtime.Gosched()
		t.since.Store(time.Now().UnixNano())
	}
}
