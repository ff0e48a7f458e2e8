package agg

import (
	"errors"
	"sort"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// listState is collect_list: the values of all groups one after the other as
// they come, each with its group, put in order when they are asked for.
type listState struct {
	typ     columnar.Type // of the list
	values  *kernel.Appender
	of      []uint32 // group per value; nil while all are in one
	only    uint32   // that group
	n       int      // groups
	starts  []uint32 // of each group in order; nil if out of date
	order   []uint32 // values by group; nil with of
	picked  []uint16
	element *columnar.Schema
	err     error // of appending, told when the values are asked for
}

func newList(t columnar.Type) *listState {
	s := &listState{typ: t, element: &columnar.Schema{Fields: t.Nested.Fields}}
	s.reset()
	return s
}

func (s *listState) grow(n int) { s.n = n }
func (s *listState) track(int)  {}

// add notes the groups of values that were appended.
func (s *listState) add(groups []uint32) {
	s.starts, s.order = nil, nil
	before := s.values.Len() - len(groups)
	if s.of == nil {
		if before == 0 {
			s.only = groups[0]
		}
		same := true
		for _, g := range groups {
			same = same && g == s.only
		}
		if same {
			return
		}
		s.of = make([]uint32, before, max(2*before, 1024))
		for i := range s.of {
			s.of[i] = s.only
		}
	}
	s.of = append(s.of, groups...)
}

func (s *listState) update(args []columnar.Vector, groups []uint32) {
	s.picked = s.picked[:0]
	live := make([]uint32, 0, len(groups))
	for i, g := range groups {
		if g != 0 {
			s.picked, live = append(s.picked, uint16(i)), append(live, g)
		}
	}
	if len(live) == 0 {
		return
	}
	b := &columnar.Batch{Cols: args, Rows: len(groups)}
	s.err = errors.Join(s.err, s.values.AppendRows(b, s.picked))
	s.add(live)
}

func (s *listState) merge(st []columnar.Vector, groups []uint32) {
	v := &st[0]
	off := v.Offsets()
	var live []uint32
	for i, g := range groups {
		n := int(off[i+1] - off[i])
		if g == 0 || n == 0 {
			continue
		}
		kid := kernel.Slice(&v.Kids[0], int(off[i]), n, nil)
		s.err = errors.Join(s.err, s.values.Append(&columnar.Batch{Cols: []columnar.Vector{kid}, Rows: n}))
		for range n {
			live = append(live, g)
		}
	}
	if len(live) > 0 {
		s.add(live)
	}
}

// arrange orders the values by their groups.
func (s *listState) arrange() {
	if s.starts != nil {
		return
	}
	s.starts = make([]uint32, s.n+1)
	if s.of == nil {
		for g := int(s.only) + 1; g < len(s.starts) && s.values.Len() > 0; g++ {
			s.starts[g] = uint32(s.values.Len())
		}
		return
	}
	for _, g := range s.of {
		s.starts[g+1]++
	}
	for g := range s.n {
		s.starts[g+1] += s.starts[g]
	}
	s.order = make([]uint32, len(s.of))
	for i, g := range s.of {
		s.order[s.starts[g]] = uint32(i)
		s.starts[g]++
	}
	copy(s.starts[1:], s.starts)
	s.starts[0] = 0
}

// mostValues bounds what is copied at a time to bring the values of groups together.
const mostValues = 64 << 10

// fit returns how many of n groups have at most mostValues values, at least one.
func (s *listState) fit(from, n int) int {
	if n <= 1 || s.values.Len() <= mostValues {
		return n
	}
	s.arrange()
	first := s.starts[from]
	return max(1, sort.Search(n, func(k int) bool { return s.starts[from+k+1]-first > mostValues }))
}

func (s *listState) result(from, n int) (columnar.Vector, error) {
	if s.err != nil {
		return columnar.Vector{}, s.err
	}
	s.arrange()
	first := s.starts[from]
	off := make([]int32, n+1)
	for i := range off {
		off[i] = int32(s.starts[from+i] - first)
	}
	all := s.values.Batch(s.element, 0, s.values.Len()).Cols[0]
	var kid columnar.Vector
	if s.of == nil {
		kid = kernel.Slice(&all, int(first), int(off[n]), nil)
	} else {
		kid = kernel.Take(&all, s.order[first:first+uint32(off[n])], nil)
	}
	return columnar.Vector{Type: s.typ, Len: n, Data: columnar.BytesOf(off), Kids: []columnar.Vector{kid}, Stable: true}, nil
}

func (s *listState) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}

func (s *listState) reset() {
	s.values = kernel.NewAppender([]columnar.Type{s.typ.Nested.Fields[0].Type}, nil)
	s.of, s.starts, s.order, s.err = nil, nil, nil, nil
}

// bytes counts what ordering will take, too.
func (s *listState) bytes() int64 { return s.values.Bytes() + int64(8*cap(s.of)) }
