package kernel

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Rows of more than the caches hold, of all widths, arrive in their partitions in the
// order in which they came.
func TestSpreadLines(t *testing.T) {
	r := random(t)
	codes := &columnar.Dictionary{Values: columnar.Vector{Type: columnar.StringType, Stable: true}}
	off := []int32{0}
	for i := range 1000 {
		codes.Values.Bytes = fmt.Append(codes.Values.Bytes, "value ", i)
		off = append(off, int32(len(codes.Values.Bytes)))
	}
	codes.Values.Data, codes.Values.Len = columnar.BytesOf(off), 1000
	schema := &columnar.Schema{}
	for i, x := range []columnar.Type{columnar.Int64Type, columnar.DateType, columnar.StringType, columnar.Int64Type, columnar.StringType, {Kind: columnar.Int16}, columnar.BoolType} {
		schema.Fields = append(schema.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: x, Nullable: i == 3})
	}
	broker := memory.NewBroker(1 << 30)
	res := broker.Reserve("task", 0)
	parts := 2 + r.IntN(60)
	x := NewSpread(schema, nil, parts, res, false)
	want, got, lines := make([][]int64, parts), make([][]int64, parts), 0
	next := int64(0)
	take := func() {
		for _, p := range x.Take() {
			b := p.Batch
			ids := columnar.Values[int64](&b.Cols[0])[:b.Rows]
			got[p.Partition] = append(got[p.Partition], ids...)
			for i, id := range ids {
				text := fmt.Sprint("text ", id)
				switch {
				case columnar.Values[int32](&b.Cols[1])[i] != int32(id*7), b.Cols[2].Codes()[i] != uint32(id%1000), string(b.Cols[4].BytesAt(i)) != text,
					columnar.Values[int16](&b.Cols[5])[i] != int16(id), b.Cols[6].Bits().Get(i) != (id%3 == 0):
					t.Fatalf("row %d of partition %d has values of others", id, p.Partition)
				case b.Cols[3].NullAt(i) != (id%5 == 0 && id > 60000) || id%5 != 0 && columnar.Values[int64](&b.Cols[3])[i] != -id:
					t.Fatalf("row %d of partition %d has another fourth column", id, p.Partition)
				}
			}
			p.Region.Release()
		}
	}
	for k := range 90 {
		n := 1 + r.IntN(columnar.MaxRows)
		ids, days, code, negative, small, bits := make([]int64, n), make([]int32, n), make([]uint32, n), make([]int64, n), make([]int16, n), columnar.NewBitmap(n)
		valid, ends, text := columnar.NewBitmap(n), make([]int32, n+1), []byte{}
		for i := range n {
			id := next
			next++
			ids[i], days[i], code[i], negative[i], small[i] = id, int32(id*7), uint32(id%1000), -id, int16(id)
			bits.SetTo(i, id%3 == 0)
			valid.SetTo(i, id%5 != 0 || id <= 60000)
			text = fmt.Append(text, "text ", id)
			ends[i+1] = int32(len(text))
		}
		b := &columnar.Batch{Schema: schema, Rows: n, Cols: []columnar.Vector{
			{Type: schema.Fields[0].Type, Width: 8, Len: n, Data: columnar.BytesOf(ids)},
			{Type: schema.Fields[1].Type, Width: 4, Len: n, Data: columnar.BytesOf(days)},
			{Type: schema.Fields[2].Type, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(code), Dict: codes},
			{Type: schema.Fields[3].Type, Width: 8, Len: n, Data: columnar.BytesOf(negative), Valid: valid},
			{Type: schema.Fields[4].Type, Len: n, Data: columnar.BytesOf(ends), Bytes: text},
			{Type: schema.Fields[5].Type, Width: 2, Len: n, Data: columnar.BytesOf(small)},
			{Type: schema.Fields[6].Type, Len: n, Data: bits},
		}}
		if k%4 == 0 {
			b.Sel = sorted(r.IntN(n+1), n, r.IntN)
		}
		hash := make([]uint64, n)
		for i := range hash {
			hash[i] = HashWord(uint64(ids[i]) / 3)
		}
		rows, to := Partition(hash, n, b.Sel, parts, nil)
		if k%9 == 0 {
			rows, to = One(n, b.Sel, r.IntN(parts), parts, nil)
		}
		from := uint32(0)
		for p, end := range to {
			for _, i := range rows[from:end] {
				want[p] = append(want[p], ids[i])
			}
			from = end
		}
		x.Add(b, rows, to, nil)
		for _, s := range x.open {
			if s != nil && s.lines != nil {
				lines++
			}
		}
		if k == 70 {
			x.Flush()
		}
		take()
	}
	x.Finish()
	take()
	x.Close()
	for p := range want {
		if !slices.Equal(want[p], got[p]) {
			t.Errorf("partition %d of %d: %d rows of %d, or others", p, parts, len(got[p]), len(want[p]))
		}
	}
	if streams && lines == 0 {
		t.Error("no slot had lines")
	}
	res.Close()
	if broker.Reserved() != 0 {
		t.Errorf("%d bytes are reserved", broker.Reserved())
	}
}

// sorted returns k of n rows in order.
func sorted(k, n int, below func(int) int) (rows []uint16) {
	for i := range n {
		if below(n-i) < k-len(rows) {
			rows = append(rows, uint16(i))
		}
	}
	return rows
}

// Strokes write what a loop over their rows does, and nothing beside it.
func TestStrokes(t *testing.T) {
	if !streams {
		t.Skip("strokes are of amd64")
	}
	t.Run("8", func(t *testing.T) { strokes[uint64](t, addStrokes8) })
	t.Run("4", func(t *testing.T) { strokes[uint32](t, addStrokes4) })
}

func strokes[T uint32 | uint64](t *testing.T, draw func(*stroke, int, unsafe.Pointer, unsafe.Pointer, int)) {
	r := random(t)
	values := lineBytes / int(unsafe.Sizeof(T(0)))
	src := make([]T, 1000)
	for i := range src {
		src[i] = T(r.Uint64())
	}
	room := func(n int) []T { // aligned to lines, with a margin
		b := columnar.View[T]((*memory.Scratch)(nil).Bytes(8*(n+2*values)), n+2*values)
		for i := range b {
			b[i] = T(i)
		}
		return b
	}
	for range 2000 {
		k := 1 + r.IntN(5)
		rows, all := make([]uint16, 0, 600), []stroke{}
		type place struct{ dst, line, wantDst, wantLine []T }
		var places []place
		var counts, some []int
		for range k {
			counts, some = append(counts, 1+r.IntN(1+r.IntN(100))), append(some, r.IntN(values))
			for range counts[len(counts)-1] {
				rows = append(rows, uint16(r.IntN(len(src))))
			}
		}
		for range values {
			rows = append(rows, uint16(r.IntN(len(src))))
		}
		from := 0
		for i, n := range counts {
			p := place{room(n + values), room(2 * values), room(n + values), room(2 * values)}
			places = append(places, p)
			all = append(all, stroke{uintptr(unsafe.Pointer(&p.dst[0])), uintptr(unsafe.Pointer(&p.line[0])), uintptr(unsafe.Pointer(&rows[from])), int32(some[i]), int32(n)})
			addLines(p.wantDst, p.wantLine[:values], some[i], src, rows[from:from+n])
			from += n
		}
		draw(&all[0], k, unsafe.Pointer(&src[0]), nil, 0)
		fence()
		for i, p := range places {
			if wait := (some[i] + counts[i]) % values; !slices.Equal(p.dst, p.wantDst) || !slices.Equal(p.line[:wait], p.wantLine[:wait]) || !slices.Equal(p.line[2*values:], p.wantLine[2*values:]) {
				t.Fatalf("%d rows behind %d", counts[i], some[i])
			}
		}
	}
}
