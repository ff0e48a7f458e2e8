// Package csv reads and writes separated text.
//
//	Open: a bounded sample ─► header, types       Splits: byte ranges
//	Scan: records from the first line that begins in the range
//
// A record belongs to the split in which it begins. Files with quoted line
// breaks cannot be cut safely and are one split each (option multiLine).
// Malformed records fail with path, line and column, or become nulls in
// PERMISSIVE mode.
package csv

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// Connector implements connector.Connector.
type Connector struct{}

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "csv" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".csv", ".tsv", ".tbl"} }

// splitBytes is the size of a split of a large file.
const splitBytes = 16 << 20

// sampleBytes bounds what types are inferred from.
const sampleBytes = 1 << 20

// maxRecord bounds one record.
const maxRecord = 16 << 20

// options are a table's options, as they travel.
type options struct {
	Sep        string `json:"s"`
	Quote      string `json:"q"`
	Escape     string `json:"e"`
	Null       string `json:"n"`
	Header     bool   `json:"h"`
	MultiLine  bool   `json:"m"`
	Permissive bool   `json:"p"`
}

func parseOptions(in map[string]string, path string) (o options, err error) {
	o = options{Sep: ",", Quote: `"`, Escape: `\`}
	switch {
	case strings.HasSuffix(strings.TrimSuffix(path, ".gz"), ".tsv"):
		o.Sep = "\t"
	case strings.HasSuffix(path, ".tbl"):
		o.Sep = "|"
	}
	flag := func(k, v string) bool {
		b, e := text.ParseBool(v)
		if e != nil {
			err = diag.New(diag.InvalidArgument, "the CSV option %s needs true or false, not %q", k, v)
		}
		return b
	}
	for k, v := range in {
		switch strings.ToLower(k) {
		case "sep", "delimiter":
			if v == `\t` {
				v = "\t"
			}
			if len(v) != 1 {
				return o, diag.New(diag.InvalidArgument, "the CSV separator must be one character, not %q", v)
			}
			o.Sep = v
		case "quote":
			if len(v) > 1 {
				return o, diag.New(diag.InvalidArgument, "the CSV quote must be one character, not %q", v)
			}
			o.Quote = v
		case "escape":
			o.Escape = v
		case "nullvalue":
			o.Null = v
		case "header":
			o.Header = flag(k, v)
		case "multiline":
			o.MultiLine = flag(k, v)
		case "inferschema":
			flag(k, v)
		case "mode":
			switch strings.ToUpper(v) {
			case "PERMISSIVE":
				o.Permissive = true
			case "FAILFAST":
			default:
				return o, diag.New(diag.InvalidArgument, "there is no CSV mode %q", v).WithRemedy("use PERMISSIVE or FAILFAST")
			}
		default:
			return o, diag.New(diag.InvalidArgument, "there is no CSV option %q", k).WithRemedy("options are header, sep, quote, escape, nullValue, multiLine, inferSchema and mode")
		}
	}
	return o, err
}

type descriptor struct {
	Files []fs.File       `json:"f"`
	Opts  options         `json:"o"`
	Names []string        `json:"c"`
	Types []columnar.Type `json:"t"`
}

type table struct {
	name   string
	schema *columnar.Schema
	stats  catalog.Statistics
	desc   catalog.Descriptor
}

func (t *table) Name() string                   { return t.name }
func (t *table) Schema() *columnar.Schema       { return t.schema }
func (t *table) Statistics() catalog.Statistics { return t.stats }
func (t *table) Descriptor() catalog.Descriptor { return t.desc }

// input opens a file, decompressed if its name says so.
func input(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	if !strings.HasSuffix(path, ".gz") {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, diag.New(diag.CorruptFile, "%s is not a readable gzip file: %v", path, err).WithPath(path)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// Open implements connector.Connector. Without a schema, types are inferred from
// the first records: int, bigint, decimal, double, date, timestamp, boolean,
// else string.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(ref.Options, found[0].Path)
	if err != nil {
		return nil, err
	}
	d := descriptor{Files: found, Opts: o}
	schema := ref.Schema
	size := int64(0)
	for _, f := range found {
		size += f.Size
	}
	if schema == nil {
		if schema, err = infer(found[0].Path, o); err != nil {
			return nil, err
		}
	}
	for _, f := range schema.Fields {
		d.Names, d.Types = append(d.Names, f.Name), append(d.Types, f.Type)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return &table{name: "csv " + ref.Path, schema: schema, desc: catalog.Descriptor{Connector: c.Name(), Data: data},
		stats: catalog.Statistics{Rows: float64(size) / 100, Bytes: float64(size)}}, nil
}

func infer(path string, o options) (*columnar.Schema, error) {
	in, err := input(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r := newRecords(io.LimitReader(in, sampleBytes), o, path, 1)
	fields, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, diag.New(diag.EmptyInput, "%s is empty", path).WithPath(path).WithRemedy("give the columns with a schema, or remove the file")
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = fmt.Sprintf("_c%d", i)
		if o.Header {
			names[i] = string(f.text)
		}
	}
	kinds := make([]guess, len(names))
	sample := func(fields []value) {
		for i, f := range fields {
			if i < len(kinds) && !(len(f.text) == 0 && !f.quoted || string(f.text) == o.Null) {
				kinds[i].see(string(f.text))
			}
		}
	}
	if !o.Header {
		sample(fields)
	}
	for n := 0; n < 10_000; n++ {
		fields, err := r.next()
		if err != nil { // the end, or a record cut by the sample's bound: the scan tells
			break
		}
		sample(fields)
	}
	s := &columnar.Schema{}
	for i, n := range names {
		s.Fields = append(s.Fields, columnar.Field{Name: n, Type: kinds[i].typ(), Nullable: true})
	}
	return s, nil
}

// guess narrows the type of a column down.
type guess struct {
	seen bool
	not  [6]bool // int, bigint, double, date, timestamp, boolean
}

func (g *guess) see(s string) {
	g.seen = true
	_, err := text.ParseInt(s, 32)
	g.not[0] = g.not[0] || err != nil
	_, err = text.ParseInt(s, 64)
	g.not[1] = g.not[1] || err != nil
	_, err = text.ParseFloat(s, 64)
	g.not[2] = g.not[2] || err != nil
	_, err = text.ParseDate(s)
	g.not[3] = g.not[3] || err != nil || len(s) < 8
	_, err = text.ParseTimestamp(s, time.UTC)
	g.not[4] = g.not[4] || err != nil || len(s) < 8
	_, err = text.ParseBool(s)
	g.not[5] = g.not[5] || err != nil || len(s) < 4
}

func (g *guess) typ() columnar.Type {
	if g.seen {
		for i, t := range []columnar.Type{columnar.Int32Type, columnar.Int64Type, columnar.Float64Type, columnar.DateType, columnar.TimestampType, columnar.BoolType} {
			if !g.not[i] {
				return t
			}
		}
	}
	return columnar.StringType
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a CSV table is damaged: %v", err)
	}
	var out []connector.Split
	for i, f := range desc.Files {
		if req.Skip != nil && req.Skip(f.Path) {
			continue
		}
		step := int64(splitBytes)
		if desc.Opts.MultiLine || strings.HasSuffix(f.Path, ".gz") {
			step = max(f.Size, 1)
		}
		for at := int64(0); at < max(f.Size, 1); at += step {
			end := min(at+step, f.Size)
			b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(at)), uint64(end))
			out = append(out, connector.Split{Data: b, Path: f.Path, Rows: -1, Bytes: end - at})
		}
	}
	return out, nil
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a CSV table is damaged: %v", err)
	}
	var parts [3]uint64
	for i := range parts {
		v, n := binary.Uvarint(split)
		if n <= 0 {
			return nil, diag.New(diag.Internal, "a split of a CSV table is damaged")
		}
		parts[i], split = v, split[n:]
	}
	if parts[0] >= uint64(len(desc.Files)) {
		return nil, diag.New(diag.Internal, "a split of a CSV table is damaged")
	}
	return newReader(&desc, desc.Files[parts[0]].Path, int64(parts[1]), int64(parts[2]), req)
}

// value is one field of a record.
type value struct {
	text   []byte
	quoted bool
}

// records cuts a stream into records and fields.
type records struct {
	r      *bufio.Reader
	o      options
	path   string
	line   int
	offset int64 // bytes consumed
	stop   int64 // offset from which on no record begins any more; 0 = none
	buf    []byte
	fields []value
}

func newRecords(r io.Reader, o options, path string, line int) *records {
	return &records{r: bufio.NewReaderSize(r, 256<<10), o: o, path: path, line: line}
}

// next returns the next record; its fields are valid until the next call. Empty
// lines are skipped.
func (r *records) next() ([]value, error) {
	for {
		if r.stop > 0 && r.offset >= r.stop { // behind empty lines begins the next split
			return nil, io.EOF
		}
		line, err := r.read()
		if err != nil {
			return nil, err
		}
		if r.offset == int64(len(line)) && r.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = bytes.TrimRight(line, "\r\n")
		r.line++
		if len(line) == 0 {
			continue
		}
		return r.split(line)
	}
}

// read returns a line, or in multi-line mode a record up to a line break outside
// of quotes.
func (r *records) read() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		r.offset += int64(len(part))
		if len(r.buf) > maxRecord {
			return nil, diag.New(diag.MalformedRecord, "a record of %s at line %d is longer than %d MiB", r.path, r.line, maxRecord>>20).WithPath(r.path).
				WithRemedy("check the quote option and that the file is text")
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(r.buf) == 0 {
				return nil, io.EOF
			}
			return r.buf, nil
		case err != nil:
			return nil, diag.New(diag.CorruptFile, "%s cannot be read: %v", r.path, err).WithPath(r.path)
		}
		if r.o.MultiLine && r.o.Quote != "" && bytes.Count(r.buf, []byte(r.o.Quote))%2 == 1 {
			continue
		}
		return r.buf, nil
	}
}

func (r *records) split(line []byte) ([]value, error) {
	r.fields = r.fields[:0]
	sep := r.o.Sep[0]
	if r.o.Quote == "" || bytes.IndexByte(line, r.o.Quote[0]) < 0 {
		for {
			i := bytes.IndexByte(line, sep)
			if i < 0 {
				r.fields = append(r.fields, value{text: line})
				return r.trailing(), nil
			}
			r.fields = append(r.fields, value{text: line[:i]})
			line = line[i+1:]
		}
	}
	q := r.o.Quote[0]
	for {
		if len(line) == 0 || line[0] != q {
			i := bytes.IndexByte(line, sep)
			if i < 0 {
				r.fields = append(r.fields, value{text: line})
				return r.trailing(), nil
			}
			r.fields = append(r.fields, value{text: line[:i]})
			line = line[i+1:]
			continue
		}
		var out []byte
		i := 1
		closed := false
		for i < len(line) {
			ch := line[i]
			if ch == q {
				if i+1 < len(line) && line[i+1] == q {
					out = append(out, q)
					i += 2
					continue
				}
				closed = true
				i++
				break
			}
			if r.o.Escape != "" && ch == r.o.Escape[0] && i+1 < len(line) && (line[i+1] == q || line[i+1] == ch) {
				out = append(out, line[i+1])
				i += 2
				continue
			}
			out = append(out, ch)
			i++
		}
		if !closed {
			return nil, diag.New(diag.MalformedRecord, "a quoted field of %s at line %d is not closed", r.path, r.line-1).WithPath(r.path).
				WithRemedy("set multiLine = true if fields hold line breaks, or another quote")
		}
		r.fields = append(r.fields, value{text: out, quoted: true})
		if i >= len(line) {
			return r.trailing(), nil
		}
		if line[i] != sep {
			return nil, diag.New(diag.MalformedRecord, "text follows a quoted field of %s at line %d", r.path, r.line-1).WithPath(r.path)
		}
		line = line[i+1:]
	}
}

// trailing drops the empty field behind the last separator of .tbl files.
func (r *records) trailing() []value {
	if r.o.Sep == "|" && strings.HasSuffix(r.path, ".tbl") && len(r.fields) > 1 && len(r.fields[len(r.fields)-1].text) == 0 {
		return r.fields[:len(r.fields)-1]
	}
	return r.fields
}
