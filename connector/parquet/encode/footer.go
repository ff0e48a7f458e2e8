package encode

import "github.com/millrace-engine/millrace/columnar"

// appendColumnIndex writes the bounds of the pages; it reports false, having
// written nothing, if some are not known.
func (ch *chunk) appendColumnIndex(w *thrift) bool {
	for _, p := range ch.pages {
		if !p.bounds.ok && p.nulls < p.rows {
			return false
		}
	}
	w.list(1, thriftTrue, len(ch.pages))
	for _, p := range ch.pages {
		if p.nulls == p.rows {
			w.b = append(w.b, thriftTrue)
		} else {
			w.b = append(w.b, thriftFalse)
		}
	}
	w.list(2, thriftBytes, len(ch.pages))
	for _, p := range ch.pages {
		w.raw(p.bounds.min)
	}
	w.list(3, thriftBytes, len(ch.pages))
	for _, p := range ch.pages {
		w.raw(p.bounds.max)
	}
	w.i32(4, 0) // in no order
	w.list(5, thriftI64, len(ch.pages))
	for _, p := range ch.pages {
		w.element(int64(p.nulls))
	}
	w.b = append(w.b, 0)
	return true
}

func (ch *chunk) appendOffsetIndex(w *thrift) {
	w.list(1, thriftStruct, len(ch.pages))
	for _, p := range ch.pages {
		w.begin(0)
		w.i64(1, p.offset)
		w.i32(2, int32(p.size))
		w.i64(3, int64(p.row))
		w.end()
	}
	w.b = append(w.b, 0)
}

// footer returns the file's metadata.
func (f *File) footer() []byte {
	w := &thrift{}
	w.i32(1, 2)
	w.list(2, thriftStruct, len(f.cols)+1)
	w.begin(0)
	w.bytes(4, []byte("schema"))
	w.i32(5, int32(len(f.cols)))
	w.end()
	for _, c := range f.cols {
		c.appendElement(w)
	}
	w.i64(3, f.total)
	w.list(4, thriftStruct, len(f.groups))
	for i := range f.groups {
		f.appendGroup(w, i)
	}
	w.bytes(6, []byte(createdBy))
	w.list(7, thriftStruct, len(f.cols))
	for range f.cols {
		w.begin(0)
		w.empty(1) // the order of the type
		w.end()
	}
	return append(w.b, 0)
}

func (f *File) appendGroup(w *thrift, i int) {
	g := &f.groups[i]
	var raw, stored int64
	w.begin(0)
	w.list(1, thriftStruct, len(g.chunks))
	for k := range g.chunks {
		ch := &g.chunks[k]
		raw += ch.raw
		stored += ch.stored
		w.begin(0)
		first := ch.data
		if ch.coded {
			first = ch.dictionary
		}
		w.i64(2, first)
		w.begin(3)
		f.cols[k].appendMeta(w, ch)
		w.end()
		w.i64(4, ch.offsetIndex[0])
		w.i32(5, int32(ch.offsetIndex[1]))
		if ch.columnIndex[1] > 0 {
			w.i64(6, ch.columnIndex[0])
			w.i32(7, int32(ch.columnIndex[1]))
		}
		w.end()
	}
	w.i64(2, raw)
	w.i64(3, int64(g.rows))
	w.i64(5, g.offset)
	w.i64(6, stored)
	if i < 1<<15 {
		w.header(7, 4) // an ordinal of 16 bits
		w.element(int64(i))
	}
	w.end()
}

func (c *column) appendMeta(w *thrift, ch *chunk) {
	w.i32(1, c.physical)
	encodings := []int64{encPlain, encRLE}
	if ch.coded {
		encodings = append(encodings, encRLEDictionary)
	}
	w.list(2, thriftI32, len(encodings))
	for _, e := range encodings {
		w.element(e)
	}
	w.list(3, thriftBytes, 1)
	w.raw([]byte(c.field.Name))
	w.i32(4, int32(ch.codec))
	w.i64(5, int64(ch.values))
	w.i64(6, ch.raw)
	w.i64(7, ch.stored)
	w.i64(9, ch.data)
	if ch.coded {
		w.i64(11, ch.dictionary)
	}
	w.begin(12)
	w.i64(3, int64(ch.nulls))
	if ch.bounds.ok {
		w.bytes(5, ch.bounds.max)
		w.bytes(6, ch.bounds.min)
	}
	w.end()
	w.list(13, thriftStruct, ch.dictionaries+1)
	if ch.coded {
		w.begin(0)
		w.i32(1, 2)
		w.i32(2, encPlain)
		w.i32(3, 1)
		w.end()
	}
	w.begin(0)
	w.i32(1, 0)
	if ch.coded {
		w.i32(2, encRLEDictionary)
	} else {
		w.i32(2, encPlain)
	}
	w.i32(3, int32(ch.dataPages))
	w.end()
}

// appendElement writes the column's schema: physical type and annotations, the
// old one too where there is one.
func (c *column) appendElement(w *thrift) {
	t := c.field.Type
	w.begin(0)
	w.i32(1, c.physical)
	if c.physical == typeFixed {
		w.i32(2, int32(c.width))
	}
	if c.field.Nullable {
		w.i32(3, 1)
	} else {
		w.i32(3, 0)
	}
	w.bytes(4, []byte(c.field.Name))
	switch t.Kind {
	case columnar.Null:
		w.begin(10)
		w.empty(11)
		w.end()
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64:
		w.integer(15+int32(bitsFor(t.FixedWidth())), t.FixedWidth(), true)
	case columnar.Uint8, columnar.Uint16, columnar.Uint32, columnar.Uint64:
		w.integer(11+int32(bitsFor(t.FixedWidth())), t.FixedWidth(), false)
	case columnar.Decimal:
		w.i32(6, 5)
		w.i32(7, int32(t.Scale))
		w.i32(8, int32(t.Precision))
		w.begin(10)
		w.begin(5)
		w.i32(1, int32(t.Scale))
		w.i32(2, int32(t.Precision))
		w.end()
		w.end()
	case columnar.String:
		w.i32(6, 0)
		w.begin(10)
		w.empty(1)
		w.end()
	case columnar.Date:
		w.i32(6, 6)
		w.begin(10)
		w.empty(6)
		w.end()
	case columnar.Time:
		w.time(-1, 7, false)
	case columnar.Timestamp:
		w.time(10, 8, true)
	case columnar.TimestampNTZ:
		w.time(-1, 8, false)
	}
	w.end()
}

// integer annotates an integer of some bytes.
func (w *thrift) integer(converted int32, bytes int, signed bool) {
	w.i32(6, converted)
	w.begin(10)
	w.begin(10)
	w.i8(1, int8(8*bytes))
	w.bool(2, signed)
	w.end()
	w.end()
}

// time annotates a time of day or timestamp in microseconds; a converted type
// below zero is left out, for it would say UTC.
func (w *thrift) time(converted int32, member int16, utc bool) {
	if converted >= 0 {
		w.i32(6, converted)
	}
	w.begin(10)
	w.begin(member)
	w.bool(1, utc)
	w.begin(2)
	w.empty(2)
	w.end()
	w.end()
	w.end()
}
