package dbgen

import (
	"github.com/millrace-engine/millrace/columnar"
)

// rows fills the columns of a table row by row and hands full batches on. All
// buffers are used again for the next batch.
type rows struct {
	cols  []col
	n     int
	batch columnar.Batch
	sink  func(*columnar.Batch) error
}

// col gathers one column: whole numbers (values, days, hundredths or codes of
// dict), or the ends and bytes of strings.
type col struct {
	ints   []int64
	narrow []int32 // ints as the vector has them, where it is 4 bytes wide
	off    []int32
	bytes  []byte
	dict   *columnar.Dictionary
}

func newRows(s *columnar.Schema, sink func(*columnar.Batch) error) *rows {
	r := &rows{cols: make([]col, s.Len()), sink: sink}
	r.batch = columnar.Batch{Schema: s, Cols: make([]columnar.Vector, s.Len())}
	for i, f := range s.Fields {
		c := &r.cols[i]
		c.dict = dictionaries[f.Name]
		if c.dict == nil && f.Type.IsBytes() {
			c.off = append(make([]int32, 0, columnar.MaxRows+1), 0)
			continue
		}
		c.ints = make([]int64, 0, columnar.MaxRows)
		if c.dict != nil || f.Type.FixedWidth() == 4 {
			c.narrow = make([]int32, columnar.MaxRows)
		}
	}
	return r
}

// int sets a number, or the code of a dictionary column, in the current row.
func (r *rows) int(c int, v int64) { r.cols[c].ints = append(r.cols[c].ints, v) }

// end closes a string that was appended to the column's bytes.
func (r *rows) end(c int) { r.cols[c].off = append(r.cols[c].off, int32(len(r.cols[c].bytes))) }

// str sets a string in the current row; s is copied.
func (r *rows) str(c int, s []byte) {
	r.cols[c].bytes = append(r.cols[c].bytes, s...)
	r.end(c)
}

// row ends the current row.
func (r *rows) row() error {
	if r.n++; r.n == columnar.MaxRows {
		return r.flush()
	}
	return nil
}

// flush hands the rows gathered so far on, if there are any.
func (r *rows) flush() error {
	if r.n == 0 {
		return nil
	}
	r.batch.Rows = r.n
	for i := range r.cols {
		c, t := &r.cols[i], r.batch.Schema.Fields[i].Type
		v := columnar.Vector{Type: t, Len: r.n, Width: uint8(t.FixedWidth())}
		if c.narrow != nil {
			for k, x := range c.ints {
				c.narrow[k] = int32(x)
			}
		}
		switch {
		case c.dict != nil:
			v.Enc, v.Dict, v.Data = columnar.Dict, c.dict, columnar.BytesOf(c.narrow[:r.n])
		case c.off != nil:
			v.Data, v.Bytes = columnar.BytesOf(c.off), c.bytes
		case c.narrow != nil:
			v.Data = columnar.BytesOf(c.narrow[:r.n])
		default:
			v.Data = columnar.BytesOf(c.ints)
		}
		r.batch.Cols[i] = v
	}
	if err := r.sink(&r.batch); err != nil {
		return err
	}
	for i := range r.cols {
		c := &r.cols[i]
		c.ints, c.bytes = c.ints[:0], c.bytes[:0]
		if c.off != nil {
			c.off = c.off[:1]
		}
	}
	r.n = 0
	return nil
}

// dictionaries holds the columns of few different strings. They are made once,
// so all batches of all parts share them.
var dictionaries = map[string]*columnar.Dictionary{
	"c_mktsegment":    dictionary(segments.texts),
	"p_mfgr":          dictionary(manufacturers.texts),
	"p_brand":         dictionary(brands.texts),
	"p_type":          dictionary(partTypes.texts),
	"p_container":     dictionary(containers.texts),
	"o_orderstatus":   dictionary(orderStatus.texts),
	"o_orderpriority": dictionary(priorities.texts),
	"l_returnflag":    dictionary(returnFlags.texts),
	"l_linestatus":    dictionary(lineStatus.texts),
	"l_shipinstruct":  dictionary(instructions.texts),
	"l_shipmode":      dictionary(modes.texts),
}

func dictionary(texts []string) *columnar.Dictionary {
	v := columnar.Vector{Type: columnar.StringType, Len: len(texts), Stable: true}
	off := []int32{0}
	for _, t := range texts {
		v.Bytes = append(v.Bytes, t...)
		off = append(off, int32(len(v.Bytes)))
	}
	v.Data = columnar.BytesOf(off)
	return &columnar.Dictionary{Values: v, Unique: true}
}
