package agg

import (
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// foreign is the state of an aggregate function that is not the engine's own. What
// went wrong is told when states or results are asked for.
type foreign struct {
	groups expr.Groups
	place  diag.Pos
	err    error
}

func (s *foreign) grow(n int) { s.groups.Grow(n) }
func (s *foreign) track(int)  {}

func (s *foreign) update(args []columnar.Vector, groups []uint32) {
	if s.err == nil {
		s.err = s.placed(s.groups.Update(args, groups))
	}
}

func (s *foreign) merge(st []columnar.Vector, groups []uint32) {
	if s.err == nil {
		s.err = s.placed(s.groups.Merge(&st[0], groups))
	}
}

func (s *foreign) states(from, n int) ([]columnar.Vector, error) {
	if s.err != nil {
		return nil, s.err
	}
	v, err := s.groups.States(from, n)
	return []columnar.Vector{v}, s.placed(err)
}

func (s *foreign) result(from, n int) (columnar.Vector, error) {
	if s.err != nil {
		return columnar.Vector{}, s.err
	}
	v, err := s.groups.Result(from, n)
	return v, s.placed(err)
}

// placed gives an error the place of the call.
func (s *foreign) placed(err error) error {
	var e *diag.Error
	if s.place == 0 || !errors.As(err, &e) || e.Pos != 0 {
		return err
	}
	d := *e
	d.Pos = s.place
	return &d
}

func (s *foreign) reset()       { s.groups.Reset() }
func (s *foreign) bytes() int64 { return s.groups.Bytes() }
