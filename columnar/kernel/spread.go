package kernel

import (
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Spread spreads the rows of batches over partitions, for columns that are not
// nested:
//
//	batch, its rows sorted by partition ──► for each column: for each partition: gather
//	                                                                              │
//	region ── slot of partition 7: column 0 … column n, room for some rows ◄──────┘
//	       └─ slot of partition 2 …
//
// Each partition has one open slot. The first ones are small; each is twice as large
// as what its partition has so far, up to slotBytes. A full one becomes a Piece. A
// column is gathered while it is in the first cache, and what is written goes to its
// place for good: no row is moved again. Slots of the largest regions, more than
// caches hold, are written line by line past them (spread_lines.go). It is used by one
// goroutine at a time.
type Spread struct {
	schema *columnar.Schema
	types  []columnar.Type // the last is of the hash, if that goes along
	hashOf columnar.KeySet
	cols   []spreadColumn
	open   []*slot // by partition
	spread []int   // rows, by partition
	full   []*slot
	runs   []run
	rows   int   // of runs
	need   []int // bytes of a run's strings, by column

	lines   *memory.Scratch // where lines of slots wait; nil: slots have none
	idle    [][]byte        // lines of slots that are full
	strokes []stroke        // of a column

	region *memory.Region // that slots are cut from
	block  []byte         // what is left of it
	size   int            // of the next one
	memory memory.Reservation
	shared bool // regions are
	short  bool // memory refused one

	pieces []Piece
	closed bool // slots were, before Finish
}

const (
	slotBytes   = 1 << 20 // of the largest slots, about
	leastSlot   = 16      // rows
	firstRegion = 64 << 10
	mostRegion  = 8 << 20
	fewBytes    = 1 << 20
	leastShared = 512 << 10 // smaller regions are not: making a file takes longer than copying
)

// Piece is some rows of a partition, at most columnar.MaxRows, in the memory of a
// region, which it holds; without one it is stable.
type Piece struct {
	Partition int
	Batch     *columnar.Batch
	Region    *memory.Region
}

// spreadColumn is how a column is laid out in the slots that are open.
type spreadColumn struct {
	width int                  // of a value; 0: bits or strings
	dict  *columnar.Dictionary // codes instead of strings
	plain bool                 // strings came that are not of dict
	nulls bool                 // an open slot has some
	rows  int                  // so far, and the bytes of their strings
	bytes int
}

// slot is room for rows of a partition.
type slot struct {
	part      int
	region    *memory.Region
	mem       []byte
	cap, rows int
	places    []place // by column
	lines     []byte  // the last, not yet full line of each column; nil: rows are written as they come
}

// place is where a slot has a column.
type place struct {
	data, bytes, valid int  // offsets in the slot
	used, room         int  // of bytes
	nulls              bool // valid has bits
}

// run is rows of a batch that go to a slot, from a row of it on.
type run struct {
	slot *slot
	at   int
	rows []uint16
	from int // of rows that follow each other; −1: they do not
}

// NewSpread returns a Spread of rows of a schema, whose columns Spreads, over some
// partitions. The hash of rows by the keys hashOf goes along, unless that is nil.
// The memory of regions, which are shared with other processes or not, is charged
// to r.
func NewSpread(schema *columnar.Schema, hashOf columnar.KeySet, parts int, r memory.Reservation, shared bool) *Spread {
	x := &Spread{schema: schema, hashOf: hashOf, shared: shared, open: make([]*slot, parts), spread: make([]int, parts), size: firstRegion, memory: r}
	for _, f := range schema.Fields {
		x.types = append(x.types, f.Type)
	}
	if hashOf != nil {
		x.types = append(x.types, columnar.Type{Kind: columnar.Uint64})
	}
	x.cols, x.need = make([]spreadColumn, len(x.types)), make([]int, len(x.types))
	if streams && parts > 1 && parts*x.linesBytes() <= mostLines {
		x.lines = memory.NewScratch(r)
	}
	return x
}

// Spreads reports whether rows of a schema can be spread.
func Spreads(schema *columnar.Schema) bool {
	return !slices.ContainsFunc(schema.Fields, func(f columnar.Field) bool { return f.Type.IsNested() })
}

// Add adds the rows of a batch that Partition sorted. What it needs meanwhile lives
// in s. Short tells that memory is: Flush is due.
func (x *Spread) Add(b *columnar.Batch, rows []uint16, ends []uint32, s *memory.Scratch) (short bool) {
	cols := make([]columnar.Vector, len(x.types))
	for i := range b.Cols {
		cols[i] = x.settle(i, &b.Cols[i], s)
	}
	if i := len(b.Cols); x.hashOf != nil {
		h := columnar.Vector{Type: x.types[i], Width: 8, Len: b.Rows, Data: columnar.BytesOf(b.Hash)}
		cols[i] = x.settle(i, &h, s)
	}
	x.plan(cols, rows, ends)
	for i := range cols {
		x.column(i, cols[i:])
	}
	if x.lines != nil {
		fence()
	}
	x.runs = x.runs[:0]
	x.build()
	return x.short
}

// Take returns the pieces that became full; they are the caller's.
func (x *Spread) Take() []Piece {
	out := x.pieces
	x.pieces = nil
	return out
}

// Flush makes pieces of all rows. What comes next begins with small slots again.
func (x *Spread) Flush() {
	x.closeAll()
	x.drop()
	clear(x.spread)
	for i := range x.cols {
		x.cols[i].nulls = false
	}
	x.size, x.short = firstRegion, false
}

// Finish is Flush of the last rows. Few rows become stable pieces, which take no more
// than they need.
func (x *Spread) Finish() {
	few := !x.closed
	x.Flush()
	size := int64(0)
	for _, p := range x.pieces {
		size += p.Batch.DataBytes()
	}
	if !few || size > fewBytes {
		return
	}
	for i := range x.pieces {
		p := &x.pieces[i]
		p.Batch, _ = Detach(p.Batch, nil) // what nobody pays for is not refused
		p.Region.Release()
		p.Region = nil
	}
}

// Close drops what was not taken.
func (x *Spread) Close() {
	x.Flush()
	x.idle = nil
	x.lines.Close()
	for _, p := range x.Take() {
		if p.Region != nil {
			p.Region.Release()
		}
	}
}

// settle returns a column as slots have it, flat or of their dictionary. Where it
// is the first of another width or not of the dictionary, slots are closed that have
// it otherwise.
func (x *Spread) settle(i int, v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	c, t := &x.cols[i], x.types[i]
	if v.Type.Kind == columnar.Null && t.Kind != columnar.Null {
		n := Nulls(t, v.Len)
		if t.Kind == columnar.Decimal {
			n.Width = 8
		}
		return Flatten(&n, s)
	}
	if t.IsBytes() {
		if v.Enc == columnar.Dict && v.Dict.Values.Stable && !c.plain && (c.dict == v.Dict || c.dict == nil) {
			c.dict = v.Dict
			return *v
		}
		if c.dict != nil {
			x.closeAll()
		}
		c.dict, c.plain = nil, true
		return Flatten(v, s)
	}
	out := Flatten(v, s)
	if w := int(out.Width); w > c.width {
		if c.width > 0 {
			x.closeAll()
		}
		c.width = w
	}
	return out
}

// plan finds places for the rows of a batch.
func (x *Spread) plan(cols []columnar.Vector, rows []uint16, ends []uint32) {
	for i := range cols {
		if c := &x.cols[i]; c.plain {
			off := cols[i].Offsets()
			c.rows += cols[i].Len
			c.bytes += int(off[cols[i].Len] - off[0])
		}
	}
	from := 0
	x.rows = len(rows)
	for p, end := range ends {
		for from < int(end) {
			s := x.open[p]
			if s == nil || s.rows == s.cap {
				s = x.next(p, int(end)-from)
			}
			k := min(int(end)-from, s.cap-s.rows)
			some := rows[from : from+k]
			if !x.fits(s, cols, some) {
				s = x.next(p, k) // with room for their strings
				k = min(k, s.cap)
				some = some[:k]
				x.fits(s, cols, some)
			}
			first := -1
			if isRun(some) {
				first = int(some[0])
			}
			x.runs = append(x.runs, run{s, s.rows, some, first})
			s.rows += k
			x.spread[p] += k
			from += k
		}
	}
}

// fits reports whether the strings of rows fit into a slot, and leaves in need what
// they take.
func (x *Spread) fits(s *slot, cols []columnar.Vector, rows []uint16) bool {
	fits := true
	for i := range cols {
		if !x.cols[i].plain {
			continue
		}
		off, n := cols[i].Offsets(), 0
		for _, r := range rows {
			n += int(off[int(r)+1] - off[r])
		}
		x.need[i] = n
		if s.places[i].used+n > s.places[i].room {
			fits = false
		}
	}
	if fits {
		for i := range cols {
			if x.cols[i].plain {
				s.places[i].used += x.need[i]
			}
		}
		clear(x.need)
	}
	return fits
}

// next closes a partition's slot and opens another one, for n rows at least as far
// as slots are that large, and for strings of the bytes in need.
func (x *Spread) next(p, n int) *slot {
	x.close(p)
	rows := leastSlot
	for rows < 2*x.spread[p] || rows < n {
		rows *= 2
	}
	width := 0
	for i := range x.cols {
		if c := &x.cols[i]; c.plain {
			width += 4 + c.average()
		} else {
			width += max(1, c.width)
		}
	}
	for rows = min(rows, columnar.MaxRows); rows > leastSlot && rows*width > slotBytes; {
		rows /= 2
	}
	s := &slot{part: p, cap: rows, places: make([]place, len(x.cols))}
	size := 0
	take := func(n int) int { size += (n + 63) &^ 63; return size - (n+63)&^63 }
	for i := range x.cols {
		c, at := &x.cols[i], &s.places[i]
		if x.types[i].Kind == columnar.Null {
			continue
		}
		at.valid = take(columnar.BitmapBytes(rows))
		switch {
		case c.plain:
			at.data = take(4 * (rows + 1))
			at.room = max(x.need[i], rows*c.average())
			at.bytes = take(at.room + slack)
		case c.dict != nil:
			at.data = take(4 * rows)
		case x.types[i].Kind == columnar.Bool:
			at.data = take(columnar.BitmapBytes(rows))
		default:
			at.data = take(c.width * rows)
		}
	}
	clear(x.need)
	s.mem, s.region = x.cut(size)
	if x.lines != nil && s.region.Size() >= mostRegion {
		s.lines = x.newLines()
	}
	for i := range x.cols {
		if x.cols[i].plain {
			columnar.View[int32](s.mem[s.places[i].data:], 1)[0] = 0
		}
	}
	x.open[p] = s
	return s
}

// average is about what a string takes.
func (c *spreadColumn) average() int { return (c.bytes + c.bytes/8 + c.rows) / max(1, c.rows) }

// cut returns memory of the region, or of a new one, and holds it.
func (x *Spread) cut(size int) ([]byte, *memory.Region) {
	if x.region == nil || size > len(x.block) {
		x.drop()
		var paid bool
		n := max(size, x.size)
		x.region, paid = memory.NewRegion(n, size, x.memory, x.shared && n >= leastShared)
		x.block, x.short = x.region.Bytes(), x.short || !paid
		if x.size = min(2*x.size, mostRegion); !paid {
			x.size = firstRegion
		}
	}
	mem := x.block[:size:size]
	x.block = x.block[size:]
	x.region.Hold()
	return mem, x.region
}

// drop lets go of the region that slots were cut from.
func (x *Spread) drop() {
	if x.region != nil {
		x.region.Release()
	}
	x.region, x.block = nil, nil
}

// close takes the open slot of a partition for full.
func (x *Spread) close(p int) {
	if s := x.open[p]; s != nil {
		x.full = append(x.full, s)
		x.open[p] = nil
	}
}

// closeAll makes pieces of all slots. No row of a batch may be on its way to one.
func (x *Spread) closeAll() {
	for p := range x.open {
		x.close(p)
	}
	x.build()
}

// build makes pieces of full slots.
func (x *Spread) build() {
	x.closed = x.closed || len(x.full) > 0
	for i, s := range x.full {
		x.settleLines(s)
		b := &columnar.Batch{Schema: x.schema, Rows: s.rows, Cols: make([]columnar.Vector, len(x.types))}
		for c := range x.types {
			b.Cols[c] = x.vector(s, c)
		}
		if n := len(x.types) - 1; x.hashOf != nil {
			b.Hash, b.HashOf = columnar.Values[uint64](&b.Cols[n]), x.hashOf
			b.Cols = b.Cols[:n:n]
		}
		x.pieces = append(x.pieces, Piece{s.part, b, s.region})
		x.full[i] = nil
	}
	x.full = x.full[:0]
}

// vector returns a column of a slot.
func (x *Spread) vector(s *slot, i int) columnar.Vector {
	c, t, p, n := &x.cols[i], x.types[i], &s.places[i], s.rows
	v := columnar.Vector{Type: t, Len: n}
	if p.nulls {
		v.Valid = columnar.Bitmap(s.mem[p.valid : p.valid+columnar.BitmapBytes(n)])
	}
	switch {
	case t.Kind == columnar.Null:
	case c.dict != nil:
		v.Enc, v.Dict, v.Data = columnar.Dict, c.dict, s.mem[p.data:p.data+4*n]
	case c.plain:
		v.Data = s.mem[p.data : p.data+4*(n+1)]
		end := int(columnar.View[int32](v.Data, n+1)[n])
		v.Bytes = s.mem[p.bytes : p.bytes+end : p.bytes+end]
	case t.Kind == columnar.Bool:
		v.Data = s.mem[p.data : p.data+columnar.BitmapBytes(n)]
	default:
		v.Width, v.Data = uint8(c.width), s.mem[p.data:p.data+c.width*n]
	}
	return v
}
