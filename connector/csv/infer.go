package csv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// memo remembers inferred schemas, because a query is analyzed more than once and
// inferring reads everything. An entry holds as long as files and options are the
// same, modification times included.
type memo struct {
	mu      sync.Mutex
	schemas map[string]*columnar.Schema
}

// maxMemo bounds the entries.
const maxMemo = 256

func (m *memo) schema(ctx context.Context, found []fs.File, o *options, given map[string]string) (*columnar.Schema, error) {
	key, err := json.Marshal(given) // its keys are sorted
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil, fs.Explain(err, f.Path)
		}
		key = fmt.Appendf(key, "%s\x00%d\x00%d\x00", f.Path, info.Size(), info.ModTime().UnixNano())
	}
	m.mu.Lock()
	s := m.schemas[string(key)]
	m.mu.Unlock()
	if s != nil {
		return s, nil
	}
	if s, err = infer(ctx, found, o); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.schemas == nil || len(m.schemas) >= maxMemo {
		m.schemas = map[string]*columnar.Schema{}
	}
	m.schemas[string(key)] = s
	return s, nil
}

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
	plain.Header, plain.Mode = false, permissive
	for _, f := range found {
		s := newScanner(&plain, 0, -1)
		src, err := newSource(f.Path, span{0, max(f.Size, 1)}, s, nil)
		if err != nil {
			return nil, err
		}
		names, err := firstNames(src, &plain, o.Header)
		src.in.Close()
		if !errors.Is(err, io.EOF) {
			return names, err
		}
	}
	return nil, diag.New(diag.EmptyInput, "%s is empty", found[0].Path).WithPath(found[0].Path).WithRemedy("give the columns with a schema, or remove the file")
}

func firstNames(src *source, o *options, header bool) ([]string, error) {
	if err := src.next(1); err != nil {
		return nil, err
	}
	begin, end := src.spans[0].Span()
	record := make([]byte, end-begin, end-begin+256)
	copy(record, src.sheet.Text[begin:end])
	all := newScanner(o, len(record)+1, -1)
	all.scan(record, 0, len(record), true, 1)
	all.sheet.Text = record
	var names []string
	seen := map[string]int{}
	rules, buf := o.rules(), []byte(nil)
	for k, c := range all.sheet.Cells {
		if c.Kind() == cells.Missing {
			break
		}
		name := fmt.Sprintf("_c%d", k)
		if v := rules.Vector(&all.sheet, k, columnar.StringType, nil, nil, &buf); header && !v.NullAt(0) && len(v.BytesAt(0)) > 0 {
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
	return names, nil
}

// allTypes reads all files, in parallel, and returns the narrowest type of each
// column that all its values have.
func allTypes(ctx context.Context, found []fs.File, o *options, width int) ([]columnar.Type, error) {
	type part struct {
		path string
		span
	}
	var parts []part
	for _, f := range found {
		for _, r := range ranges(f, o) {
			parts = append(parts, part{f.Path, r})
		}
	}
	n := min(runtime.GOMAXPROCS(0), len(parts))
	results, errs := make([]*inference, n), make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for w := range n {
		workers.Add(1)
		go func() {
			defer workers.Done()
			results[w] = newInference(o, width)
			for i := next.Add(1) - 1; i < int64(len(parts)) && errs[w] == nil; i = next.Add(1) - 1 {
				errs[w] = results[w].read(ctx, parts[i].path, parts[i].span)
			}
		}()
	}
	workers.Wait()
	types := make([]columnar.Type, width)
	for w, r := range results {
		if errs[w] != nil {
			return nil, errs[w]
		}
		for k, t := range r.types {
			types[k] = r.common(types[k], t)
		}
	}
	return types, nil
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
	lenient.Mode = permissive
	x := &inference{o: &lenient, rules: o.rules(), types: make([]columnar.Type, width)}
	if x.strict = x.rules.Date; x.strict == nil {
		x.strict, _ = text.ParsePattern("yyyy-MM-dd")
	}
	return x
}

// read looks at the records of a range.
func (x *inference) read(ctx context.Context, path string, r span) error {
	src, err := newSource(path, r, newScanner(x.o, len(x.types), -1), nil)
	if err != nil {
		return err
	}
	defer src.in.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := src.next(columnar.MaxRows); errors.Is(err, io.EOF) {
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
		x.buf = x.rules.Decode(x.buf[:0], v)
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
