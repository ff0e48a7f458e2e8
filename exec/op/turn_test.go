package op

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A goroutine that waits for the only processor gets it when a task has had its turn.
func TestTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var x Turn
	var ran atomic.Bool
	now := time.Now()
	x.Pass(now)
	if since := x.since.Load(); since != now.UnixNano() {
		t.Errorf("the turn began at %d, not at %d", since, now.UnixNano())
	}
	x.Pass(now.Add(turn - 1))
	if since := x.since.Load(); since != now.UnixNano() {
		t.Error("the turn ended early")
	}
	done := make(chan struct{})
	go func() { // ends by itself
		ran.Store(true)
		close(done)
	}()
	for n := 0; !ran.Load(); n++ { // now and then the runtime goes on with who yields
		if n == 1000 {
			t.Fatal("nobody else had the processor")
		}
		x.Pass(time.Now().Add(turn))
	}
	<-done
}
