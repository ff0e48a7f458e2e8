package shuffle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One output per map task is registered; a loss raises the epoch; what a second
// attempt reports before the first is lost is ignored (S1, S2).
func TestTracker(t *testing.T) {
	tr := NewTracker()
	if e, out := tr.Outputs(1, 1); e != 0 || out != nil {
		t.Fatalf("an unknown exchange has epoch %d and outputs %v", e, out)
	}
	a := NewMapStatus(2, 0, false, []Part{{Sum{Rows: 1}, 8}, {}})
	b := MapStatus{Map: 0, Attempt: 1, Executor: "y"}
	late := MapStatus{Map: 2, Attempt: 1, Executor: "y"}
	if !tr.Register(1, 1, a) || !tr.Register(1, 1, b) || tr.Register(1, 1, late) {
		t.Fatal("registration")
	}
	e, out := tr.Outputs(1, 1)
	if d := cmp.Diff([]MapStatus{b, a}, out); d != "" || e != 1 {
		t.Fatalf("epoch %d: %s", e, d)
	}
	tr.Unregister(1, 1, 2)
	tr.Unregister(1, 1, 2) // a second reader's report of the same loss
	tr.Unregister(1, 9, 2) // of an exchange that is not known
	if e, out = tr.Outputs(1, 1); e != 2 || len(out) != 1 {
		t.Fatalf("epoch %d, outputs %v", e, out)
	}
	if !tr.Register(1, 1, late) {
		t.Fatal("the new attempt is refused")
	}
	tr.Register(2, 1, a)
	tr.Drop(1)
	if _, out = tr.Outputs(1, 1); out != nil {
		t.Fatal("a dropped job has outputs")
	}
	if _, out = tr.Outputs(2, 1); len(out) != 1 {
		t.Fatal("another job lost its outputs")
	}
}

// An output that moves is known to have moved to those who were told before, and is no
// other output (S2); after a loss nobody's view is of the same contents.
func TestMoved(t *testing.T) {
	tr := NewTracker()
	tr.Register(1, 1, MapStatus{Map: 0, Executor: "x"})
	tr.Register(1, 1, MapStatus{Map: 1, Executor: "x"})
	before, out := tr.Outputs(1, 1)
	if tr.Moved(1, 1, before) || tr.Moved(1, 2, before) {
		t.Fatal("nothing has moved yet")
	}
	if !tr.Move(1, 1, out[0], "y") || tr.Move(1, 1, out[0], "z") {
		t.Fatal("an output moves once from where it lies")
	}
	after, _ := tr.Outputs(1, 1)
	if !tr.Moved(1, 1, before) || tr.Moved(1, 1, after) || Contents(after) != Contents(before) {
		t.Fatalf("epochs %x and %x", before, after)
	}
	if tr.Unregister(1, 1, 1); tr.Moved(1, 1, before) {
		t.Fatal("an epoch of other contents has moved")
	}
}
