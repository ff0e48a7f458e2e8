package json

import (
	"context"
	"encoding/base64"
	"math"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for _, f := range spec.Schema.Fields {
		if !writable(f.Type) {
			return diag.New(diag.Unsupported, "column %s of type %s cannot be written as JSON", f.Name, f.Type).WithRemedy("cast it to another type")
		}
	}
	_, err := parseOptions(spec.Options)
	return err
}

func writable(t columnar.Type) bool {
	if t.Kind == columnar.Variant || t.Kind == columnar.Float16 {
		return false
	}
	for i := 0; t.Nested != nil && i < len(t.Nested.Fields); i++ {
		if !writable(t.Nested.Fields[i].Type) {
			return false
		}
	}
	return true
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(ctx context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	o, err := parseOptions(spec.Options)
	if err != nil {
		return nil, err
	}
	return records.NewWriter(ctx, spec, task, attempt, ".json", o.gzip, func(out *records.Out) (connector.Encoder, error) {
		w := &writer{Out: out, end: '\n', f: format{nulls: o.writeNulls, date: records.Compiled(o.Date), stamp: records.Compiled(o.Stamp), ntz: records.Compiled(o.StampNTZ)}}
		rules, _ := o.rules()
		w.f.zone = rules.Zone
		if o.Stop != 0 {
			w.end = o.Stop
		}
		for _, f := range spec.Schema.Fields {
			w.keys = append(w.keys, append(appendString(nil, []byte(f.Name)), ':'))
		}
		return w, nil
	})
}

// writer writes a row as an object on a line. Nulls are left out, unless
// ignoreNullFields is false.
type writer struct {
	*records.Out
	f    format
	keys [][]byte // of the columns, as they are written
	end  byte
}

// Write implements connector.Encoder.
func (w *writer) Write(b *columnar.Batch) error {
	for i := range b.Selected() {
		r := b.RowAt(i)
		w.Buf = append(w.Buf, '{')
		first := true
		for c := range b.Cols {
			v := &b.Cols[c]
			null := v.NullAt(r)
			if null && !w.f.nulls {
				continue
			}
			if !first {
				w.Buf = append(w.Buf, ',')
			}
			first = false
			w.Buf = append(w.Buf, w.keys[c]...)
			if null {
				w.Buf = append(w.Buf, "null"...)
			} else {
				w.Buf = w.f.value(w.Buf, v, r)
			}
		}
		w.Buf = append(w.Buf, '}', w.end)
		if err := w.Spill(); err != nil {
			return err
		}
	}
	w.Count += int64(b.Selected())
	return nil
}

// format is how values are spelt.
type format struct {
	nulls            bool
	date, stamp, ntz *text.Pattern
	zone             *time.Location
	scratch          []byte
}

// value appends a value that is not null.
func (f *format) value(dst []byte, v *columnar.Vector, r int) []byte {
	switch v.Type.Kind {
	case columnar.String:
		return appendString(dst, v.BytesAt(r))
	case columnar.Binary:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v.BytesAt(r))
		return append(dst, '"')
	case columnar.Float32, columnar.Float64:
		y := v.Float64At(r)
		if math.IsNaN(y) || math.IsInf(y, 0) {
			dst = text.AppendFloat(append(dst, '"'), y, 64)
			return append(dst, '"')
		}
		return text.AppendFloat(dst, y, 8*v.Type.FixedWidth())
	case columnar.Date, columnar.Timestamp, columnar.TimestampNTZ:
		return f.moment(dst, v, r)
	case columnar.Time, columnar.DayTimeInterval, columnar.YearMonthInterval:
		dst = text.AppendValue(append(dst, '"'), v, r, time.UTC)
		return append(dst, '"')
	case columnar.List, columnar.Struct, columnar.Map:
		return f.nested(dst, v, r)
	}
	return text.AppendValue(dst, v, r, time.UTC)
}

// moment appends a date or timestamp.
func (f *format) moment(dst []byte, v *columnar.Vector, r int) []byte {
	us := v.Int64At(r)
	p, zone := f.ntz, time.UTC
	switch v.Type.Kind {
	case columnar.Date:
		if p = f.date; p == nil {
			return append(text.AppendDate(append(dst, '"'), int32(us)), '"')
		}
		us *= 86_400_000_000
	case columnar.Timestamp:
		p, zone = f.stamp, f.zone
	}
	if p == nil {
		return append(text.AppendISO(append(dst, '"'), us, v.Type.Kind == columnar.Timestamp), '"')
	}
	f.scratch = p.Append(f.scratch[:0], us, zone)
	return appendString(dst, f.scratch)
}

// nested appends an array or object.
func (f *format) nested(dst []byte, v *columnar.Vector, r int) []byte {
	if v.Enc == columnar.Const {
		r = 0
	}
	item := func(v *columnar.Vector, i int) {
		if v.NullAt(i) {
			dst = append(dst, "null"...)
		} else {
			dst = f.value(dst, v, i)
		}
	}
	if v.Type.Kind == columnar.Struct {
		dst = append(dst, '{')
		n := 0
		for k := range v.Kids {
			if v.Kids[k].NullAt(r) && !f.nulls {
				continue
			}
			if n > 0 {
				dst = append(dst, ',')
			}
			n++
			dst = append(appendString(dst, []byte(v.Type.Nested.Fields[k].Name)), ':')
			item(&v.Kids[k], r)
		}
		return append(dst, '}')
	}
	off, isMap := v.Offsets(), v.Type.Kind == columnar.Map
	if isMap {
		dst = append(dst, '{')
	} else {
		dst = append(dst, '[')
	}
	for i := int(off[r]); i < int(off[r+1]); i++ {
		if i > int(off[r]) {
			dst = append(dst, ',')
		}
		if !isMap {
			item(&v.Kids[0], i)
			continue
		}
		if key := &v.Kids[0].Kids[0]; key.Type.Kind == columnar.String {
			dst = appendString(dst, key.BytesAt(i))
		} else {
			dst = append(text.AppendValue(append(dst, '"'), key, i, time.UTC), '"')
		}
		dst = append(dst, ':')
		item(&v.Kids[0].Kids[1], i)
	}
	if isMap {
		return append(dst, '}')
	}
	return append(dst, ']')
}

const hexDigits = "0123456789ABCDEF"

// appendString appends a text in quotes, escaped where it must be.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
