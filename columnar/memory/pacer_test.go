package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func gcPercent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// While a broker governs, a small heap may grow by its share of the budget, a
// large one as the runtime has it; afterwards all is as before.
func TestPace(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC decides")
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	until := func(fine func(uint64) bool) uint64 {
		deadline := time.Now().Add(10 * time.Second)
		for {
			runtime.GC() // the percentage follows when the finalizer has run
			if p := gcPercent(); fine(p) || time.Now().After(deadline) {
				return p
			}
			runtime.Gosched()
		}
	}
	stop := NewBroker(1 << 30).Govern()
	if p := gcPercent(); p != mostSlack/2*100/minHeap { // a sixteenth of 1 GiB
		t.Errorf("at the start %d percent", p)
	}
	live := make([]byte, 256<<20)
	if p := until(func(p uint64) bool { return p == 100 }); p != 100 {
		t.Errorf("with a heap of 256 MiB %d percent", p)
	}
	runtime.KeepAlive(live)
	live = nil
	if p := until(func(p uint64) bool { return p > 100 }); p <= 100 {
		t.Errorf("with a small heap again %d percent", p)
	}
	stop()
	if p := gcPercent(); p != 100 {
		t.Errorf("at the end %d percent", p)
	}
}
