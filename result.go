package millrace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// Result is a query that runs. Its rows are read once, in order, while it runs:
// those that wait are bounded by the setting driver.result.buffer. After Fetch they
// are in memory and can be read again. A result that is not read to its end must be
// closed.
type Result struct {
	Schema *columnar.Schema

	zone    *time.Location
	stream  *driver.Stream
	broker  *memory.Broker
	limit   int64
	fetched bool
	rows    []*columnar.Batch // once fetched
	at      int               // of rows, the next to be read
	done    *driver.Result
}

// Run starts the query. When ctx ends it is cancelled, whatever has been read.
func (d *DataFrame) Run(ctx context.Context) (*Result, error) {
	_, q, err := d.analyzed(ctx)
	if err != nil {
		return nil, err
	}
	return d.s.start(described(ctx, cmp.Or(d.text, d.call)), q)
}

// next returns the next batch, which stays valid, or io.EOF; then a result that was
// fetched starts again.
func (r *Result) next() (*columnar.Batch, error) {
	if r.fetched {
		if r.at == len(r.rows) {
			r.at = 0
			return nil, io.EOF
		}
		r.at++
		return r.rows[r.at-1], nil
	}
	b, err := r.stream.Next()
	if errors.Is(err, io.EOF) {
		r.done = r.stream.Result()
	}
	return b, err
}

// Fetch reads all rows into memory, so that Len is known before they are read.
// More than the setting driver.collect.limit is refused.
func (r *Result) Fetch() error {
	if r.fetched {
		return nil
	}
	defer r.Close()
	held := r.broker.Reserve("collected rows", 0)
	defer held.Close()
	var rows []*columnar.Batch
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			r.fetched, r.rows = true, rows
			return nil
		}
		if err != nil {
			return err
		}
		n := b.MemoryBytes()
		if held.Held()+n > r.limit {
			return tooLarge("more than %d MiB, the limit of %s", r.limit>>20, settings.CollectLimit)
		}
		if !held.TryGrow(n) {
			return tooLarge("%d MiB, and the memory budget has nothing left", held.Held()>>20)
		}
		rows = append(rows, b)
	}
}

func tooLarge(format string, args ...any) error {
	return diag.New(diag.ResultTooLarge, "the rows that are collected into memory hold "+format, args...).
		WithRemedy("read them as they come (Batches, ForEach), write them to files (Write), keep fewer (Limit), or raise %s", settings.CollectLimit)
}

// Close ends the query if it still runs. It is idempotent. Rows that were fetched
// stay.
func (r *Result) Close() { r.stream.Close() }

// rewind ends a reading: of the query, or of the rows that were fetched.
func (r *Result) rewind() {
	r.at = 0
	r.Close()
}

// Len returns the number of rows once they are fetched, else 0.
func (r *Result) Len() int {
	n := 0
	for _, b := range r.rows {
		n += b.Rows
	}
	return n
}

// Stats returns what the job did, nil before the last row was read.
func (r *Result) Stats() *driver.Result { return r.done }

// Each calls f with the values of each row rendered as text, and which of them
// are null. The slices are reused. An error of f ends the query.
func (r *Result) Each(f func(values []string, null []bool) error) error {
	defer r.rewind()
	values, null := make([]string, r.Schema.Len()), make([]bool, r.Schema.Len())
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Selected() {
			row := b.RowAt(i)
			for c := range b.Cols {
				null[c] = b.Cols[c].NullAt(row)
				values[c] = string(text.AppendValue(nil, &b.Cols[c], row, r.zone))
			}
			if err := f(values, null); err != nil {
				return err
			}
		}
	}
}

// tableRows is how many rows the widths of a table are taken from.
const tableRows = 10000

// WriteTable renders the rows as a table of text. Columns are as wide as the first
// 10,000 rows ask for; a longer value in a later row pushes its line out.
func (r *Result) WriteTable(w io.StringWriter) error {
	width := make([]int, r.Schema.Len())
	header := make([]string, r.Schema.Len())
	for i, f := range r.Schema.Fields {
		header[i] = f.Name
		width[i] = len([]rune(f.Name))
	}
	var rows [][]string
	var rule string
	begin := func() error {
		var b strings.Builder
		b.WriteByte('+')
		for _, n := range width {
			b.WriteString(strings.Repeat("-", n+2) + "+")
		}
		rule = b.String() + "\n"
		if _, err := w.WriteString(rule + r.line(header, width, false) + rule); err != nil {
			return err
		}
		for _, row := range rows {
			if _, err := w.WriteString(r.line(row, width, true)); err != nil {
				return err
			}
		}
		rows = nil
		return nil
	}
	escape := strings.NewReplacer("\n", "\\n", "\t", "\\t", "\r", "\\r")
	n := 0
	err := r.Each(func(values []string, _ []bool) error {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = escape.Replace(v)
		}
		if n++; n > tableRows {
			_, err := w.WriteString(r.line(row, width, true))
			return err
		}
		for i, v := range row {
			width[i] = max(width[i], len([]rune(v)))
		}
		rows = append(rows, row)
		if n == tableRows {
			return begin()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n < tableRows {
		if err := begin(); err != nil {
			return err
		}
	}
	_, err = w.WriteString(rule)
	return err
}

// line renders a row of a table; numbers go to the right.
func (r *Result) line(row []string, width []int, values bool) string {
	var b strings.Builder
	b.WriteByte('|')
	for i, v := range row {
		if values && r.Schema.Fields[i].Type.IsNumeric() {
			fmt.Fprintf(&b, " %*s |", width[i], v)
		} else {
			fmt.Fprintf(&b, " %-*s |", width[i], v)
		}
	}
	return b.String() + "\n"
}
