package agg

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// state holds one aggregate's values by group number. Vectors passed in are
// flat and without nulls that count: rows with a null argument have group 0.
type state interface {
	// grow makes room for groups below n. It is called before rows of new groups
	// are added.
	grow(n int)
	// track is called before the first rows that do not count, and after every
	// reset of a state that was told: groups below fresh have had a row that did.
	track(fresh int)
	// update adds rows.
	update(args []columnar.Vector, groups []uint32)
	// merge adds states, in the columns of physical.StateTypes; nulls are the
	// state's own business here.
	merge(states []columnar.Vector, groups []uint32)
	// states and result return the columns of groups [from, from+n), stable.
	states(from, n int) ([]columnar.Vector, error)
	result(from, n int) (columnar.Vector, error)
	// reset forgets all groups, but keeps the memory.
	reset()
	bytes() int64
}

// newState returns the state of a call, or an error for a function that is not
// there yet.
func newState(c physical.AggCall) (state, error) {
	if c.Foreign != nil {
		return &foreign{groups: c.Foreign.Groups(), place: c.Place}, nil
	}
	arg := columnar.NullType
	if len(c.ArgTypes) > 0 {
		arg = c.ArgTypes[0]
	}
	switch c.Fn {
	case "count":
		return &countState{}, nil
	case "count_if":
		return &countState{when: true}, nil
	case "sum":
		if c.Result.IsFloat() {
			return &floatSum{}, nil
		}
		return &exactSum{call: c}, nil
	case "avg":
		if arg.Kind == columnar.Decimal {
			return &exactSum{call: c, avg: true}, nil
		}
		return &floatSum{avg: true}, nil
	case "min", "max":
		return newExtreme(c.Fn == "max", c.Result), nil
	case "first", "last", "any_value":
		return &pick{last: c.Fn == "last", seenColumn: c.Fn != "any_value", typ: c.Result}, nil
	case "collect_list":
		return newList(c.Result), nil
	case "bool_and", "bool_or":
		return &boolState{or: c.Fn == "bool_or"}, nil
	case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return &moments{fn: c.Fn}, nil
	}
	return nil, diag.NewAt(c.Place, diag.Unsupported, "the aggregate function %s is not supported yet", c.Fn)
}

func fixed[T columnar.Fixed](t columnar.Type, xs []T) columnar.Vector {
	return columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Len: len(xs), Data: columnar.BytesOf(xs), Stable: true}
}

// countState counts rows, or true ones.
type countState struct {
	n    []int64
	when bool // count_if
}

func countRows(n []int64, groups []uint32) {
	for _, g := range groups {
		n[g]++
	}
}

func (s *countState) grow(n int) { s.n = extend(s.n, n) }
func (s *countState) track(int)  {}
func (s *countState) update(args []columnar.Vector, groups []uint32) {
	if s.when {
		b := args[0].Bits()
		for i, g := range groups {
			s.n[g] += int64(b[i>>3] >> (i & 7) & 1)
		}
		return
	}
	countRows(s.n, groups)
}
func (s *countState) merge(st []columnar.Vector, groups []uint32) {
	addNarrow(s.n, columnar.Values[int64](&st[0]), groups)
}
func (s *countState) result(from, n int) (columnar.Vector, error) {
	return fixed(columnar.Int64Type, append([]int64{}, s.n[from:from+n]...)), nil
}
func (s *countState) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}
func (s *countState) reset()       { s.n = wiped(s.n) }
func (s *countState) bytes() int64 { return int64(8 * cap(s.n)) }

// boolState is bool_and or bool_or.
type boolState struct {
	or bool
	v  []uint8 // 0 none, 1 false, 2 true
}

func (s *boolState) grow(n int) { s.v = extend(s.v, n) }
func (s *boolState) track(int)  {}
func (s *boolState) update(args []columnar.Vector, groups []uint32) {
	b := args[0].Bits()
	for i, g := range groups {
		x := 1 + b[i>>3]>>(i&7)&1
		old := s.v[g]
		if old == 0 || s.or == (x > old) && x != old {
			s.v[g] = x
		}
	}
}
func (s *boolState) merge(st []columnar.Vector, groups []uint32) { s.update(st, groups) }
func (s *boolState) result(from, n int) (columnar.Vector, error) {
	b := columnar.NewBitmap(n)
	for i := range n {
		b.SetTo(i, s.v[from+i] == 2)
	}
	return columnar.Vector{Type: columnar.BoolType, Len: n, Data: b, Stable: true,
		Valid: valid(n, func(i int) bool { return s.v[from+i] != 0 })}, nil
}
func (s *boolState) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}
func (s *boolState) reset()       { s.v = wiped(s.v) }
func (s *boolState) bytes() int64 { return int64(cap(s.v)) }
