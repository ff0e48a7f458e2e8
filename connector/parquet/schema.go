package parquet

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// maxDepth bounds the nesting of a schema.
const maxDepth = 64

// leaf says how a column of a file becomes a column of the table.
type leaf struct {
	chunk    int   // position among the column chunks; −1: the column is nested
	scale    int64 // stored times become µs: multiplied by it, or divided by −scale if negative; 0: as they are
	unsigned bool  // stored integers have no sign
	half     bool  // FLOAT16 in two bytes
	physical format.Type
	length   int   // of fixed-length byte arrays
	def, rep int   // greatest definition and repetition level
	nest     *node // of a nested column
}

// node is a part of a nested column. Dremel's levels tell of each stored value how
// much of the way from the root down to it is there (definition), and the list
// that goes on with it (repetition): Melnik et al., VLDB 2010, section 4.
type node struct {
	typ  columnar.Type
	def  int // definition level from which on the node is not null
	full int // lists and maps: the one from which on there is an element
	rep  int // lists and maps: repetition level at which the next element begins
	kids []*node
	leaf leaf // of a node without kids
	many bool // a repeated field: a list of what it would be otherwise
}

// schemaOf maps the columns of a file to types.
func schemaOf(m *metadata, path string) ([]columnar.Field, []leaf, error) {
	r := schemaReader{els: m.Schema, at: 1, path: path}
	if len(r.els) == 0 {
		return nil, nil, corrupt(path, errors.New("it has no schema"))
	}
	var fields []columnar.Field
	var leaves []leaf
	for r.at < len(r.els) {
		f, n, err := r.field(0, 0, 0)
		if err != nil {
			return nil, nil, err
		}
		l := n.leaf
		if f.Type.IsNested() {
			l = leaf{chunk: -1, nest: n}
		}
		fields, leaves = append(fields, f), append(leaves, l)
	}
	for g := range m.RowGroups {
		cs := m.RowGroups[g].Columns
		if len(cs) != r.chunk {
			return nil, nil, corrupt(path, fmt.Errorf("row group %d has %d columns, the schema %d", g, len(cs), r.chunk))
		}
	}
	return fields, leaves, nil
}

// schemaReader walks the flattened tree of schema elements.
type schemaReader struct {
	els   []format.SchemaElement
	at    int // next element
	chunk int // next column chunk
	path  string
}

// field reads an element and what lies below it; def and rep are the levels
// above.
func (r *schemaReader) field(depth, def, rep int) (columnar.Field, *node, error) {
	if r.at >= len(r.els) || depth > maxDepth {
		return columnar.Field{}, nil, corrupt(r.path, errors.New("its schema is cut off or too deep"))
	}
	e := &r.els[r.at]
	r.at++
	f := columnar.Field{Name: e.Name, Nullable: !e.RepetitionType.Valid || e.RepetitionType.V == format.Optional}
	repeated := e.RepetitionType.Valid && e.RepetitionType.V == format.Repeated
	above := def
	if f.Nullable || repeated {
		def++
	}
	if repeated {
		rep++
	}
	n := &node{def: def}
	var err error
	if e.Type.Valid {
		if f.Type, n.leaf, err = typeOf(e); err != nil {
			return f, n, diag.New(diag.Unsupported, "column %s of %s: %v", e.Name, r.path, err).WithPath(r.path).WithCause(err)
		}
		l := &n.leaf
		l.chunk, l.physical, l.def, l.rep = r.chunk, e.Type.V, def, rep
		r.chunk++
		if l.physical == format.FixedLenByteArray {
			if l.length = int(e.TypeLength.V); l.length < 1 {
				return f, n, corrupt(r.path, fmt.Errorf("column %s has values of %d bytes", e.Name, l.length))
			}
		}
		n.typ = f.Type
	} else {
		if n, err = r.group(e, depth, def, rep); err != nil {
			return f, n, err
		}
		f.Type = n.typ
	}
	if repeated {
		f.Type, f.Nullable = columnar.ListType(f.Type, false), false
		n = &node{typ: f.Type, def: above, full: def, rep: rep, kids: []*node{n}, many: true}
	}
	return f, n, nil
}

// group reads the children of a group and names its type by its annotation. Lists
// are stored in several ways that have come about: see LogicalTypes.md of the
// format, backward-compatibility rules.
func (r *schemaReader) group(e *format.SchemaElement, depth, def, rep int) (*node, error) {
	n := &node{def: def}
	var kids []columnar.Field
	for range e.NumChildren.V {
		f, k, err := r.field(depth+1, def, rep)
		if err != nil {
			return nil, err
		}
		kids, n.kids = append(kids, f), append(n.kids, k)
	}
	_, list := e.LogicalType.Value.(*format.ListType)
	_, dict := e.LogicalType.Value.(*format.MapType)
	if c := e.ConvertedType; c.Valid {
		list = list || c.V == deprecated.List
		dict = dict || c.V == deprecated.Map || c.V == deprecated.MapKeyValue
	}
	if len(kids) == 1 && n.kids[0].many {
		many := n.kids[0]
		item := many.kids[0]
		inner := item.typ.Nested
		switch {
		case dict && item.typ.Kind == columnar.Struct && len(inner.Fields) == 2:
			n.typ = columnar.MapType(inner.Fields[0].Type, inner.Fields[1].Type, inner.Fields[1].Nullable)
		case list && item.typ.Kind == columnar.Struct && len(inner.Fields) == 1 && kids[0].Name != "array" && kids[0].Name != e.Name+"_tuple":
			n.typ = columnar.ListType(inner.Fields[0].Type, inner.Fields[0].Nullable)
			item = item.kids[0]
		case list:
			n.typ = kids[0].Type
		}
		if n.typ.IsNested() {
			n.full, n.rep, n.kids = many.full, many.rep, []*node{item}
			return n, nil
		}
	}
	n.typ = columnar.StructType(kids...)
	return n, nil
}

// timeScale is the leaf.scale of a unit.
func timeScale(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1000
	case *format.NanoSeconds:
		return -1000
	}
	return 0
}

// integerType returns the type of an annotated integer: unsigned ones become the
// next wider signed type, as in Spark.
func integerType(bits int, signed bool) (columnar.Type, leaf, error) {
	at := map[int]int{8: 0, 16: 1, 32: 2, 64: 3}
	i, ok := at[bits]
	if !ok {
		return columnar.Type{}, leaf{}, fmt.Errorf("integers of %d bits do not exist", bits)
	}
	if !signed {
		i++
	}
	return []columnar.Type{columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type, columnar.DecimalType(20, 0)}[i], leaf{unsigned: !signed}, nil
}

func decimalType(precision, scale int32) (columnar.Type, leaf, error) {
	if precision < 1 || precision > columnar.MaxPrecision || scale < 0 || scale > precision {
		return columnar.Type{}, leaf{}, fmt.Errorf("decimal(%d,%d) is out of range", precision, scale)
	}
	return columnar.DecimalType(int(precision), int(scale)), leaf{}, nil
}

// typeOf maps a leaf of the schema to a type.
func typeOf(e *format.SchemaElement) (columnar.Type, leaf, error) {
	switch l := e.LogicalType.Value.(type) {
	case *format.DecimalType:
		return decimalType(l.Precision, l.Scale)
	case *format.DateType:
		return columnar.DateType, leaf{}, nil
	case *format.TimeType:
		return columnar.TimeType, leaf{scale: timeScale(l.Unit)}, nil
	case *format.TimestampType:
		if l.IsAdjustedToUTC {
			return columnar.TimestampType, leaf{scale: timeScale(l.Unit)}, nil
		}
		return columnar.TimestampNTZType, leaf{scale: timeScale(l.Unit)}, nil
	case *format.IntType:
		return integerType(int(l.BitWidth), l.IsSigned)
	case *format.StringType, *format.EnumType, *format.JsonType:
		return columnar.StringType, leaf{}, nil
	case *format.Float16Type:
		if e.Type.V == format.FixedLenByteArray && e.TypeLength.V == 2 {
			return columnar.Float32Type, leaf{half: true}, nil
		}
	}
	if e.ConvertedType.Valid {
		switch c := e.ConvertedType.V; c {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return columnar.StringType, leaf{}, nil
		case deprecated.Decimal:
			return decimalType(e.Precision.V, e.Scale.V)
		case deprecated.Date:
			return columnar.DateType, leaf{}, nil
		case deprecated.TimeMillis:
			return columnar.TimeType, leaf{scale: 1000}, nil
		case deprecated.TimeMicros:
			return columnar.TimeType, leaf{}, nil
		case deprecated.TimestampMillis:
			return columnar.TimestampType, leaf{scale: 1000}, nil
		case deprecated.TimestampMicros:
			return columnar.TimestampType, leaf{}, nil
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return integerType(8<<(c-deprecated.Uint8), false)
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
			return integerType(8<<(c-deprecated.Int8), true)
		}
	}
	switch e.Type.V {
	case format.Boolean:
		return columnar.BoolType, leaf{}, nil
	case format.Int32:
		return columnar.Int32Type, leaf{}, nil
	case format.Int64:
		return columnar.Int64Type, leaf{}, nil
	case format.Float:
		return columnar.Float32Type, leaf{}, nil
	case format.Double:
		return columnar.Float64Type, leaf{}, nil
	case format.ByteArray, format.FixedLenByteArray:
		return columnar.BinaryType, leaf{}, nil
	case format.Int96:
		return columnar.TimestampType, leaf{}, nil
	}
	return columnar.Type{}, leaf{}, fmt.Errorf("the physical type %v is not supported", e.Type.V)
}
