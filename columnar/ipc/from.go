package ipc

import (
	"errors"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Record copies an Arrow record's columns into batches. The batches hold
// nothing of the record; those of one record share its dictionaries. It is used
// by one goroutine at a time, and the arrays must outlive it.
type Record struct {
	arrays  []arrow.Array
	rows    int
	schema  *columnar.Schema
	columns []int
	dicts   []*values // by position in columns, nil until asked for
}

// values is a dictionary's values, converted.
type values struct {
	columnar.Vector
	dict *columnar.Dictionary
}

// NewRecord returns what converts a record of so many rows: arrays are those of
// these columns of the schema.
func NewRecord(arrays []arrow.Array, rows int, schema *columnar.Schema, columns []int) *Record {
	return &Record{arrays: arrays, rows: rows, schema: schema, columns: columns, dicts: make([]*values, len(columns))}
}

// Rows returns the number of rows.
func (r *Record) Rows() int { return r.rows }

// errWide means that a batch's text is longer than a batch may hold.
var errWide = errors.New("ipc: too much text for one batch")

// maxText is the bytes of text of one column that make a batch end early.
const maxText = 64 << 20

// Batch converts rows from a place on, at most n and at least one: fewer where
// their text is long. Damaged content is a panic or a *diag.Error.
func (r *Record) Batch(from, n int) (*columnar.Batch, error) {
	for {
		b := &columnar.Batch{Schema: r.schema, Rows: n}
		err := r.fill(b, from)
		switch {
		case !errors.Is(err, errWide):
			return b, err
		case n == 1:
			return nil, tooLong("a text")
		}
		n = (n + 1) / 2
	}
}

func tooLong(what string) error {
	return diag.New(diag.Unsupported, "%s of an Arrow column exceeds 2 GiB", what).WithRemedy("write the column in shorter pieces")
}

func (r *Record) fill(b *columnar.Batch, from int) error {
	for i, c := range r.columns {
		v, err := r.column(i, r.arrays[i], r.schema.Fields[c].Type, from, b.Rows)
		if err != nil {
			return err
		}
		b.Cols = append(b.Cols, v)
	}
	return nil
}

func (r *Record) column(i int, a arrow.Array, t columnar.Type, from, n int) (columnar.Vector, error) {
	x, ok := a.(*array.Dictionary)
	if !ok {
		return vector(a, t, from, n, maxText)
	}
	if r.dicts[i] == nil {
		d, err := vector(x.Dictionary(), t, 0, x.Dictionary().Len(), math.MaxInt32)
		if errors.Is(err, errWide) {
			err = tooLong("a dictionary")
		}
		if err != nil {
			return d, err
		}
		r.dicts[i] = &values{Vector: d}
		if t.IsBytes() && d.Len > 0 {
			plain := d
			plain.Valid = nil // a dictionary's values have no nulls: its codes tell
			r.dicts[i].dict = &columnar.Dictionary{Values: plain}
		}
	}
	return codes(x, r.dicts[i], from, n)
}

// codes returns the rows of a dictionary array: text as codes into the shared
// values, numbers themselves.
func codes(x *array.Dictionary, d *values, from, n int) (columnar.Vector, error) {
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = kernel.NullRow
		if x.IsValid(from + i) {
			c := x.GetValueIndex(from + i)
			if c < 0 || c >= d.Len {
				return columnar.Vector{}, diag.New(diag.CorruptFile, "a dictionary code %d lies beyond its %d values", c, d.Len)
			}
			rows[i] = uint32(c)
		}
	}
	if d.Len == 0 { // every row is null
		return columnar.Vector{Type: d.Type, Width: d.Width, Stable: true, Len: n, Enc: columnar.Const, Valid: columnar.NewBitmap(1), Data: make([]byte, 16)}, nil
	}
	out := columnar.Vector{}
	if d.dict != nil {
		out = kernel.IndirectTo(d.dict, d.Valid, rows, nil)
	} else {
		out = kernel.TakeNull(&d.Vector, rows, nil)
	}
	out.Stable = true
	return out, nil
}

// fixed fills a flat vector; at returns false for a value that does not fit.
func fixed[T columnar.Fixed](v *columnar.Vector, at func(i int) (T, bool)) error {
	out := make([]T, v.Len)
	for i := range out {
		if v.Valid == nil || v.Valid.Get(i) {
			var ok bool
			if out[i], ok = at(i); !ok {
				return diag.New(diag.DatetimeOverflow, "a value of an Arrow column lies beyond the range of %s", v.Type)
			}
		}
	}
	v.Data = columnar.BytesOf(out)
	return nil
}

// numbers fills a flat vector from values as wide or narrower.
func numbers[T, A columnar.Fixed](v *columnar.Vector, in []A, convert func(A) T) {
	out := make([]T, v.Len)
	for i, x := range in[:v.Len] {
		if v.Valid == nil || v.Valid.Get(i) {
			out[i] = convert(x)
		}
	}
	v.Data = columnar.BytesOf(out)
}

func same[T any](x T) T { return x }

// vector copies rows of an array that is no dictionary. More bytes of text than
// limit are errWide, unless it is a single row's.
func vector(a arrow.Array, t columnar.Type, from, n int, limit int64) (columnar.Vector, error) {
	v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth()), Stable: true}
	if t.Kind == columnar.Null {
		return v, nil
	}
	if n == 0 && t.IsBytes() { // there may not even be a first offset
		v.Data = columnar.BytesOf(make([]int32, 1))
		return v, nil
	}
	if a.NullN() > 0 {
		v.Valid = columnar.NewBitmap(n)
		for i := range n {
			v.Valid.SetTo(i, a.IsValid(from+i))
		}
	}
	switch x := a.(type) {
	case *array.Boolean:
		b := columnar.NewBitmap(n)
		for i := range n {
			b.SetTo(i, x.Value(from+i))
		}
		v.Data = b
	case *array.Int8:
		numbers(&v, x.Values()[from:], same[int8])
	case *array.Uint8:
		numbers(&v, x.Values()[from:], func(u uint8) int16 { return int16(u) })
	case *array.Int16:
		numbers(&v, x.Values()[from:], same[int16])
	case *array.Uint16:
		numbers(&v, x.Values()[from:], func(u uint16) int32 { return int32(u) })
	case *array.Int32:
		numbers(&v, x.Values()[from:], same[int32])
	case *array.Uint32:
		numbers(&v, x.Values()[from:], func(u uint32) int64 { return int64(u) })
	case *array.Int64:
		numbers(&v, x.Values()[from:], same[int64])
	case *array.Float32:
		numbers(&v, x.Values()[from:], same[float32])
	case *array.Float64:
		numbers(&v, x.Values()[from:], same[float64])
	case *array.Date32:
		numbers(&v, x.Values()[from:], func(d arrow.Date32) int32 { return int32(d) })
	case *array.Date64:
		return v, fixed(&v, func(i int) (int32, bool) {
			days := floor(int64(x.Value(from+i)), 86_400_000)
			return int32(days), int64(int32(days)) == days
		})
	case *array.Timestamp:
		return v, micros(&v, x.Values()[from:], x.DataType().(*arrow.TimestampType).Unit)
	case *array.Duration:
		return v, micros(&v, x.Values()[from:], x.DataType().(*arrow.DurationType).Unit)
	case *array.MonthInterval:
		numbers(&v, x.MonthIntervalValues()[from:], func(m arrow.MonthInterval) int32 { return int32(m) })
	case *array.Decimal128:
		decimals(&v, x, from)
	case *array.String:
		return v, texts(&v, x.ValueOffsets(), x.ValueBytes(), from, limit)
	case *array.Binary:
		return v, texts(&v, x.ValueOffsets(), x.ValueBytes(), from, limit)
	case *array.LargeString:
		return v, texts(&v, x.ValueOffsets(), x.ValueBytes(), from, limit)
	case *array.LargeBinary:
		return v, texts(&v, x.ValueOffsets(), x.ValueBytes(), from, limit)
	case *array.StringView:
		return v, views(&v, from, x.ValueLen, x.Value)
	case *array.BinaryView:
		return v, views(&v, from, x.ValueLen, x.Value)
	default:
		return v, diag.New(diag.Unsupported, "Arrow arrays of type %s are not supported yet", a.DataType())
	}
	return v, nil
}

// floor divides towards minus infinity.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// micros converts times or lengths of time.
func micros[A ~int64](v *columnar.Vector, in []A, unit arrow.TimeUnit) error {
	times := int64(1)
	switch unit {
	case arrow.Second:
		times = 1_000_000
	case arrow.Millisecond:
		times = 1000
	}
	return fixed(v, func(i int) (int64, bool) {
		u := int64(in[i])
		if unit == arrow.Nanosecond {
			return floor(u, 1000), true
		}
		return u * times, u <= math.MaxInt64/times && u >= math.MinInt64/times
	})
}

// decimals copies decimals, as 64 bits where all of them fit.
func decimals(v *columnar.Vector, x *array.Decimal128, from int) {
	wide := make([]columnar.Int128, v.Len)
	narrow := true
	for i := range wide {
		if v.Valid == nil || v.Valid.Get(i) {
			d := x.Value(from + i)
			wide[i] = columnar.Int128{Lo: d.LowBits(), Hi: d.HighBits()}
			narrow = narrow && wide[i].FitsInt64()
		}
	}
	v.Width, v.Data = 16, columnar.BytesOf(wide)
	if narrow {
		v.Width = 8
		numbers(v, wide, func(d columnar.Int128) int64 { return int64(d.Lo) })
	}
}

// texts copies rows of an array of offsets and bytes, nulls as empty. Offsets
// that do not grow would unfold few bytes into many, and are refused.
func texts[O int32 | int64](v *columnar.Vector, offsets []O, b []byte, from int, limit int64) error {
	out := make([]int32, v.Len+1)
	v.Data = columnar.BytesOf(out)
	in, base := offsets[from:from+v.Len+1], offsets[0]
	lo, hi := int64(in[0]-base), int64(in[v.Len]-base)
	if lo < 0 || hi < lo || hi > int64(len(b)) {
		return diag.New(diag.CorruptFile, "text of an Arrow column lies from %d to %d of %d bytes", lo, hi, len(b))
	}
	for i := range v.Len {
		if in[i+1] < in[i] {
			return diag.New(diag.CorruptFile, "an Arrow column has text of %d bytes", in[i+1]-in[i])
		}
	}
	if wide := hi - lo; wide > math.MaxInt32 || wide > limit && v.Len > 1 {
		return errWide
	}
	if v.Valid == nil {
		for i, o := range in {
			out[i] = int32(o - in[0])
		}
		v.Bytes = append(v.Bytes, b[lo:hi]...)
		return nil
	}
	for i := range v.Len {
		if v.Valid.Get(i) {
			v.Bytes = append(v.Bytes, b[in[i]-base:in[i+1]-base]...)
		}
		out[i+1] = int32(len(v.Bytes))
	}
	return nil
}

// views copies rows of an array of views, which may share bytes.
func views[B string | []byte](v *columnar.Vector, from int, size func(int) int, at func(int) B) error {
	total := int64(0)
	for i := range v.Len {
		if v.Valid == nil || v.Valid.Get(i) {
			total += int64(max(0, size(from+i)))
		}
	}
	if total > math.MaxInt32 || total > maxText && v.Len > 1 {
		return errWide
	}
	out := make([]int32, v.Len+1)
	for i := range v.Len {
		if v.Valid == nil || v.Valid.Get(i) {
			v.Bytes = append(v.Bytes, at(from+i)...)
		}
		out[i+1] = int32(len(v.Bytes))
	}
	v.Data = columnar.BytesOf(out)
	return nil
}
