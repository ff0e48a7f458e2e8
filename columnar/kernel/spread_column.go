package kernel

import "github.com/millrace-engine/millrace/columnar"

// column writes the first of the columns from the i-th on to the runs' places.
func (x *Spread) column(i int, cols []columnar.Vector) {
	c, t, v := &x.cols[i], x.types[i], &cols[0]
	if t.Kind == columnar.Null {
		return
	}
	x.valid(i, v)
	var ahead []byte // what comes next
	if len(cols) > 1 && !x.cols[i+1].plain {
		ahead = cols[1].Data
	}
	switch {
	case c.dict != nil:
		spreadLines[uint32](x, i, v.Data, v.Len, ahead)
	case c.plain:
		for _, r := range x.runs {
			r.strings(i, v)
		}
	case t.Kind == columnar.Bool:
		for _, r := range x.runs {
			gatherBits(columnar.Bitmap(r.slot.mem[r.slot.places[i].data:]), r.at, v.Bits(), r.rows)
		}
	case c.width != int(v.Width):
		for _, r := range x.runs {
			narrow, p := columnar.Values[int64](v), &r.slot.places[i]
			for k, row := range r.rows {
				columnar.View[columnar.Int128](r.slot.mem[p.data:], r.slot.cap)[r.at+k] = columnar.Int128Of(narrow[row])
			}
		}
	case c.width == 8:
		spreadLines[uint64](x, i, v.Data, v.Len, ahead)
	case c.width == 4:
		spreadLines[uint32](x, i, v.Data, v.Len, ahead)
	case c.width == 16:
		spreadFixed[columnar.Int128](x.runs, i, v.Data, v.Len)
	case c.width == 2:
		spreadFixed[uint16](x.runs, i, v.Data, v.Len)
	default:
		spreadFixed[uint8](x.runs, i, v.Data, v.Len)
	}
}

// spreadFixed writes values as wide as T.
func spreadFixed[T columnar.Fixed](runs []run, i int, data []byte, n int) {
	src := columnar.View[T](data, n)
	for k := range runs {
		r := &runs[k]
		s := r.slot
		dst := columnar.View[T](s.mem[s.places[i].data:], s.cap)[r.at:]
		if r.from >= 0 {
			copy(dst, src[r.from:r.from+len(r.rows)])
		} else {
			gather(dst, src, r.rows)
		}
	}
}

// valid writes which rows are null. A slot has bits from its first null on.
func (x *Spread) valid(i int, v *columnar.Vector) {
	c := &x.cols[i]
	if c.nulls = c.nulls || v.Valid != nil; !c.nulls {
		return
	}
	for _, r := range x.runs {
		p := &r.slot.places[i]
		if v.Valid == nil && !p.nulls {
			continue
		}
		to := columnar.Bitmap(r.slot.mem[p.valid:])
		if !p.nulls {
			p.nulls = true
			FillBits(to, 0, r.at, true)
		}
		if v.Valid == nil {
			FillBits(to, r.at, len(r.rows), true)
		} else {
			gatherBits(to, r.at, v.Valid, r.rows)
		}
	}
}

// strings writes the run's strings behind those that the slot has.
func (r *run) strings(i int, v *columnar.Vector) {
	s, p, off := r.slot, &r.slot.places[i], v.Offsets()
	ends := columnar.View[int32](s.mem[p.data:], s.cap+1)[r.at : r.at+len(r.rows)+1]
	at := ends[0]
	for k, row := range r.rows {
		at += off[int(row)+1] - off[row]
		ends[k+1] = at
	}
	copyStrings(s.mem[p.bytes:p.bytes+p.room+slack], int(ends[0]), v.Bytes, off, r.rows)
}
