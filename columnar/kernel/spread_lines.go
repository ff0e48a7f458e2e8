package kernel

import (
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// Writing a value of a slot makes the processor read the line of memory that it lies
// in. That is most of what spreading costs once slots are more than the caches hold:
// 200 partitions of 8 columns are 1,600 places, each of which gets some lines of a
// batch. So slots of large regions keep the last line of a column in a place of their
// own, which stays in the cache, until it is full, and full lines are written past the
// caches:
//
//	rows of a run ─► rest of the line that waits ─► full lines, gathered in registers ─► what begins the next
//	                          │ full                         │                                    │
//	                          └──────────────► slot ◄────────┘                            the line that waits
//
// (Software write-combining: Balkesen et al., Main-memory hash joins on multi-core
// CPUs, ICDE 2013, §4.)
const (
	lineBytes = 64
	lineRoom  = 2 * lineBytes // rows are gathered by the line, from wherever in it the last one ended
	mostLines = 1 << 20       // of all partitions: they have to stay in the second cache
)

// linesBytes is what the lines of a slot take: not a power of two, so that slots do
// not meet in few sets of the first cache.
func (x *Spread) linesBytes() int { return lineRoom*len(x.types) + lineBytes }

// newLines returns lines for a slot.
func (x *Spread) newLines() []byte {
	if k := len(x.idle); k > 0 {
		l := x.idle[k-1]
		x.idle = x.idle[:k-1]
		return l
	}
	return x.lines.Bytes(x.linesBytes())
}

// settleLines writes what waits in the lines of a slot to its place.
func (x *Spread) settleLines(s *slot) {
	if s.lines == nil {
		return
	}
	for i := range x.cols {
		if w := x.lined(i); w > 0 {
			n := s.rows * w
			from := n &^ (lineBytes - 1)
			copy(s.mem[s.places[i].data+from:], s.lines[i*lineRoom:][:n-from])
		}
	}
	x.idle = append(x.idle, s.lines)
	s.lines = nil
}

// lined returns the width of a column's values if slots have lines of it, else 0.
func (x *Spread) lined(i int) int {
	c := &x.cols[i]
	switch {
	case c.dict != nil:
		return 4
	case !c.plain && (c.width == 4 || c.width == 8):
		return c.width
	}
	return 0
}

// stroke is a run of rows that go to a slot with lines, as addStrokes8 and addStrokes4
// have it.
type stroke struct {
	dst  uintptr // the line of the slot that waits
	line uintptr // where it waits
	rows uintptr // of the column
	some int32   // values that wait
	n    int32   // rows
}

// spreadLines is spreadFixed for columns that slots may have lines of. Meanwhile what
// comes next is fetched into the cache.
func spreadLines[T uint32 | uint64](x *Spread, i int, data []byte, n int, ahead []byte) {
	src := columnar.View[T](data, n)
	size := int(unsafe.Sizeof(src[0]))
	values := lineBytes / size // of a line
	x.strokes = x.strokes[:0]
	left := x.rows
	for k := range x.runs {
		r := &x.runs[k]
		s := r.slot
		left -= len(r.rows)
		dst := columnar.View[T](s.mem[s.places[i].data:], s.cap)
		switch {
		case s.lines != nil && left >= values:
			x.strokes = append(x.strokes, stroke{
				dst:  uintptr(unsafe.Pointer(&dst[r.at&^(values-1)])),
				line: uintptr(unsafe.Pointer(&s.lines[i*lineRoom])),
				rows: uintptr(unsafe.Pointer(&r.rows[0])),
				some: int32(r.at & (lineBytes/size - 1)),
				n:    int32(len(r.rows)),
			})
		case s.lines != nil:
			addLines(dst, columnar.View[T](s.lines[i*lineRoom:], values), r.at, src, r.rows)
		case r.from >= 0:
			copy(dst[r.at:], src[r.from:r.from+len(r.rows)])
		default:
			gather(dst[r.at:], src, r.rows)
		}
	}
	if len(x.strokes) == 0 {
		return
	}
	if invariants.Enabled {
		for _, r := range x.runs {
			for _, row := range r.rows {
				_ = src[row]
			}
		}
	}
	next, step := unsafe.Pointer(unsafe.SliceData(ahead)), len(ahead)/n*values
	if size == 8 {
		addStrokes8(&x.strokes[0], len(x.strokes), unsafe.Pointer(&src[0]), next, step)
	} else {
		addStrokes4(&x.strokes[0], len(x.strokes), unsafe.Pointer(&src[0]), next, step)
	}
}

// addLines writes rows to a place from a row of it on. Its last line waits in line,
// unless it is full.
func addLines[T uint32 | uint64](dst, line []T, at int, src []T, rows []uint16) {
	for _, r := range rows {
		line[at%len(line)] = src[r]
		if at++; at%len(line) == 0 {
			copy(dst[at-len(line):], line)
		}
	}
}
