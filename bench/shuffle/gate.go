package shuffle

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Result is what a run measured.
type Result struct {
	Version string          `json:"version"`
	Started string          `json:"started"`
	Machine harness.Machine `json:"machine"`
	Gates   []Gate          `json:"gates"`
	Ways    []Way           `json:"ways"`
}

// Gate is a figure, what it is compared with, and what is asked of it.
type Gate struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Limit string  `json:"limit"`  // what it is compared with; "": Need is absolute
	Of    float64 `json:"of"`     // the limit's figure, in the same unit
	Need  float64 `json:"need"`   // of Value ÷ Of, or of Value
	Aim   float64 `json:"aim"`    // the same, as one wants it; 0: none
	Most  bool    `json:"most"`   // Need is the most, not the least
	Error string  `json:"error"`  // why it could not be measured
	Note  string  `json:"note"`   // what else was measured
	Took  float64 `json:"took_s"` // seconds
}

// Ratio is what Need is about.
func (g Gate) Ratio() float64 {
	if g.Limit == "" {
		return g.Value
	}
	return g.Value / g.Of
}

// OK reports whether the gate is passed.
func (g Gate) OK() bool {
	if g.Error != "" || math.IsNaN(g.Ratio()) {
		return false
	}
	if g.Most {
		return g.Ratio() <= g.Need
	}
	return g.Ratio() >= g.Need
}

// Way is one way between executors, beside the others.
type Way struct {
	Name      string  `json:"name"`
	Stream    float64 `json:"stream_mb_per_s"`    // bytes that nobody looks at, one stream; 0: there are no bytes
	Fetch     float64 `json:"fetch_mb_per_s"`     // flat Arrow bytes of lineitem, fetched by eight readers
	Processor float64 `json:"processor_ns_per_b"` // of both ends, for a byte fetched
	Small     float64 `json:"small_us"`           // a fetch of one row, median
}

// Failed lists the gates that are not passed.
func (r *Result) Failed() (out []Gate) {
	for _, g := range r.Gates {
		if !g.OK() {
			out = append(out, g)
		}
	}
	return out
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }

// Options say how to measure.
type Options struct {
	Version string
	// Data is a directory with TPC-H as Parquet of scale factor SF, for the gate that
	// compares whole queries; "" leaves that gate out.
	Data string
	// Batches is how many batches of lineitem are worked on. 0: 64, some 32 MB of its
	// fixed columns, more than caches hold.
	Batches int
	// Round is how long a figure is measured at a time; 0: half a second.
	Round time.Duration
	// Only are the names of the gates and ways to measure; nil: all.
	Only func(name string) bool
	// Done is told each figure; it may be nil.
	Done func(Gate)
	Way  func(Way)
}

func (o *Options) filled() *Options {
	f := *o
	if f.Round <= 0 {
		f.Round = 500 * time.Millisecond
	}
	if f.Batches <= 0 {
		f.Batches = batches
	}
	if f.Only == nil {
		f.Only = func(string) bool { return true }
	}
	if f.Done == nil {
		f.Done = func(Gate) {}
	}
	if f.Way == nil {
		f.Way = func(Way) {}
	}
	return &f
}

// probe measures one gate: Value, Of and Note.
type probe struct {
	Gate
	measure func(ctx context.Context, o *Options, g *Gate) error
}

// Measure measures all gates, one after the other. A gate that cannot be measured
// has an Error; only ctx ends the run.
func Measure(ctx context.Context, o Options) (*Result, error) {
	f := o.filled()
	r := &Result{Version: o.Version, Started: time.Now().UTC().Format(time.RFC3339), Machine: harness.ThisMachine()}
	cancelled := func() error {
		if ctx.Err() == nil {
			return nil
		}
		return diag.New(diag.Cancelled, "the benchmark was cancelled").WithCause(context.Cause(ctx))
	}
	for _, p := range probes(f) {
		if !f.Only(p.Name) {
			continue
		}
		start := time.Now()
		g := p.Gate
		err := p.measure(ctx, f, &g)
		if c := cancelled(); c != nil {
			return nil, c
		}
		if err != nil {
			g.Error = err.Error()
			g.Value, g.Of = 0, 0
		}
		g.Value, g.Of, g.Took = harness.Digits(g.Value), harness.Digits(g.Of), harness.Digits(time.Since(start).Seconds())
		r.Gates = append(r.Gates, g)
		f.Done(g)
	}
	for _, name := range []string{"in process", "same host", "TCP+TLS", "QUIC"} {
		if !f.Only(name) {
			continue
		}
		w, err := way(ctx, f, name)
		if c := cancelled(); c != nil {
			return nil, c
		}
		if err != nil {
			return nil, fmt.Errorf("the way %s: %w", name, err)
		}
		r.Ways = append(r.Ways, w)
		f.Way(w)
	}
	return r, nil
}

// probes lists the gates in the order of a report.
func probes(o *Options) []probe {
	list := append(encoding(), carrying()...)
	list = append(list, urgency()...)
	return append(list, queries(o)...)
}

const (
	mbs   = "MB/s"
	lz4   = "lz4.CompressBlock"
	unlz4 = "lz4.UncompressBlock"
)
