package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// infer finds names and types.
func infer(ctx context.Context, found []fs.File, o *options) (*columnar.Schema, error) {
	names, err := names(found, o)
	if err != nil {
		return nil, err
	}
	types := make([]columnar.Type, len(names))
	if o.infer {
		if types, err = allTypes(ctx, found, o, len(names)); err != nil {
			return nil, err
		}
	}
	s := &columnar.Schema{}
	for i, n := range names {
		t := types[i]
		if t.Kind == columnar.Null {
			t = columnar.StringType
		}
		s.Fields = append(s.Fields, columnar.Field{Name: n, Type: t, Nullable: true})
	}
	return s, nil
}

// names reads the first record: names that are missing are _c0, _c1 …; of names
// that come twice, each gets its position.
func names(found []fs.File, o *options) ([]string, error) {
	plain := *o
	plain.Header, plain.Mode = false, records.Permissive
	for _, f := range found {
		src, err := newSource(records.Range{Path: f.Path, End: max(f.Size, 1)}, newScanner(&plain, 0, -1), nil, nil)
		if err != nil {
			return nil, err
		}
		var names []string
		if err = src.Next(1); err == nil {
			names = src.names(o.Header)
		}
		src.Close()
		if !errors.Is(err, io.EOF) {
			return names, err
		}
	}
	return nil, diag.New(diag.EmptyInput, "%s is empty", found[0].Path).WithPath(found[0].Path).WithRemedy("give the columns with a schema, or remove the file")
}

func (x *source) names(header bool) (names []string) {
	begin, end := x.Span(0)
	s := fields(x.o, x.sheet.Text[begin:end])
	if s.Rows == 0 { // it reads like an empty line
		return []string{"_c0"}
	}
	seen := map[string]int{}
	for k := range s.Width {
		name := fmt.Sprintf("_c%d", k)
		if v := x.rules.Vector(s, k, columnar.StringType, nil, nil, &x.decoded); header && !v.NullAt(0) && len(v.BytesAt(0)) > 0 {
			name = string(v.BytesAt(0))
		}
		names = append(names, name)
		seen[strings.ToLower(name)]++
	}
	for k, n := range names {
		if seen[strings.ToLower(n)] > 1 {
			names[k] = fmt.Sprintf("%s%d", n, k)
		}
	}
	return names
}

// allTypes reads all files and returns the narrowest type of each column that all
// its values have.
func allTypes(ctx context.Context, found []fs.File, o *options, width int) ([]columnar.Type, error) {
	all, err := records.Survey(ctx, found, o.MultiLine, func() *inference { return newInference(o, width) }, func(ctx context.Context, x *inference, r records.Range) error { return x.read(ctx, r) })
	types := make([]columnar.Type, width)
	for _, x := range all {
		for k, t := range x.types {
			types[k] = x.common(types[k], t)
		}
	}
	return types, err
}

// inference narrows the types of columns down.
type inference struct {
	o       *options
	rules   *cells.Rules
	types   []columnar.Type // Null: no value so far
	strict  *text.Pattern
	sampled float64
	buf     []byte
}

func newInference(o *options, width int) *inference {
	lenient := *o
	lenient.Mode = records.Permissive
	x := &inference{o: &lenient, rules: o.rules(), types: make([]columnar.Type, width)}
	if x.strict = x.rules.Date; x.strict == nil {
		x.strict, _ = text.ParsePattern("yyyy-MM-dd")
	}
	return x
}

// read looks at the records of a range.
func (x *inference) read(ctx context.Context, r records.Range) error {
	src, err := newSource(r, newScanner(x.o, len(x.types), -1), nil, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := src.Next(columnar.MaxRows); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		s := &src.sheet
		for row := range s.Rows {
			if x.sampled += x.o.sampling; x.sampled < 1 {
				continue
			}
			x.sampled--
			for k, c := range s.Cells[row*s.Width : (row+1)*s.Width] {
				x.see(s, k, c)
			}
		}
	}
}

// see widens the type of column k for a cell.
func (x *inference) see(s *cells.Sheet, k int, c cells.Cell) {
	begin, end := c.Span()
	t := x.types[k]
	if t.Kind == columnar.String || c.Kind() == cells.Missing || begin == end {
		return
	}
	if c.Kind() == cells.Plain { // what most cells are
		p := s.Text[begin : end : end+text.Pad]
		ok := false
		switch n := end - begin; {
		case n == len(x.o.Null):
		case t.Kind == columnar.Int32 && n <= 8:
			_, ok = text.Digits(p[:n+text.Pad], n)
		case t.Kind == columnar.Int64 && n <= 18:
			_, ok = text.LongDigits(p[:n+text.Pad], n)
		case t.Kind == columnar.Float64:
			_, ok = text.FastFloat(p[:n+text.Pad], n)
		case t.Kind == columnar.Date && n == 10 && x.rules.Date == nil:
			_, ok = text.FastDate(p[:n+text.Pad])
		}
		if ok {
			return
		}
	}
	v := s.Text[begin:end]
	if c.Kind() == cells.Coded {
		x.buf, _ = x.rules.Decode(x.buf[:0], v)
		v = x.buf
	}
	if string(v) != x.o.Null {
		x.types[k] = x.common(t, x.typeOf(t, v))
	}
}

// typeOf returns the first type, from that of the column so far on, that a value
// has: int, bigint, decimal without fraction, double, date, timestamp, boolean,
// string.
func (x *inference) typeOf(so columnar.Type, v []byte) columnar.Type {
	blank := len(text.Trim(v)) != len(v)
	switch so.Kind {
	case columnar.Null, columnar.Int32:
		if _, err := text.ParseInt(v, 32); err == nil && !blank {
			return columnar.Int32Type
		}
		fallthrough
	case columnar.Int64:
		if _, err := text.ParseInt(v, 64); err == nil && !blank {
			return columnar.Int64Type
		}
		fallthrough
	case columnar.Decimal:
		if _, p, s, err := text.ParseDecimal(v); err == nil && s == 0 && !blank && !exponent(v) {
			return columnar.DecimalType(p, 0)
		}
		fallthrough
	case columnar.Float64:
		if _, ok := x.rules.ParseFloat(v, 64); ok {
			return columnar.Float64Type
		}
		if !x.o.preferDate {
			break
		}
		fallthrough
	case columnar.Date:
		if _, err := x.strict.ParseDate(v); err == nil {
			return columnar.DateType
		}
		fallthrough
	default:
	}
	if so.Kind != columnar.Bool {
		if _, err := x.rules.ParseTimestamp(v); err == nil {
			return columnar.TimestampType
		}
	}
	if text.EqualFold(v, "true") || text.EqualFold(v, "false") {
		return columnar.BoolType
	}
	return columnar.StringType
}

func exponent(v []byte) bool {
	for _, c := range v {
		if c|0x20 == 'e' {
			return true
		}
	}
	return false
}

// common returns the type that values of both types have.
func (x *inference) common(a, b columnar.Type) columnar.Type {
	if a.Kind > b.Kind {
		a, b = b, a
	}
	switch {
	case a == b, a.Kind == columnar.Null:
		return b
	case b.Kind == columnar.Decimal && (a.IsSignedInteger() || a.Kind == columnar.Decimal):
		p := int(a.Precision)
		switch a.Kind {
		case columnar.Int32:
			p = 10
		case columnar.Int64:
			p = 20
		}
		return columnar.DecimalType(max(p, int(b.Precision)), 0)
	case a.IsNumeric() && b.IsNumeric():
		if a.Kind == columnar.Float64 || b.Kind == columnar.Float64 {
			return columnar.Float64Type
		}
		return b
	case a.Kind == columnar.Date && b.Kind == columnar.Timestamp && x.rules.Stamp == nil:
		return b
	}
	return columnar.StringType
}
