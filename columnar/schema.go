package columnar

import "strings"

// Schema is an ordered list of fields. It is immutable once shared.
type Schema struct{ Fields []Field }

// NewSchema returns a schema of the given fields.
func NewSchema(fields ...Field) *Schema { return &Schema{Fields: fields} }

// Len returns the number of fields.
func (s *Schema) Len() int { return len(s.Fields) }

// Index returns the position of the first field of that name, compared without
// case as Spark does, or -1.
func (s *Schema) Index(name string) int {
	for i, f := range s.Fields {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// Equal reports whether both schemas have the same fields in the same order.
func (s *Schema) Equal(o *Schema) bool {
	return StructType(s.Fields...).Equal(StructType(o.Fields...))
}

// Project returns the schema of the given columns.
func (s *Schema) Project(columns []int) *Schema {
	out := &Schema{Fields: make([]Field, len(columns))}
	for i, c := range columns {
		out.Fields[i] = s.Fields[c]
	}
	return out
}

// String returns "name type, …" with "not null" where it holds.
func (s *Schema) String() string {
	var b strings.Builder
	for i, f := range s.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name + " " + f.Type.String())
		if !f.Nullable {
			b.WriteString(" not null")
		}
	}
	return b.String()
}
