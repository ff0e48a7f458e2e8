package json

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// shape is what the values of a column, field or element have in common. The kind
// of a type is the first that takes all of them: Null (nothing so far), Bool,
// Int64, Decimal, Float64, Timestamp, String, List, Struct.
type shape struct {
	kind             columnar.Kind
	precision, scale int // of decimals
	element          *shape
	fields           map[string]*shape
}

// inference gathers the shape of documents.
type inference struct {
	o       *options
	rules   *cells.Rules
	root    shape
	corrupt bool // there is a malformed document
	sampled float64
	buf     []byte
}

// infer finds the columns of all documents.
func infer(ctx context.Context, found []fs.File, o *options) (*columnar.Schema, error) {
	all, err := records.Survey(ctx, found, o.MultiLine, func() *inference {
		rules, _ := o.rules()
		return &inference{o: o, rules: rules, root: shape{kind: columnar.Struct, fields: map[string]*shape{}}}
	}, func(ctx context.Context, x *inference, r records.Range) error { return x.read(ctx, r) })
	if err != nil {
		return nil, err
	}
	root, corrupt := shape{kind: columnar.Struct, fields: map[string]*shape{}}, false
	for _, x := range all {
		root.merge(&x.root)
		corrupt = corrupt || x.corrupt
	}
	if corrupt && o.Mode == records.Permissive {
		root.fields[o.Corrupt] = &shape{kind: columnar.String}
	}
	delete(root.fields, "")
	t, ok := root.typ(o)
	if !ok {
		return nil, diag.New(diag.EmptyInput, "%s has no columns", found[0].Path).WithPath(found[0].Path).WithRemedy("give the columns with a schema, or remove the file")
	}
	return &columnar.Schema{Fields: t.Nested.Fields}, nil
}

// read looks at the documents of a range.
func (x *inference) read(ctx context.Context, r records.Range) error {
	src, err := newSource(r, newScanner(x.o, nil), &records.Table{}, nil)
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
		s := src.Sheet()
		for row := range s.Rows {
			if x.sampled += x.o.sampling; x.sampled < 1 {
				continue
			}
			x.sampled--
			begin, end := src.Span(row)
			if s.Bad == nil || !s.Bad.Get(row) {
				x.see(&x.root, s.Text[:end], begin)
				continue
			}
			if x.corrupt = true; x.o.Mode == records.FailFast {
				return src.Malformed()
			}
		}
	}
}

// see widens a shape for the value at t[i], which was checked, and returns where
// it ends.
func (x *inference) see(s *shape, t []byte, i int) int {
	syn := syntax{bare: x.o.Bare, one: x.o.OneQuote}
	switch t[i] {
	case '{':
		s.widen(columnar.Struct, 0, 0)
		for i = space(t, i+1); i < len(t) && t[i] != '}'; i = space(t, i) {
			key, end := syn.key(t, i)
			i = space(t, space(t, end)+1)
			if s.kind != columnar.Struct {
				_, i = syn.value(t, i, 0)
			} else {
				begin, end := key.Span()
				name := t[begin:end]
				if key.Kind() == cells.QuotedCoded {
					name = unescape(nil, name)
				}
				child := s.fields[string(name)]
				if child == nil {
					child = &shape{}
					s.fields[string(name)] = child
				}
				i = x.see(child, t, i)
			}
			if i = space(t, i); i < len(t) && t[i] == ',' {
				i++
			}
		}
		return i + 1
	case '[':
		s.widen(columnar.List, 0, 0)
		for i = space(t, i+1); i < len(t) && t[i] != ']'; i = space(t, i) {
			if s.kind == columnar.List {
				i = x.see(s.element, t, i)
			} else {
				_, i = syn.value(t, i, 0)
			}
			if i = space(t, i); i < len(t) && t[i] == ',' {
				i = space(t, i+1)
			}
		}
		return i + 1
	}
	c, end := syn.value(t, i, 0)
	begin, stop := c.Span()
	v := t[begin:stop]
	switch {
	case c.Kind() == cells.Missing:
	case c.Kind() != cells.Plain:
		if c.Kind() == cells.QuotedCoded {
			x.buf = unescape(x.buf[:0], v)
			v = x.buf
		}
		x.seeText(s, v)
	case v[0] == 't' || v[0] == 'f':
		if x.o.texts {
			s.widen(columnar.String, 0, 0)
		} else {
			s.widen(columnar.Bool, 0, 0)
		}
	default:
		x.seeNumber(s, v)
	}
	return end
}

func (x *inference) seeText(s *shape, v []byte) {
	if x.o.decimals {
		if _, p, scale, err := text.ParseDecimal(v); err == nil && len(text.Trim(v)) == len(v) {
			s.widen(columnar.Decimal, p, scale)
			return
		}
	}
	if x.o.stamps {
		if _, err := x.rules.ParseTimestamp(v); err == nil {
			s.widen(columnar.Timestamp, 0, 0)
			return
		}
	}
	s.widen(columnar.String, 0, 0)
}

func (x *inference) seeNumber(s *shape, v []byte) {
	if x.o.texts {
		s.widen(columnar.String, 0, 0)
		return
	}
	if _, err := text.ParseInt(v, 64); err == nil {
		s.widen(columnar.Int64, 0, 0)
		return
	}
	whole := !slices.ContainsFunc(v, func(c byte) bool { return c == '.' || c|0x20 == 'e' || c|0x20 == 'n' })
	if _, p, scale, err := text.ParseDecimal(v); err == nil && (whole || x.o.decimals) {
		s.widen(columnar.Decimal, p, scale)
		return
	}
	s.widen(columnar.Float64, 0, 0)
}

// widen makes the shape take values of a kind.
func (s *shape) widen(k columnar.Kind, precision, scale int) {
	numeric := func(k columnar.Kind) bool {
		return k == columnar.Int64 || k == columnar.Float64 || k == columnar.Decimal
	}
	switch {
	case s.kind == columnar.Null:
		s.kind, s.precision, s.scale = k, precision, scale
		switch k {
		case columnar.Struct:
			s.fields = map[string]*shape{}
		case columnar.List:
			s.element = &shape{}
		}
	case s.kind == k && k != columnar.Decimal:
	case numeric(s.kind) && numeric(k):
		if s.kind == columnar.Float64 || k == columnar.Float64 {
			s.kind = columnar.Float64
			return
		}
		if s.kind == columnar.Int64 {
			s.precision, s.scale = 20, 0
		}
		if k == columnar.Int64 {
			precision, scale = 20, 0
		}
		most := max(s.scale, scale)
		whole := max(s.precision-s.scale, precision-scale)
		if s.kind, s.precision, s.scale = columnar.Decimal, whole+most, most; whole+most > columnar.MaxPrecision {
			s.kind = columnar.Float64
		}
	default:
		*s = shape{kind: columnar.String}
	}
}

// merge widens s for all that o takes.
func (s *shape) merge(o *shape) {
	if o.kind == columnar.Null {
		return
	}
	s.widen(o.kind, o.precision, o.scale)
	switch {
	case s.kind == columnar.List && o.kind == columnar.List:
		s.element.merge(o.element)
	case s.kind == columnar.Struct && o.kind == columnar.Struct:
		for name, f := range o.fields {
			if s.fields[name] == nil {
				s.fields[name] = &shape{}
			}
			s.fields[name].merge(f)
		}
	}
}

// typ returns the type of a shape; ok is false if there is nothing to read.
func (s *shape) typ(o *options) (t columnar.Type, ok bool) {
	switch s.kind {
	case columnar.Null:
		return columnar.StringType, !o.dropNulls
	case columnar.Decimal:
		return columnar.DecimalType(s.precision, s.scale), true
	case columnar.List:
		e, ok := s.element.typ(o)
		return columnar.ListType(e, true), ok
	case columnar.Struct:
		var names []string
		for n := range s.fields {
			names = append(names, n)
		}
		slices.Sort(names)
		var fields []columnar.Field
		for _, n := range names {
			if t, ok := s.fields[n].typ(o); ok {
				fields = append(fields, columnar.Field{Name: n, Type: t, Nullable: true})
			}
		}
		return columnar.StructType(fields...), len(fields) > 0
	}
	return columnar.Type{Kind: s.kind}, true
}
