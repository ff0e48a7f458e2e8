package csv

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// writer writes records as Spark does, which the reader of this package reads
// back with equal options (and multiLine, if values hold line breaks):
//
//   - W1 A null is the null text, the empty string a pair of quotes (or
//     emptyValue). By default the reader takes both for null, as Spark's; with a
//     nullValue it tells them apart.
//   - W2 A text is quoted if it holds a separator, quote or line break, begins
//     like a comment or byte order mark, or has white space at an end.
//   - W3 Inside of quotes the escape character stands before a quote and before
//     itself.
type writer struct {
	*records.Out
	dir    string
	f      format
	fields []field
}

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for _, f := range spec.Schema.Fields {
		if f.Type.IsNested() {
			return diag.New(diag.Unsupported, "column %s of type %s cannot be written as CSV", f.Name, f.Type).WithRemedy("select its parts as columns of their own, or write JSON")
		}
	}
	_, err := parseOptions(spec.Options, "")
	return err
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(ctx context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	o, err := parseOptions(spec.Options, "")
	if err != nil {
		return nil, err
	}
	return records.NewWriter(ctx, spec, task, attempt, ".csv", o.gzip, func(out *records.Out) (connector.Encoder, error) {
		w := &writer{Out: out, dir: spec.Dir, f: newFormat(&o), fields: make([]field, len(spec.Schema.Fields))}
		if !o.Header {
			return w, nil
		}
		for i, f := range spec.Schema.Fields {
			if i > 0 {
				w.Buf = append(w.Buf, o.Sep...)
			}
			var err error
			if w.Buf, err = w.f.appendText(w.Buf, []byte(f.Name)); err != nil {
				return nil, w.placed(err)
			}
		}
		w.Buf = append(w.Buf, w.f.end)
		return w, nil
	})
}

// Write implements connector.Encoder.
func (w *writer) Write(b *columnar.Batch) error {
	for c := range b.Cols {
		if err := w.fields[c].prepare(&w.f, &b.Cols[c], b.Rows); err != nil {
			return w.placed(err)
		}
	}
	null := w.f.null
	if len(b.Cols) == 1 && null == "" { // an empty line would be no record
		null = w.f.empty
	}
	n := b.Selected()
	for i := range n {
		r := i
		if b.Sel != nil {
			r = int(b.Sel[i])
		}
		for c := range w.fields {
			if c > 0 {
				w.Buf = append(w.Buf, w.f.sep...)
			}
			x := &w.fields[c]
			if x.never || x.valid != nil && !x.valid.Get(r) {
				w.Buf = append(w.Buf, null...)
				continue
			}
			var err error
			if w.Buf, err = x.append(w.Buf, &w.f, r); err != nil {
				return w.placed(err)
			}
		}
		w.Buf = append(w.Buf, w.f.end)
		if err := w.Spill(); err != nil {
			return err
		}
	}
	w.Count += int64(n)
	return nil
}

func (w *writer) placed(err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		return e.WithPath(w.dir)
	}
	return err
}
