package chunk

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
)

// Bounds of an encoded schema.
const (
	maxFields = 1 << 16 // of a schema or struct
	maxDepth  = 64
)

// AppendSchema appends a schema: its number of fields, then each field.
//
//	field   name length, name, nullable u8, type
//	type    kind, precision, scale, from, to u8; nested kinds: number of fields, fields
func AppendSchema(dst []byte, s *columnar.Schema) []byte { return appendFields(dst, s.Fields) }

func appendFields(dst []byte, fields []columnar.Field) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(fields)))
	for _, f := range fields {
		dst = binary.AppendUvarint(dst, uint64(len(f.Name)))
		dst = append(dst, f.Name...)
		nullable := byte(0)
		if f.Nullable {
			nullable = 1
		}
		t := f.Type
		dst = append(dst, nullable, byte(t.Kind), t.Precision, t.Scale, byte(t.From), byte(t.To))
		if t.IsNested() {
			dst = appendFields(dst, t.Nested.Fields)
		}
	}
	return dst
}

// DecodeSchema decodes what AppendSchema made. It allocates no more than a small
// multiple of its input.
func DecodeSchema(b []byte) (*columnar.Schema, error) {
	d := &schemaDecoder{b}
	fields, err := d.fields(0)
	if err == nil && len(d.b) > 0 {
		err = corrupt("%d bytes behind the schema", len(d.b))
	}
	if err != nil {
		return nil, err
	}
	return &columnar.Schema{Fields: fields}, nil
}

type schemaDecoder struct{ b []byte }

func (d *schemaDecoder) number(most int) (int, error) {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > uint64(most) || v > uint64(len(d.b)-n) { // every field and character takes a byte
		return 0, corrupt("a schema that is cut")
	}
	d.b = d.b[n:]
	return int(v), nil
}

// typeBytes are those of a field behind its name.
const typeBytes = 6

func (d *schemaDecoder) fields(depth int) ([]columnar.Field, error) {
	n, err := d.number(maxFields)
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, corrupt("a schema nested more than %d deep", maxDepth)
	}
	var out []columnar.Field
	for range n {
		size, err := d.number(len(d.b))
		if err != nil {
			return nil, err
		}
		if len(d.b) < size+typeBytes {
			return nil, corrupt("a schema that is cut")
		}
		f := columnar.Field{Name: string(d.b[:size])}
		x := d.b[size:]
		f.Type = columnar.Type{Kind: columnar.Kind(x[1]), Precision: x[2], Scale: x[3], From: columnar.IntervalUnit(x[4]), To: columnar.IntervalUnit(x[5])}
		d.b = x[typeBytes:]
		if x[0] > 1 || !plausible(f.Type) {
			return nil, corrupt("a field of type %d", x[1])
		}
		f.Nullable = x[0] == 1
		if f.Type.IsNested() {
			kids, err := d.fields(depth + 1)
			if err != nil {
				return nil, err
			}
			want := map[columnar.Kind]int{columnar.List: 1, columnar.Map: 2}[f.Type.Kind]
			if want > 0 && len(kids) != want {
				return nil, corrupt("a %s of %d fields", [...]string{1: "list", 2: "map"}[want], len(kids))
			}
			f.Type.Nested = &columnar.Nested{Fields: kids}
		}
		out = append(out, f)
	}
	return out, nil
}

// plausible reports whether a type, its children apart, is one.
func plausible(t columnar.Type) bool {
	switch {
	case t.Kind > columnar.Variant || t.From > columnar.Second || t.To > columnar.Second:
		return false
	case t.Kind == columnar.Decimal:
		return t.Precision >= 1 && t.Precision <= columnar.MaxPrecision && t.Scale <= t.Precision
	}
	return t.Precision == 0 && t.Scale == 0
}
