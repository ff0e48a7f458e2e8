package json

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/cells"
)

// Vector implements records.Source.
func (x *source) Vector(k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	return x.vector(&x.sheet, k, t, rows, mem)
}

func (x *source) vector(s *cells.Sheet, k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	switch t.Kind {
	case columnar.Struct:
		return x.structs(s, k, t, rows, mem)
	case columnar.List, columnar.Map:
		return x.lists(s, k, t, mem)
	}
	settle(s, k, t)
	rules := x.rules
	if t.Kind == columnar.Binary {
		rules = x.binary
	}
	return rules.Vector(s, k, t, rows, mem, &x.decoded)
}

// settle decides for each value of a column, by how it is written, whether the
// column's type takes it.
func settle(s *cells.Sheet, k int, t columnar.Type) {
	var plain, quoted, coded cells.Kind // what these become
	switch {
	case t.Kind == columnar.Binary:
		plain, quoted, coded = cells.Foreign, cells.Coded, cells.Coded
	case t.Kind == columnar.String, t.Kind == columnar.Decimal, t.Kind == columnar.Timestamp:
		quoted, coded = cells.Plain, cells.Coded
		if t.Kind == columnar.Timestamp {
			plain = cells.Epoch
		}
	case t.IsSignedInteger(), t.Kind == columnar.Bool, t.IsFloat():
		quoted, coded = cells.Foreign, cells.Foreign
	default:
		plain, quoted, coded = cells.Foreign, cells.Plain, cells.Coded
	}
	for i := k; i < s.Rows*s.Width; i += s.Width {
		c := s.Cells[i]
		begin, end := c.Span()
		to := plain
		switch c.Kind() {
		case cells.Plain:
			if plain == cells.Plain {
				continue
			}
		case cells.Quoted:
			if to = quoted; t.IsFloat() && special(s.Text[begin:end]) {
				to = cells.Plain
			}
		case cells.QuotedCoded:
			to = coded
		default:
			continue
		}
		s.Cells[i] = cells.Make(to, begin, end)
	}
}

// special reports the strings that are doubles.
func special(s []byte) bool {
	switch string(s) {
	case "NaN", "Infinity", "-Infinity", "+INF", "-INF", "+Infinity":
		return true
	}
	return false
}

// structs makes a column of structs: the objects' members are cells of a sheet of
// their own.
func (x *source) structs(s *cells.Sheet, k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	fields := t.Nested.Fields
	known := x.parts[t.Nested]
	if known == nil {
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.Name
		}
		known = newKeys(names)
		x.parts[t.Nested] = known
	}
	parts := &cells.Sheet{Text: s.Text, Width: len(fields), Rows: s.Rows, Cells: memory.Slice[cells.Cell](mem, s.Rows*len(fields))}
	for i := range parts.Cells {
		parts.Cells[i] = cells.Make(cells.Missing, 0, 0)
	}
	valid := columnar.NewBitmap(s.Rows)
	for r := range s.Rows {
		switch c := s.Cells[r*s.Width+k]; {
		case x.begins(s, c, '{'):
			begin, end := c.Span()
			x.x.object(s.Text[:end], begin, 0, known, parts.Cells[r*len(fields):(r+1)*len(fields)])
			valid.Set(r)
		case c.Kind() != cells.Missing:
			s.Flag(r, k)
		}
	}
	v := columnar.Vector{Type: t, Len: s.Rows, Valid: valid}
	for i, f := range fields {
		v.Kids = append(v.Kids, x.vector(parts, i, f.Type, rows, mem))
	}
	if parts.Bad != nil {
		for r := range s.Rows {
			if parts.Bad.Get(r) {
				s.Flag(r, k)
			}
		}
	}
	return v
}

// begins reports whether a cell's text begins with a bracket.
func (x *source) begins(s *cells.Sheet, c cells.Cell, bracket byte) bool {
	begin, _ := c.Span()
	return c.Kind() == cells.Plain && s.Text[begin] == bracket
}

// lists makes a column of arrays or maps: all elements are rows of a sheet of
// their own. A list with a bad element is null.
func (x *source) lists(s *cells.Sheet, k int, t columnar.Type, mem *memory.Scratch) columnar.Vector {
	bracket := byte('[')
	parts := &cells.Sheet{Text: s.Text, Width: 1}
	if t.Kind == columnar.Map {
		parts.Width, bracket = 2, '{'
	}
	valid := columnar.NewBitmap(s.Rows)
	off := memory.Slice[int32](mem, s.Rows+1)
	off[0] = 0
	for r := range s.Rows {
		switch c := s.Cells[r*s.Width+k]; {
		case x.begins(s, c, bracket):
			begin, end := c.Span()
			parts.Cells = x.elements(parts.Cells, s.Text[:end], begin)
			valid.Set(r)
		case c.Kind() != cells.Missing:
			s.Flag(r, k)
		}
		off[r+1] = int32(len(parts.Cells) / parts.Width)
	}
	parts.Rows = len(parts.Cells) / parts.Width
	v := columnar.Vector{Type: t, Len: s.Rows, Valid: valid, Data: columnar.BytesOf(off)}
	if t.Kind == columnar.Map {
		entry := columnar.Vector{Type: columnar.StructType(t.Nested.Fields...), Len: parts.Rows}
		for i, f := range t.Nested.Fields {
			entry.Kids = append(entry.Kids, x.vector(parts, i, f.Type, nil, mem))
		}
		v.Kids = []columnar.Vector{entry}
	} else {
		v.Kids = []columnar.Vector{x.vector(parts, 0, t.Nested.Fields[0].Type, nil, mem)}
	}
	if parts.Bad != nil {
		for r := range s.Rows {
			for i := off[r]; i < off[r+1]; i++ {
				if parts.Bad.Get(int(i)) {
					s.Flag(r, k)
					valid.Clear(r)
				}
			}
		}
	}
	return v
}

// elements appends the elements of an array, or the keys and values of an object.
func (x *source) elements(out []cells.Cell, t []byte, i int) []cells.Cell {
	isMap := t[i] == '{'
	for i = space(t, i+1); i < len(t) && t[i] != ']' && t[i] != '}'; i = space(t, i) {
		var c cells.Cell
		if isMap {
			c, i = x.x.key(t, i)
			out = append(out, c)
			i = space(t, i) + 1 // the colon
		}
		c, i = x.x.value(t, space(t, i), 0)
		out = append(out, c)
		if i = space(t, i); i < len(t) && t[i] == ',' {
			i = space(t, i+1)
		}
	}
	return out
}
