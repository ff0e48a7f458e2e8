package functions

import (
	"github.com/millrace-engine/millrace/bench/harness"
)

// Result is what was measured.
type Result struct {
	Version string          `json:"version"`
	Started string          `json:"started"`
	Command string          `json:"command"`
	Machine harness.Machine `json:"machine"`
	Others  float64         `json:"others"` // share of the machine that other programs took
	Rows    int64           `json:"rows"`
	Runs    int             `json:"runs"`
	Figures []Figure        `json:"figures"`
	Starts  []Start         `json:"starts"` // without and with an artifact; none: not measured
}

// Figure is one form of a function, beside the engine's own.
type Figure struct {
	Function  string  `json:"function"`
	Form      string  `json:"form"`
	Seconds   float64 `json:"seconds"`   // of the whole query, median
	Processor float64 `json:"processor"` // seconds of processors, of all processes, median
	MAD       float64 `json:"mad"`       // of these
	Alone     float64 `json:"alone_ns"`  // ns of processors that the function takes for a row
	Loop      float64 `json:"loop_ns"`   // of the Go function in a plain loop; 0: it is not in Go
	Query     float64 `json:"query"`     // the built-in's processor time ÷ this, of whole queries
	Share     float64 `json:"share"`     // and of functions alone
	Need      float64 `json:"need"`      // of Query; 0: nothing
}

// OK reports whether the gate is passed.
func (f Figure) OK() bool { return f.Query >= f.Need }

// Failed counts the gates that are missed.
func (r *Result) Failed() (n int) {
	for _, f := range r.Figures {
		if !f.OK() {
			n++
		}
	}
	if !r.Cheap() {
		n++
	}
	return n
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }
