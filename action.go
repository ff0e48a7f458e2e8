package millrace

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Row is one row of Go values: nil, bool, int64, float64, string (also
// decimals, exactly), []byte, time.Time (dates and timestamps), time.Duration
// (day-time intervals).
type Row []any

// ForEach runs the query and calls f with each row, in order, while it runs. An
// error of f ends the query.
func (d *DataFrame) ForEach(ctx context.Context, f func(Row) error) error {
	r, err := d.Run(ctx)
	if err != nil {
		return err
	}
	return r.forEach(f)
}

func (r *Result) forEach(f func(Row) error) error {
	defer r.rewind()
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Selected() {
			row := make(Row, len(b.Cols))
			for c := range b.Cols {
				row[c] = value(&b.Cols[c], b.RowAt(i))
			}
			if err := f(row); err != nil {
				return err
			}
		}
	}
}

// Collect computes the frame and returns its rows. More than the setting
// driver.collect.limit is refused.
func (d *DataFrame) Collect(ctx context.Context) ([]Row, error) {
	r, err := d.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Fetch(); err != nil {
		return nil, err
	}
	out := make([]Row, 0, r.Len())
	err = r.forEach(func(row Row) error {
		out = append(out, row)
		return nil
	})
	return out, err
}

func value(v *columnar.Vector, i int) any {
	if v.NullAt(i) {
		return nil
	}
	switch t := v.Type; t.Kind {
	case columnar.Bool:
		return v.Int64At(i) != 0
	case columnar.Float32, columnar.Float64:
		return v.Float64At(i)
	case columnar.Decimal:
		return columnar.FormatDecimal(v.Int128At(i), int(t.Scale))
	case columnar.String:
		return string(v.BytesAt(i))
	case columnar.Binary:
		return append([]byte{}, v.BytesAt(i)...)
	case columnar.Date:
		return time.Unix(v.Int64At(i)*86400, 0).UTC()
	case columnar.Timestamp, columnar.TimestampNTZ:
		return time.UnixMicro(v.Int64At(i)).UTC()
	case columnar.DayTimeInterval:
		return time.Duration(v.Int64At(i)) * time.Microsecond
	case columnar.List, columnar.Struct, columnar.Map:
		return string(text.AppendValue(nil, v, i, time.UTC))
	}
	return v.Int64At(i)
}

// CollectInto computes the frame into a slice of structs. Columns go to the
// fields of the same name (without case), or to those tagged `millrace:"name"`.
func CollectInto[T any](ctx context.Context, d *DataFrame) ([]T, error) {
	rows, err := d.Collect(ctx)
	if err != nil {
		return nil, err
	}
	schema, err := d.Schema(ctx)
	if err != nil {
		return nil, err
	}
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, diag.New(diag.InvalidArgument, "CollectInto needs a struct, not %s", t)
	}
	at := map[int]int{}
	for f := range t.NumField() {
		name := t.Field(f).Tag.Get("millrace")
		if name == "" {
			name = t.Field(f).Name
		}
		if c := schema.Index(name); c >= 0 {
			at[f] = c
		} else if t.Field(f).Tag.Get("millrace") != "" {
			return nil, diag.New(diag.UnresolvedColumn, "field %s wants column %s, which the result does not have", t.Field(f).Name, name)
		}
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		v := reflect.ValueOf(&out[i]).Elem()
		for f, c := range at {
			if r[c] == nil {
				continue
			}
			x := reflect.ValueOf(r[c])
			if !x.CanConvert(v.Field(f).Type()) || x.Kind() != reflect.String && v.Field(f).Kind() == reflect.String {
				return nil, diag.New(diag.TypeMismatch, "column %s is %s and does not fit field %s of type %s", schema.Fields[c].Name, schema.Fields[c].Type, t.Field(f).Name, v.Field(f).Type())
			}
			v.Field(f).Set(x.Convert(v.Field(f).Type()))
		}
	}
	return out, nil
}

// Count returns the number of rows.
func (d *DataFrame) Count(ctx context.Context) (int64, error) {
	rows, err := d.Agg(call("count", Col("*"))).Collect(ctx)
	if err != nil {
		return 0, err
	}
	return rows[0][0].(int64), nil
}

// Take returns the first n rows.
func (d *DataFrame) Take(ctx context.Context, n int64) ([]Row, error) {
	return d.Limit(n).Collect(ctx)
}

// First returns the first row, nil if there is none.
func (d *DataFrame) First(ctx context.Context) (Row, error) {
	rows, err := d.Take(ctx, 1)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// Show returns the first n rows as a table of text.
func (d *DataFrame) Show(ctx context.Context, n int) (string, error) {
	r, err := d.Limit(int64(n)).Run(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = r.WriteTable(&b)
	return b.String(), err
}
