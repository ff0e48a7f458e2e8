package wire

import (
	"crypto/sha256"

	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// StageSpec is a stage as an executor sees it.
type StageSpec struct {
	ID     int
	Plan   physical.Plan
	Inputs []stage.Input
	Out    *stage.Output
	Class  stage.Determinism
	Conf   []catalog.Option // settings that execution depends on, sorted by key
}

// Hash names an encoded stage.
func Hash(encoded []byte) [32]byte { return sha256.Sum256(encoded) }

// partitioning writes fields of an output: 2 to 5 and 7.
func (e *encoder) partitioning(p physical.Partitioning, order []expr.SortOrder) {
	e.uint(2, uint64(p.Kind))
	e.int(3, int64(p.Count))
	e.ints(4, p.Keys)
	e.order(5, order)
	e.bool(7, p.Fixed)
}

// Fingerprint returns what exchanges have in common that hold the same rows of the
// same inputs, distributed alike: the plan of the stage that writes them, whose
// exchanges below are Sources, and how they distribute its rows. Where in the text of
// the query an expression stands is not in it.
func Fingerprint(root physical.Plan, p physical.Partitioning, order []expr.SortOrder) string {
	e := encoder{nowhere: true}
	e.plan(1, root)
	e.partitioning(p, order)
	return string(e.b)
}

// EncodeStage encodes a stage with the settings that its tasks need.
func EncodeStage(s *stage.Stage, conf []catalog.Option) ([]byte, error) {
	var e encoder
	e.uint(1, Version)
	e.int(2, int64(s.ID))
	e.plan(3, s.Root)
	for _, in := range s.Inputs {
		e.message(4, func(e *encoder) {
			e.int(1, int64(in.Exchange))
			e.int(2, int64(in.Stage))
			e.uint(3, uint64(in.Mode))
			e.int(4, int64(in.Leaf))
		})
	}
	if s.Out != nil {
		e.message(5, func(e *encoder) {
			e.int(1, int64(s.Out.Exchange))
			e.runtimeFilters(6, s.Out.Filters)
			e.partitioning(s.Out.Partitioning, s.Out.Order)
		})
	}
	e.uint(6, uint64(s.Class))
	for _, o := range conf {
		e.message(7, func(e *encoder) {
			e.string(1, o.Key)
			e.string(2, o.Value)
		})
	}
	if len(e.b) > MaxStageBytes {
		return nil, malformed("a stage of %d bytes; the limit is %d", len(e.b), MaxStageBytes)
	}
	return e.b, nil
}

// DecodeStage decodes and verifies what EncodeStage made. The functions that calls
// name are among functions; nil stands for expr.Builtins.
func DecodeStage(b []byte, functions expr.Lookup) (*StageSpec, error) {
	if functions == nil {
		functions = expr.Builtins()
	}
	if len(b) > MaxStageBytes {
		return nil, malformed("a stage of %d bytes; the limit is %d", len(b), MaxStageBytes)
	}
	s, d, version := &StageSpec{}, &decoder{functions: functions}, uint64(0)
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			version = f.value
		case 2:
			s.ID = f.int()
		case 3:
			s.Plan, err = d.plan(f.data)
		case 4:
			var in stage.Input
			err = fields(f.data, func(f field) error {
				switch f.num {
				case 1:
					in.Exchange = f.int()
				case 2:
					in.Stage = f.int()
				case 3:
					in.Mode = physical.SourceMode(f.value)
				case 4:
					in.Leaf = f.int()
				}
				return nil
			})
			s.Inputs = append(s.Inputs, in)
		case 5:
			s.Out, err = d.output(f.data)
		case 6:
			if f.value > uint64(stage.Unstable) {
				return malformed("class %d", f.value)
			}
			s.Class = stage.Determinism(f.value)
		case 7:
			var o catalog.Option
			err = fields(f.data, func(f field) error {
				if f.num == 1 {
					o.Key = f.string()
				} else {
					o.Value = f.string()
				}
				return nil
			})
			s.Conf = append(s.Conf, o)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if version != Version {
		return nil, malformed("version %d; this executor speaks %d", version, Version)
	}
	if s.Plan == nil {
		return nil, malformed("stage without a plan")
	}
	if s.Out != nil {
		n := s.Plan.Schema().Len()
		if err := firstError(positions(s.Out.Partitioning.Keys, n), boundOrder(s.Plan.Schema(), s.Out.Order), runtimeFilters(s.Out.Filters, n)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// maxPartitions bounds what a message may claim.
const maxPartitions = 1 << 20

func (d *decoder) output(b []byte) (*stage.Output, error) {
	o := &stage.Output{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			o.Exchange = f.int()
		case 2:
			if f.value > uint64(physical.Broadcast) {
				return malformed("partitioning %d", f.value)
			}
			o.Partitioning.Kind = physical.PartitioningKind(f.value)
		case 3:
			o.Partitioning.Count = f.int()
			if o.Partitioning.Count < 0 || o.Partitioning.Count > maxPartitions {
				return malformed("%d partitions", o.Partitioning.Count)
			}
		case 4:
			o.Partitioning.Keys, err = f.ints()
		case 5:
			err = d.order(f.data, &o.Order)
		case 6:
			err = runtimeFilter(f, &o.Filters)
		case 7:
			o.Partitioning.Fixed = f.bool()
		}
		return err
	})
	return o, err
}
