package harness

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Format is the version of the JSON form of a result; others are not read.
const Format = 1

// Result is what a run measured.
type Result struct {
	Format  int           `json:"format"`
	Suite   string        `json:"suite"`
	Title   string        `json:"title"`
	SF      float64       `json:"sf"`
	Data    string        `json:"data"`
	Bytes   int64         `json:"data_bytes"`
	Threads int           `json:"threads"`
	Memory  int64         `json:"memory_bytes"` // given to each engine; 0: each one's own choice
	Runs    int           `json:"runs"`
	Command string        `json:"command"`
	Started string        `json:"started"` // RFC 3339, UTC
	Seconds float64       `json:"seconds"`
	Machine Machine       `json:"machine"`
	Others  float64       `json:"others_cpu_share"` // of the machine's processor time, taken by other programs during the run
	Engines []EngineInfo  `json:"engines"`
	Queries []QueryResult `json:"queries"`
	Notes   []string      `json:"notes,omitempty"`
}

// EngineInfo says which engine ran, and how.
type EngineInfo struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Settings map[string]string `json:"settings,omitempty"`
	RSS      int64             `json:"peak_rss_bytes"`   // the largest of its queries
	Idle     int64             `json:"opened_rss_bytes"` // when it had opened the tables
}

// QueryResult is a query's measurements by engine.
type QueryResult struct {
	Name    string             `json:"name"`
	Title   string             `json:"title,omitempty"`
	Engines map[string]Measure `json:"engines"`
}

// Measure is one query on one engine. Error is set if there are no figures.
type Measure struct {
	Error  string    `json:"error,omitempty"`
	MS     []float64 `json:"ms,omitempty"` // of each run, in order
	CPU    []float64 `json:"cpu_ms,omitempty"`
	Median float64   `json:"median_ms,omitempty"`
	Min    float64   `json:"min_ms,omitempty"`
	Max    float64   `json:"max_ms,omitempty"`
	MAD    float64   `json:"mad_ms,omitempty"` // median distance from the median
	RSS    int64     `json:"peak_rss_bytes,omitempty"`
	Rows   int64     `json:"rows"`
	Hash   string    `json:"hash,omitempty"`   // of the normalised rows
	Answer string    `json:"answer,omitempty"` // Same, Near, or how it differs
	// Counted by Millrace in the run whose time is the median, or next to it.
	Runtime *Runtime `json:"runtime,omitempty"`
}

// OK reports whether there are figures that count: a wrong answer has none.
func (m Measure) OK() bool {
	return m.Error == "" && len(m.MS) > 0 && (m.Answer == Same || m.Answer == Near || m.Answer == Alone)
}

// Read reads a result.
func Read(path string) (*Result, error) {
	r, err := Load[Result](path, "benchmark result")
	if err != nil {
		return nil, err
	}
	if r.Format != Format {
		return nil, diag.New(diag.MalformedRecord, "%s has format %d, and %d is known", path, r.Format, Format).WithPath(path).
			WithRemedy("measure again with this version")
	}
	return r, nil
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return Save(path, r) }

// Load reads a file that Save wrote; what says which kind of file it should be.
func Load[T any](path, what string) (*T, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, diag.New(diag.MalformedRecord, "%s is not a %s: %v", path, what, err).WithPath(path)
	}
	return v, nil
}

// Save writes v as JSON, whole or not at all.
func Save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return diag.New(diag.Internal, "the result cannot be encoded: %v", err)
	}
	return WriteFile(path, append(b, '\n'))
}

// WriteFile writes a file under another name and moves it into place.
func WriteFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fs.Explain(err, path)
	}
	tmp := path + ".tmp"
	err := os.WriteFile(tmp, b, 0o644)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return diag.New(diag.WriteFailed, "%s cannot be written: %v", path, err).WithPath(path).WithCause(err)
	}
	return nil
}
