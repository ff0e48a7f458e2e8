package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	aipc "github.com/apache/arrow-go/v18/arrow/ipc"
	amem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/ipc"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// source is an open file or stream.
type source struct {
	path     string
	os       *os.File
	messages *messages
	checked  *schema
	arrow    *arrow.Schema
	schema   *columnar.Schema

	dictionaries, records []block // of a file
	file                  bool

	wanted []bool // by column of the schema
	order  []int  // the wanted columns as they were asked for
	values map[int64]arrow.Array
}

// guard makes the library's panics errors: what a check missed, or what is
// wrong in the values themselves.
func guard(path string, err *error) {
	if p := recover(); p != nil {
		*err = corrupt(path, fmt.Errorf("%v", p))
	}
}

// corrupt says what is wrong with a file; an error that explains itself stays.
func corrupt(path string, err error) error {
	if own := (*diag.Error)(nil); errors.As(err, &own) {
		if own.Path == "" {
			own.WithPath(path)
		}
		return own
	}
	return diag.New(diag.CorruptFile, "%s is not a readable Arrow IPC file: %v", path, err).WithPath(path).WithCause(err).
		WithRemedy("check that the file was written and copied completely")
}

func open(path string, mem memory.Reservation) (_ *source, err error) {
	f, oerr := os.Open(path)
	if oerr != nil {
		return nil, fs.Explain(oerr, path)
	}
	s := &source{path: path, os: f, values: map[int64]arrow.Array{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	defer guard(path, &err)
	info, err := f.Stat()
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	if s.messages, s.dictionaries, s.records, err = openMessages(f, info.Size()); err != nil {
		return nil, corrupt(path, err)
	}
	s.file, s.messages.memory = s.messages.file, mem
	if err := s.begin(); err != nil {
		return nil, corrupt(path, err)
	}
	return s, nil
}

// begin reads the schema.
func (s *source) begin() error {
	c, _, err := s.messages.next()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if c.header != headerSchema {
		return fmt.Errorf("it begins with a message of kind %d instead of its schema", c.header)
	}
	if s.checked, err = checkSchema(c.table); err != nil {
		return err
	}
	// The library reads schemas as the beginning of a stream.
	framed := binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, uint32(len(c.meta)))
	r, err := aipc.NewReader(bytes.NewReader(append(framed, c.meta...)))
	if err != nil {
		return err
	}
	defer r.Release()
	s.arrow = r.Schema()
	s.schema, err = ipc.FromArrowSchema(s.arrow)
	return err
}

// choose makes a record of a file the one that is read.
func (s *source) choose(record uint64) error {
	if record >= uint64(len(s.records)) {
		return corrupt(s.path, errors.New("it changed while it was read"))
	}
	s.messages.queue = append(s.dictionaries, s.records[record])
	return nil
}

// want says which columns are read.
func (s *source) want(columns []int) {
	s.order, s.wanted = columns, make([]bool, len(s.checked.columns))
	for _, c := range columns {
		s.wanted[c] = true
	}
}

// next returns the next record, valid until the next call; io.EOF ends.
func (s *source) next() (rec *ipc.Record, err error) {
	defer guard(s.path, &err)
	s.messages.free(false)
	for rec == nil && err == nil {
		var c message
		var at int64
		c, at, err = s.messages.next()
		switch {
		case err != nil:
		case c.header == headerDictionary:
			err = s.dictionary(c, at)
		case c.header == headerRecord:
			rec, err = s.record(c, at)
		default:
			err = fmt.Errorf("a message of kind %d is out of place", c.header)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = corrupt(s.path, err)
	}
	return rec, err
}

// record loads the wanted columns of a record.
func (s *source) record(c message, at int64) (*ipc.Record, error) {
	r := newRecord(s.messages, c.table, len(s.checked.columns), at, c.body)
	arrays := make([]arrow.Array, len(s.checked.columns))
	for i, x := range s.checked.columns {
		buffers, nulls := r.column(i, x.layout, s.wanted[i])
		if r.err != nil {
			return nil, r.err
		}
		if !s.wanted[i] {
			continue
		}
		t := s.arrow.Field(i).Type
		if !x.coded {
			arrays[i] = made(t, r.rows, x.layout, buffers, nulls, nil)
			continue
		}
		values := s.values[x.dictionary]
		if values == nil {
			return nil, fmt.Errorf("dictionary %d is missing", x.dictionary)
		}
		arrays[i] = made(t, r.rows, x.layout, buffers, nulls, values)
	}
	columns := make([]arrow.Array, len(s.order))
	for i, k := range s.order {
		columns[i] = arrays[k]
	}
	return ipc.NewRecord(columns, int(r.rows), s.schema, s.order), nil
}

// made makes an array of buffers that are as long as its layout needs.
func made(t arrow.DataType, rows int64, l layout, buffers [][]byte, nulls int64, values arrow.Array) arrow.Array {
	if l.shape == empty {
		return array.NewNull(int(rows))
	}
	wrapped := make([]*amem.Buffer, len(buffers))
	for i, b := range buffers {
		if b != nil || i > 0 {
			wrapped[i] = amem.NewBufferBytes(b)
		}
	}
	if values == nil {
		return array.MakeFromData(array.NewData(t, int(rows), wrapped, nil, int(nulls), 0))
	}
	return array.MakeFromData(array.NewDataWithDictionary(t, int(rows), wrapped, int(nulls), 0, values.Data().(*array.Data)))
}

// dictionary loads a dictionary if a wanted column has it. A file has one of each
// id, which others may extend; in a stream a later one replaces it.
func (s *source) dictionary(c message, at int64) error {
	id, delta := c.table.longAt(0), c.table.byteAt(2, 0) != 0
	data, there := c.table.child(1)
	if c.table.err == nil && !there {
		c.table.fail("dictionary %d has no values", id)
	}
	l, known := s.checked.dictionaries[id]
	if c.table.err == nil && !known {
		c.table.fail("no field refers to dictionary %d", id)
	}
	var t arrow.DataType
	for i, x := range s.checked.columns {
		if x.coded && x.dictionary == id && s.wanted[i] {
			t = s.arrow.Field(i).Type.(*arrow.DictionaryType).ValueType
		}
	}
	if c.table.err != nil || t == nil {
		return c.table.err
	}
	r := newRecord(s.messages, data, 1, at, c.body)
	buffers, nulls := r.column(0, l, true)
	if r.err != nil {
		return r.err
	}
	values, old := made(t, r.rows, l, buffers, nulls, nil), s.values[id]
	switch {
	case delta && old == nil:
		return fmt.Errorf("dictionary %d is extended before it comes", id)
	case !delta && old != nil && s.file:
		return fmt.Errorf("dictionary %d comes twice", id)
	case delta:
		if err := s.messages.pay(r.size); err != nil { // the old ones stay until both are one
			return err
		}
		var err error
		if values, err = array.Concatenate([]arrow.Array{old, values}, amem.NewGoAllocator()); err != nil {
			return err
		}
	}
	s.values[id] = values
	s.messages.keep()
	return nil
}

func (s *source) close() error {
	if s.messages != nil {
		s.messages.free(true)
		s.messages.decode.close()
	}
	return s.os.Close()
}
