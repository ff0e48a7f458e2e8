package csv

import (
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// format is how a writer spells values.
type format struct {
	o           *options
	sep, null   string
	empty       string
	end         byte
	quoteAll    bool
	special     [256]bool // bytes for which a text is quoted
	date, stamp *text.Pattern
	ntz         *text.Pattern
	zone        *time.Location
	scratch     []byte
}

func newFormat(o *options) format {
	r := o.rules()
	f := format{o: o, sep: o.Sep, null: o.Null, empty: `""`, end: '\n', quoteAll: o.quoteAll, date: r.Date, stamp: r.Stamp, ntz: r.StampNTZ, zone: r.Zone}
	if o.Empty != nil {
		f.empty = *o.Empty
	} else if o.Quote != 0 {
		f.empty = string([]byte{o.Quote, o.Quote})
	}
	if o.Stop != 0 {
		f.end = o.Stop
	}
	for _, c := range []byte{'\r', '\n', o.Stop, o.Sep[0], o.Quote} {
		f.special[c] = c != 0
	}
	return f
}

// appendText appends a text, quoted if need be (W2, W3).
func (f *format) appendText(dst, s []byte) ([]byte, error) {
	if len(s) == 0 {
		return append(dst, f.empty...), nil
	}
	quote := f.quoteAll || s[0] <= ' ' || s[len(s)-1] <= ' ' || s[0] == 0xef || s[0] == f.o.Comment && f.o.Comment != 0
	for _, c := range s {
		if f.special[c] {
			quote = true
			break
		}
	}
	if !quote {
		return append(dst, s...), nil
	}
	q, escape, escEsc := f.o.Quote, f.o.Escape, f.o.EscapeEscape
	if q == 0 {
		return dst, diag.New(diag.InvalidArgument, "the value %q needs quotes, which the option quote turns off", records.Clip(s)).
			WithRemedy("set the option quote, or another sep")
	}
	if escape == 0 {
		escape = q
	}
	dst = append(dst, q)
	for _, c := range s {
		switch {
		case c == q:
			dst = append(dst, escape)
		case c == escape && escEsc != 0:
			dst = append(dst, escEsc)
		}
		dst = append(dst, c)
	}
	return append(dst, q), nil
}

// field is one column of the batch that is written.
type field struct {
	t      columnar.Type
	v      *columnar.Vector
	valid  columnar.Bitmap // nil: no nulls
	never  bool            // all are null
	spell  spelling
	ints   []int64
	days   []int32
	off    []int32
	bytes  []byte
	codes  []uint32
	values rendered // of a dictionary or constant
}

// spelling is how the values of a field are rendered.
type spelling uint8

const (
	bySlow  spelling = iota // any type, a value at a time
	byTable                 // rendered already
	byInt
	byDecimal
	byDate
	byText
)

// rendered are the values of a dictionary as they are written.
type rendered struct {
	id   uint64
	off  []int32
	text []byte
}

// prepare looks at a vector once, before its rows are written. A dictionary's
// values are rendered once per dictionary.
func (x *field) prepare(f *format, v *columnar.Vector, rows int) error {
	*x = field{t: v.Type, v: v, values: x.values}
	x.never = v.Type.Kind == columnar.Null || v.Enc == columnar.Const && v.NullAt(0)
	if x.never {
		return nil
	}
	if v.Enc != columnar.Const {
		x.valid = v.Valid
	}
	switch {
	case v.Enc == columnar.Dict:
		d := v.Dict
		same := d.ID != 0 && d.ID == x.values.id
		if !same && d.Values.Len > rows && (d.ID == 0 || d.Values.Len > 8*columnar.MaxRows) {
			return nil // more values than rows: one at a time
		}
		x.spell, x.codes = byTable, v.Codes()
		if !same {
			return x.values.render(f, &d.Values, d.ID)
		}
	case v.Enc == columnar.Const:
		one := *v
		one.Enc, one.Len, one.Valid = columnar.Flat, 1, nil
		x.spell, x.codes = byTable, noCodes[:rows]
		return x.values.render(f, &one, 0)
	case v.Type.Kind == columnar.Int64:
		x.spell, x.ints = byInt, columnar.Values[int64](v)
	case v.Type.Kind == columnar.Int32:
		x.spell, x.days = byInt, columnar.Values[int32](v)
	case v.Type.Kind == columnar.Decimal && v.Width == 8:
		x.spell, x.ints = byDecimal, columnar.Values[int64](v)
	case v.Type.Kind == columnar.Date && f.date == nil:
		x.spell, x.days = byDate, columnar.Values[int32](v)
	case v.Type.Kind == columnar.String:
		x.spell, x.off, x.bytes = byText, v.Offsets(), v.Bytes
	}
	return nil
}

// noCodes are the codes of constants.
var noCodes [columnar.MaxRows]uint32

// render renders all values of a flat vector.
func (t *rendered) render(f *format, v *columnar.Vector, id uint64) error {
	t.id, t.off, t.text = 0, append(t.off[:0], 0), t.text[:0]
	x := field{}
	if err := x.prepare(f, v, v.Len); err != nil {
		return err
	}
	for i := range v.Len {
		var err error
		if t.text, err = x.append(t.text, f, i); err != nil {
			return err
		}
		t.off = append(t.off, int32(len(t.text)))
	}
	t.id = id
	return nil
}

// append appends the value of a row, which is not null.
func (x *field) append(dst []byte, f *format, r int) ([]byte, error) {
	switch x.spell {
	case byTable:
		c := x.codes[r]
		return append(dst, x.values.text[x.values.off[c]:x.values.off[c+1]]...), nil
	case byText:
		return f.appendText(dst, x.bytes[x.off[r]:x.off[r+1]])
	}
	if f.quoteAll {
		dst = append(dst, f.o.Quote)
	}
	switch x.spell {
	case byInt:
		if x.ints != nil {
			dst = text.AppendInt(dst, x.ints[r])
		} else {
			dst = text.AppendInt(dst, int64(x.days[r]))
		}
	case byDecimal:
		dst = text.AppendDecimal(dst, columnar.Int128Of(x.ints[r]), int(x.t.Scale))
	case byDate:
		dst = text.AppendDate(dst, x.days[r])
	default:
		var err error
		if dst, err = f.slow(dst, x.v, r); err != nil {
			return dst, err
		}
	}
	if f.quoteAll {
		dst = append(dst, f.o.Quote)
	}
	return dst, nil
}

// slow renders a value of any type.
func (f *format) slow(dst []byte, v *columnar.Vector, r int) ([]byte, error) {
	switch v.Type.Kind {
	case columnar.String, columnar.Binary:
		all := f.quoteAll
		f.quoteAll = false
		dst, err := f.appendText(dst, v.BytesAt(r))
		f.quoteAll = all
		return dst, err
	case columnar.Float32, columnar.Float64:
		return text.AppendFloat(dst, v.Float64At(r), 8*v.Type.FixedWidth()), nil
	}
	f.scratch = f.scratch[:0]
	switch us := int64(0); v.Type.Kind {
	case columnar.Date:
		if f.date == nil {
			return text.AppendDate(dst, int32(v.Int64At(r))), nil
		}
		f.scratch = f.date.Append(f.scratch, v.Int64At(r)*86_400_000_000, time.UTC)
	case columnar.Timestamp:
		if us = v.Int64At(r); f.stamp == nil {
			return text.AppendISO(dst, us, true), nil
		}
		f.scratch = f.stamp.Append(f.scratch, us, f.zone)
	case columnar.TimestampNTZ:
		if us = v.Int64At(r); f.ntz == nil {
			return text.AppendISO(dst, us, false), nil
		}
		f.scratch = f.ntz.Append(f.scratch, us, time.UTC)
	default:
		f.scratch = text.AppendValue(f.scratch, v, r, time.UTC)
	}
	if f.quoteAll {
		return append(dst, f.scratch...), nil
	}
	return f.appendText(dst, f.scratch)
}
