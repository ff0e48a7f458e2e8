// Package filters measures what runtime filters save: the bytes that queries put
// into exchanges with and without them, by the engine's own counters.
//
// Invariants:
//
//   - Answers are compared, as sets of rows: a query may order equal rows as it likes.
//
// It imports the root package and bench/harness, and is tested through the command
// line.
package filters

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
)

// Result is what was measured.
type Result struct {
	Started string          `json:"started"`
	Command string          `json:"command"`
	Data    string          `json:"data"`
	Machine harness.Machine `json:"machine"`
	Rows    []Row           `json:"queries"`
}

// Row is what runtime filters did to a query.
type Row struct {
	Query     string  `json:"query"`
	Off       int64   `json:"shuffled_bytes_off"`
	On        int64   `json:"shuffled_bytes_on"`
	MillisOff float64 `json:"ms_off"`
	MillisOn  float64 `json:"ms_on"`
	Same      bool    `json:"same_answer"`
}

// Saved is the share of bytes that are not shuffled with filters.
func (r Row) Saved() float64 {
	if r.Off == 0 {
		return 0
	}
	return 1 - float64(r.On)/float64(r.Off)
}

// All adds the queries up.
func (r *Result) All() Row {
	all := Row{Query: "all", Same: true}
	for _, x := range r.Rows {
		all.Off, all.On = all.Off+x.Off, all.On+x.On
		all.MillisOff, all.MillisOn = all.MillisOff+x.MillisOff, all.MillisOn+x.MillisOn
		all.Same = all.Same && x.Same
	}
	return all
}

// Measure runs a query with runtime filters off and on.
func Measure(ctx context.Context, s *millrace.Session, name, text string) (Row, error) {
	r := Row{Query: name}
	without, err := run(ctx, s, text, "off", &r.Off, &r.MillisOff)
	if err != nil {
		return r, err
	}
	with, err := run(ctx, s, text, "on", &r.On, &r.MillisOn)
	r.Same = slices.Equal(without, with)
	return r, err
}

// run runs a query. It returns the rows, rendered and sorted, and tells the bytes
// that its stages put into exchanges.
func run(ctx context.Context, s *millrace.Session, text, filters string, bytes *int64, ms *float64) (rows []string, err error) {
	if _, err := s.SQL(ctx, "SET sql.runtime.filters = "+filters); err != nil {
		return nil, err
	}
	start := time.Now()
	df, err := s.SQL(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Fetch(); err != nil {
		return nil, err
	}
	*ms = float64(time.Since(start).Microseconds()) / 1000
	err = r.Each(func(v []string, _ []bool) error {
		rows = append(rows, strings.Join(v, "|"))
		return nil
	})
	for _, st := range r.Stats().Stages {
		*bytes += st.Written
	}
	slices.Sort(rows)
	return rows, err
}

// Write writes a result whole or not at all.
func (r *Result) Write(path string) error { return harness.Save(path, r) }
