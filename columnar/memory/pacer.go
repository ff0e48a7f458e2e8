package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The collector runs when the heap has grown by what was live, as a rule: by 100
// percent. What queries keep lies in slabs, so that little of the heap is live and
// the rule would collect every few batches. Between two collections the heap may
// therefore grow by at least a share of the budget.
const (
	slackShare = 16        // a sixteenth of the budget
	mostSlack  = 128 << 20 // and not more than this
	minHeap    = 4 << 20   // the runtime's own least, of 100 percent
	percent    = 100       // the runtime's own rule
)

// pacer sets the collector's percentage after each collection. It is used under
// the limiter's mu.
type pacer struct {
	slack  int64
	before int // the percentage without brokers
	on     bool
}

// start begins to pace for budgets, or follows them. Whoever sets GOGC decides.
func (p *pacer) start(budgets int64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	p.slack = min(mostSlack, budgets/slackShare)
	if !p.on {
		p.on = true
		p.before = debug.SetGCPercent(int(max(percent, p.slack*percent/minHeap)))
		arm(&cycle{})
	}
}

// stop gives the percentage back; the next collection sees that and is the last
// that is followed.
func (p *pacer) stop() {
	if p.on {
		p.on = false
		debug.SetGCPercent(p.before)
	}
}

// cycle is garbage that the next collection finds.
type cycle struct{ _ [16]byte }

func arm(c *cycle) { runtime.SetFinalizer(c, collected) }

// collected runs after a collection.
func collected(c *cycle) {
	collector.mu.Lock()
	defer collector.mu.Unlock()
	p := &collector.pacer
	if !p.on {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	n := int64(live[0].Value.Uint64())
	debug.SetGCPercent(int(max(percent, p.slack*percent/max(n, minHeap))))
	arm(c)
}
