package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// maxColumnBytes bounds the bytes of one string column (int32 offsets).
const maxColumnBytes = 1<<31 - 1

// Appender grows columns out of the selected rows of batches: the rows of a
// partition, a run of a sort, the build side of a join. A string column that
// comes with the same stable dictionary every time keeps it.
type Appender struct {
	rows    int
	columns []growing
	memory  memory.Reservation
	held    int64
	hash    []uint64
	hashOf  columnar.KeySet
}

type growing struct {
	typ   columnar.Type
	width uint8
	dict  *columnar.Dictionary // data holds codes
	data  []byte
	off   []int32
	bytes []byte
	valid columnar.Bitmap
}

// NewAppender returns an appender of columns of the given types that charges r,
// which may be nil.
func NewAppender(types []columnar.Type, r memory.Reservation) *Appender {
	a := &Appender{columns: make([]growing, len(types)), memory: r}
	for i, t := range types {
		a.columns[i].typ = t
	}
	return a
}

// Len returns the rows appended since the last Take.
func (a *Appender) Len() int { return a.rows }

// Append adds the selected rows of a batch.
func (a *Appender) Append(b *columnar.Batch) error { return a.AppendRows(b, b.Sel) }

// AppendRows adds some rows of a batch, all of them if rows is nil. A hash that
// the batch carries goes along as long as every batch has one of the same keys.
func (a *Appender) AppendRows(b *columnar.Batch, rows []uint16) error {
	n := b.Rows
	if rows != nil {
		n = len(rows)
	}
	for i := range a.columns {
		if err := a.columns[i].add(&b.Cols[i], a.rows, n, rows); err != nil {
			return err
		}
	}
	if b.Hash != nil && (a.rows == 0 || a.hashOf.Equal(b.HashOf) && len(a.hash) == a.rows) {
		a.hashOf = b.HashOf
		if rows == nil {
			a.hash = append(a.hash, b.Hash[:n]...)
		} else {
			for _, r := range rows {
				a.hash = append(a.hash, b.Hash[r])
			}
		}
	} else {
		a.hash = nil
	}
	a.rows += n
	return a.charge()
}

// Bytes returns the bytes that the columns hold now.
func (a *Appender) Bytes() int64 {
	n := int64(8 * cap(a.hash))
	for i := range a.columns {
		g := &a.columns[i]
		n += int64(cap(g.data) + 4*cap(g.off) + cap(g.bytes) + cap(g.valid))
	}
	return n
}

func (a *Appender) charge() error {
	if a.memory == nil {
		return nil
	}
	n := a.Bytes()
	if n > a.held {
		if !a.memory.TryGrow(n - a.held) {
			return memory.ErrSpill
		}
		a.held = n
	}
	return nil
}

// Take returns everything appended as one dense, stable batch and starts anew.
// The charge stays with the reservation: it is the batch's now.
func (a *Appender) Take(schema *columnar.Schema) *columnar.Batch {
	b := &columnar.Batch{Schema: schema, Rows: a.rows, Cols: make([]columnar.Vector, len(a.columns))}
	for i := range a.columns {
		g := &a.columns[i]
		b.Cols[i] = g.vector(a.rows)
		*g = growing{typ: g.typ}
	}
	if len(a.hash) == a.rows && a.hash != nil {
		b.Hash, b.HashOf = a.hash, a.hashOf
	}
	a.rows, a.hash, a.held = 0, nil, 0
	return b
}

func (g *growing) add(v *columnar.Vector, at, n int, rows []uint16) error {
	if g.typ.IsNested() {
		return diag.New(diag.Unsupported, "columns of type %s cannot be kept between batches yet", g.typ)
	}
	g.addValid(v, at, n, rows)
	switch {
	case g.typ.Kind == columnar.Null:
		return nil
	case g.typ.IsBytes():
		return g.addBytes(v, at, n, rows)
	}
	f := v
	if v.Enc != columnar.Flat {
		flat := Flatten(v, nil)
		f = &flat
	}
	if g.typ.Kind == columnar.Bool {
		for need := columnar.BitmapBytes(at + n); len(g.data) < need; {
			g.data = append(g.data, 0)
		}
		dst, src := columnar.Bitmap(g.data), f.Bits()
		for i := range n {
			r := i
			if rows != nil {
				r = int(rows[i])
			}
			dst.SetTo(at+i, src.Get(r))
		}
		return nil
	}
	if g.width == 0 {
		g.width = f.Width
	}
	if g.width != f.Width {
		g.widen(at)
		wide := widened(f)
		f = &wide
	}
	switch g.width {
	case 1:
		g.data = appendFixed[uint8](g.data, f, at, n, rows)
	case 2:
		g.data = appendFixed[uint16](g.data, f, at, n, rows)
	case 4:
		g.data = appendFixed[uint32](g.data, f, at, n, rows)
	case 8:
		g.data = appendFixed[uint64](g.data, f, at, n, rows)
	case 16:
		g.data = appendFixed[columnar.Int128](g.data, f, at, n, rows)
	}
	return nil
}

// widen makes what came so far 16 bytes wide (I6).
func (g *growing) widen(at int) {
	if g.width == 16 {
		return
	}
	wide := make([]columnar.Int128, at, 2*at+16)
	for i, x := range columnar.View[int64](g.data, at) {
		wide[i] = columnar.Int128Of(x)
	}
	g.data, g.width = nil, 16
	if at > 0 {
		g.data = columnar.BytesOf(wide)
	}
}

func widened(v *columnar.Vector) columnar.Vector {
	if v.Width == 16 {
		return *v
	}
	out := *v
	wide := make([]columnar.Int128, v.Len)
	for i, x := range columnar.Values[int64](v) {
		wide[i] = columnar.Int128Of(x)
	}
	out.Width, out.Data = 16, columnar.BytesOf(wide)
	return out
}

// reserve grows a buffer geometrically to hold n bytes more.
func reserve(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	out := aligned(max(2*cap(b), len(b)+n, 256))[:len(b)]
	copy(out, b)
	return out
}

func aligned(n int) []byte {
	var s *memory.Scratch
	return s.Bytes(n)
}

func appendFixed[T columnar.Fixed](dst []byte, v *columnar.Vector, at, n int, rows []uint16) []byte {
	w := int(v.Width)
	dst = reserve(dst, n*w)
	dst = dst[:len(dst)+n*w]
	if rows == nil {
		copy(dst[at*w:], v.Data[:n*w])
		return dst
	}
	gather(columnar.View[T](dst, at+n)[at:], columnar.View[T](v.Data, v.Len), rows)
	return dst
}

func (g *growing) addValid(v *columnar.Vector, at, n int, rows []uint16) {
	if !v.HasNulls() && g.valid == nil {
		return
	}
	if g.valid == nil {
		g.valid = columnar.NewBitmap(at + n)
		g.valid.Fill(at+n, true)
	}
	for need := columnar.BitmapBytes(at + n); len(g.valid) < need; {
		g.valid = append(g.valid, 0)
	}
	for i := range n {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		g.valid.SetTo(at+i, !v.NullAt(r))
	}
}

func (g *growing) addBytes(v *columnar.Vector, at, n int, rows []uint16) error {
	if v.Enc == columnar.Dict && v.Dict.Values.Stable && (at == 0 || g.dict == v.Dict) {
		g.dict = v.Dict
		g.data = appendFixed[uint32](g.data, &columnar.Vector{Width: 4, Len: v.Len, Data: v.Data}, at, n, rows)
		return nil
	}
	if g.off == nil {
		g.off = append(make([]int32, 0, n+1), 0)
	}
	if g.dict != nil {
		g.spell(at)
	}
	if v.Enc == columnar.Flat && rows == nil {
		off := v.Offsets()
		if len(g.bytes)+int(off[n]-off[0]) > maxColumnBytes {
			return tooLong()
		}
		base := int32(len(g.bytes)) - off[0]
		g.bytes = append(reserve(g.bytes, int(off[n]-off[0])), v.Bytes[off[0]:off[n]]...)
		for _, o := range off[1 : n+1] {
			g.off = append(g.off, base+o)
		}
		return nil
	}
	for i := range n {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		if !v.NullAt(r) {
			b := v.BytesAt(r)
			if len(g.bytes)+len(b) > maxColumnBytes {
				return tooLong()
			}
			g.bytes = append(g.bytes, b...)
		}
		g.off = append(g.off, int32(len(g.bytes)))
	}
	return nil
}

// spell replaces codes by the strings they stand for.
func (g *growing) spell(at int) {
	for i, c := range columnar.View[uint32](g.data, at) {
		if g.valid == nil || g.valid.Get(i) {
			g.bytes = append(g.bytes, g.dict.Values.BytesAt(int(c))...)
		}
		g.off = append(g.off, int32(len(g.bytes)))
	}
	g.dict, g.data = nil, nil
}

func tooLong() error {
	return diag.New(diag.MemoryLimit, "the strings of one column exceed 2 GiB in one place").
		WithRemedy("select fewer columns or rows, or use more partitions (sql.shuffle.partitions)")
}

func (g *growing) vector(n int) columnar.Vector {
	v := columnar.Vector{Type: g.typ, Width: g.width, Len: n, Valid: g.valid, Data: g.data, Stable: true}
	switch {
	case g.dict != nil:
		v.Enc, v.Dict, v.Width = columnar.Dict, g.dict, 0
	case g.typ.IsBytes():
		if g.off == nil {
			g.off = []int32{0}
		}
		v.Data, v.Bytes = columnar.BytesOf(g.off), g.bytes
	case v.Width == 0:
		v.Width = uint8(g.typ.FixedWidth())
	}
	return v
}
