package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/diag"
)

// A failure keeps its type through five layers of wrapping and the wire:
// formatting one into a string made it final elsewhere.
func TestFailureCrosses(t *testing.T) {
	user := diag.NewAt(diag.At(14), diag.DivideByZero, "division by zero").WithRemedy("use try_divide").WithPath("a.csv")
	user.Call = "main.go:12"
	for _, want := range []*Failure{
		{Kind: FetchFailed, Exchange: 3, Map: 7, More: []int{8, 9}, Epoch: 1 << 40, Cause: errors.New("gone")},
		{Kind: FetchFailed, Exchange: 3, Map: -1, Epoch: 2},
		{Kind: ExecutorLost},
		{Kind: Transient, Cause: errors.New("connection reset")},
		{Kind: User, Cause: user},
		{Kind: Killed, Cause: context.Canceled},
		{Kind: Bug, Cause: errors.New("index out of range")},
	} {
		var err error = want
		for i := range 5 {
			err = fmt.Errorf("layer %d: %w", i, err)
		}
		got, derr := DecodeFailure(EncodeFailure(Classify(err)))
		if derr != nil {
			t.Fatal(derr)
		}
		var d *diag.Error
		if want.Kind == User && (!errors.As(got, &d) || *d != *user) {
			t.Errorf("the user's error came as %#v", d)
		}
		if fmt.Sprint(got.Cause) != fmt.Sprint(want.Cause) {
			t.Errorf("cause %v, want %v", got.Cause, want.Cause)
		}
		got.Cause, want.Cause = nil, nil
		if x := cmp.Diff(want, got); x != "" {
			t.Error(x)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, k := range []struct {
		err  error
		want FailureKind
	}{
		{fmt.Errorf("task: %w", diag.New(diag.CastInvalid, "no")), User},
		{fmt.Errorf("task: %w", context.Canceled), Killed},
		{fmt.Errorf("task: %w", diag.New(diag.SpillFailed, "full")), Transient},
		{diag.New(diag.Cancelled, "stop").WithCause(context.Canceled), User},
		{fmt.Errorf("task: %w", &Failure{Kind: FetchFailed, Cause: diag.New(diag.Internal, "x")}), FetchFailed},
		{errors.New("division by zero"), Transient}, // text decides nothing
	} {
		if got := Classify(k.err).Kind; got != k.want {
			t.Errorf("%v: %s, want %s", k.err, got, k.want)
		}
	}
	if Classify(nil) != nil {
		t.Error("no error is a failure")
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	f := &Failure{Kind: User, Cause: diag.New(diag.MalformedRecord, "%s", strings.Repeat("x", 1<<20))}
	b := EncodeFailure(f)
	if len(b) > maxFailureBytes {
		t.Fatalf("%d bytes", len(b))
	}
	if _, err := DecodeFailure(b); err != nil {
		t.Fatal(err)
	}
}

func TestPrintedIDs(t *testing.T) {
	id := TaskID{Job: 3, Stage: 5, StageAttempt: 1, Task: 12}
	if got := id.String(); got != "job 3 stage 5.1 task 12.0" {
		t.Error(got)
	}
	if got := (StageID{Job: 3, Stage: 5, Attempt: 1}).String(); got != "job 3 stage 5.1" {
		t.Error(got)
	}
}

func FuzzDecodeFailure(f *testing.F) {
	f.Add(EncodeFailure(&Failure{Kind: FetchFailed, More: []int{1, 2}, Cause: errors.New("x")}))
	f.Add(EncodeFailure(&Failure{Kind: User, Cause: diag.New(diag.Overflow, "x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := DecodeFailure(b)
		if err != nil {
			return
		}
		y, err := DecodeFailure(EncodeFailure(x))
		if err != nil && len(EncodeFailure(x)) <= maxFailureBytes {
			t.Fatal(err)
		}
		if err == nil && (y.Kind != x.Kind || len(y.More) != len(x.More)) {
			t.Fatalf("%#v became %#v", x, y)
		}
	})
}
