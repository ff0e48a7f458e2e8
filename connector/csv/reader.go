package csv

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
)

// reader reads the records that begin in a range of a file.
type reader struct {
	desc    *descriptor
	req     connector.ScanRequest
	path    string
	in      io.Closer
	r       *records
	from    int64 // where r began
	end     int64
	filter  *eval.Filter
	scratch *memory.Scratch
	cols    []column
	size    int
	out     columnar.Batch
	stats   connector.ScanStats
}

// column gathers the values of one column of a batch.
type column struct {
	t     columnar.Type
	at    int // field of the record
	name  string
	ints  []int64
	wide  []columnar.Int128
	off   []int32
	bytes []byte
	null  []bool
	some  bool // a null was seen
}

func newReader(d *descriptor, path string, from, end int64, req connector.ScanRequest) (*reader, error) {
	x := &reader{desc: d, req: req, path: path, end: end, from: from, size: req.BatchRows, scratch: memory.NewScratch(req.Memory)}
	if x.size <= 0 || x.size > columnar.MaxRows {
		x.size = columnar.MaxRows
	}
	if len(req.Filters) > 0 {
		f, err := eval.CompileFilter(req.Filters, eval.Options{})
		if err != nil {
			return nil, err
		}
		x.filter = f
	}
	for _, c := range req.Columns {
		if d.Types[c].IsNested() {
			return nil, diag.New(diag.Unsupported, "column %s of type %s cannot be read from CSV", d.Names[c], d.Types[c]).WithPath(path)
		}
		x.cols = append(x.cols, column{t: d.Types[c], at: c, name: d.Names[c]})
	}
	if strings.HasSuffix(path, ".gz") {
		in, err := input(path)
		if err != nil {
			return nil, err
		}
		x.in, x.end = in, math.MaxInt64
		x.r = newRecords(in, d.Opts, path, 1)
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, fs.Explain(err, path)
		}
		x.in = f
		line := 1
		if from > 0 { // the record that the range begins in belongs to the split before
			b := bufio.NewReader(io.NewSectionReader(f, from-1, math.MaxInt64-from))
			skipped, err := b.ReadSlice('\n')
			n := int64(len(skipped))
			for errors.Is(err, bufio.ErrBufferFull) {
				skipped, err = b.ReadSlice('\n')
				n += int64(len(skipped))
			}
			x.from = from - 1 + n
			line = 0
		}
		x.r = newRecords(io.NewSectionReader(f, x.from, math.MaxInt64-x.from), d.Opts, path, line)
		if from > 0 {
			x.r.line = -1 << 40 // lines are not known in the middle of a file
		}
	}
	if from == 0 && d.Opts.Header {
		if _, err := x.r.next(); err != nil && !errors.Is(err, io.EOF) {
			x.in.Close()
			return nil, err
		}
	}
	if x.end > x.from { // else no record begins here, as fill knows
		x.r.stop = x.end - x.from
	}
	return x, nil
}

func (x *reader) Stats() connector.ScanStats { return x.stats }

func (x *reader) Close() error {
	if x.in == nil {
		return nil
	}
	x.stats.BytesRead = x.r.offset
	err := x.in.Close()
	x.in = nil
	x.scratch.Close()
	return err
}

func (x *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := x.fill()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.EOF
		}
		x.stats.RowsRead += int64(n)
		x.scratch.Reset()
		b := &columnar.Batch{Rows: n, Cols: make([]columnar.Vector, len(x.cols))}
		for i := range x.cols {
			b.Cols[i] = x.cols[i].vector(n)
		}
		if x.filter != nil {
			sel, err := x.filter.Select(b, x.scratch, nil)
			if err != nil {
				return nil, err
			}
			x.stats.RowsPruned += int64(n - len(sel))
			if len(sel) == 0 {
				continue
			}
			if len(sel) < n {
				b.Sel = sel
				b = kernel.Compact(b, x.scratch)
			}
		}
		x.out = columnar.Batch{Rows: b.Rows, Cols: make([]columnar.Vector, len(x.req.Project))}
		for i, p := range x.req.Project {
			x.out.Cols[i] = b.Cols[p]
		}
		return &x.out, nil
	}
}

// fill parses up to a batch of records.
func (x *reader) fill() (int, error) {
	for i := range x.cols {
		c := &x.cols[i]
		c.ints, c.wide, c.bytes, c.null, c.some = c.ints[:0], c.wide[:0], c.bytes[:0], c.null[:0], false
		c.off = append(c.off[:0], 0)
	}
	n := 0
	for n < x.size {
		if x.from+x.r.offset >= x.end {
			break
		}
		fields, err := x.r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if len(fields) != len(x.desc.Names) && !x.desc.Opts.Permissive {
			return 0, x.bad("has %d fields, the table %d columns", len(fields), len(x.desc.Names))
		}
		for i := range x.cols {
			if err := x.value(&x.cols[i], fields); err != nil {
				return 0, err
			}
		}
		n++
	}
	return n, nil
}

func (x *reader) bad(format string, args ...any) error {
	e := diag.New(diag.MalformedRecord, "a record "+format, args...)
	if x.r.line > 0 {
		e.Message = e.Message + " (" + x.path + ", line " + itoa(x.r.line-1) + ")"
	} else {
		e.Message = e.Message + " (" + x.path + ", near byte " + itoa(int(x.from+x.r.offset)) + ")"
	}
	return e.WithPath(x.path).WithRemedy("correct the record, give a schema with other types, or read with mode = PERMISSIVE to get nulls")
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + max(n, 0)))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func (x *reader) value(c *column, fields []value) error {
	if c.at >= len(fields) {
		c.add(0, true)
		return nil
	}
	f := fields[c.at]
	s := f.text
	if !f.quoted && (len(s) == 0 || x.desc.Opts.Null != "" && string(s) == x.desc.Opts.Null) {
		c.add(0, true)
		return nil
	}
	var v int64
	var err error
	switch t := c.t; {
	case t.IsBytes():
		c.bytes = append(c.bytes, s...)
	case t.Kind == columnar.Bool:
		var b bool
		if b, err = text.ParseBool(s); b {
			v = 1
		}
	case t.IsSignedInteger():
		v, err = text.ParseInt(s, 8*t.FixedWidth())
	case t.IsFloat():
		var y float64
		y, err = text.ParseFloat(s, 8*t.FixedWidth())
		v = int64(math.Float64bits(y))
	case t.Kind == columnar.Decimal:
		var d columnar.Int128
		if d, err = text.ParseDecimalTo(s, int(t.Precision), int(t.Scale)); err == nil {
			c.wide = append(c.wide, d)
		}
	case t.Kind == columnar.Date:
		var d int32
		d, err = text.ParseDate(s)
		v = int64(d)
	case t.Kind == columnar.Timestamp:
		v, err = text.ParseTimestamp(s, time.UTC)
	case t.Kind == columnar.TimestampNTZ:
		v, _, err = text.ParseTimestampNTZ(s)
	default:
		return diag.New(diag.Unsupported, "column %s of type %s cannot be read from CSV", c.name, c.t).WithPath(x.path)
	}
	if err != nil {
		if x.desc.Opts.Permissive {
			c.add(0, true)
			return nil
		}
		return x.bad("has %q in column %s, which is not %s", clip(s), c.name, c.t)
	}
	c.add(v, false)
	return nil
}

func clip(s []byte) string {
	if len(s) > 40 {
		return string(s[:40]) + "…"
	}
	return string(s)
}

func (c *column) add(v int64, null bool) {
	c.null, c.some = append(c.null, null), c.some || null
	switch {
	case c.t.IsBytes():
		c.off = append(c.off, int32(len(c.bytes)))
	case c.t.Kind == columnar.Decimal:
		if null {
			c.wide = append(c.wide, columnar.Int128{})
		}
	default:
		c.ints = append(c.ints, v)
	}
}

// vector returns the gathered values; it owns its memory.
func (c *column) vector(n int) columnar.Vector {
	v := columnar.Vector{Type: c.t, Len: n, Width: uint8(c.t.FixedWidth())}
	if c.some {
		v.Valid = columnar.NewBitmap(n)
		for i, null := range c.null {
			v.Valid.SetTo(i, !null)
		}
	}
	switch {
	case c.t.IsBytes():
		v.Data, v.Bytes = columnar.BytesOf(append([]int32{}, c.off...)), append([]byte{}, c.bytes...)
	case c.t.Kind == columnar.Bool:
		b := columnar.NewBitmap(n)
		for i, x := range c.ints {
			b.SetTo(i, x != 0)
		}
		v.Data = b
	case c.t.Kind == columnar.Decimal:
		narrow := true
		for _, x := range c.wide {
			narrow = narrow && x.FitsInt64()
		}
		if !narrow {
			v.Width, v.Data = 16, columnar.BytesOf(append([]columnar.Int128{}, c.wide...))
			return v
		}
		xs := make([]int64, n)
		for i, x := range c.wide {
			xs[i] = int64(x.Lo)
		}
		v.Width, v.Data = 8, columnar.BytesOf(xs)
	case c.t.Kind == columnar.Float32:
		v.Data = convert(c.ints, func(x int64) float32 { return float32(math.Float64frombits(uint64(x))) })
	case v.Width == 1:
		v.Data = convert(c.ints, func(x int64) int8 { return int8(x) })
	case v.Width == 2:
		v.Data = convert(c.ints, func(x int64) int16 { return int16(x) })
	case v.Width == 4:
		v.Data = convert(c.ints, func(x int64) int32 { return int32(x) })
	default:
		v.Data = columnar.BytesOf(append([]int64{}, c.ints...))
	}
	return v
}

func convert[T columnar.Fixed](in []int64, f func(int64) T) []byte {
	out := make([]T, len(in))
	for i, x := range in {
		out[i] = f(x)
	}
	return columnar.BytesOf(out)
}
