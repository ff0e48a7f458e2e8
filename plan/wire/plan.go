package wire

import (
	"bytes"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Field numbers of the plan message: exactly one of these is present.
const (
	planScan = iota + 1
	planValues
	planSource
	planFilter
	planProject
	planAggregate
	planHashJoin
	planLoopJoin
	planSort
	planTopN
	planLimit
	planUnion
	planWrite
	planWindow
	planExpand
	planAccumulate
	planApply
	planGenerate
)

func (e *encoder) plan(f int, p physical.Plan) {
	e.message(f, func(e *encoder) {
		switch x := p.(type) {
		case *physical.Scan:
			e.message(planScan, func(e *encoder) { e.scan(x) })
		case *physical.Values:
			e.message(planValues, func(e *encoder) {
				e.int(1, int64(x.Leaf))
				e.schema(2, x.Out)
				for _, row := range x.Rows {
					e.message(3, func(e *encoder) {
						for _, l := range row {
							e.message(1, func(e *encoder) { e.literal(l) })
						}
					})
				}
			})
		case *physical.Source:
			e.message(planSource, func(e *encoder) {
				e.int(1, int64(x.Leaf))
				e.int(2, int64(x.Exchange))
				e.uint(3, uint64(x.Mode))
				e.order(4, x.Order)
				e.schema(5, x.Out)
				e.float(6, x.Rows)
			})
		case *physical.Filter:
			e.message(planFilter, func(e *encoder) {
				e.exprs(1, x.Conjuncts)
				e.plan(2, x.Child)
				e.runtimeFilters(3, x.RuntimeFilters)
			})
		case *physical.Project:
			e.message(planProject, func(e *encoder) {
				e.exprs(1, x.Exprs)
				e.schema(2, x.Out)
				e.plan(3, x.Child)
			})
		case *physical.Aggregate:
			e.message(planAggregate, func(e *encoder) { e.aggregate(x) })
		case *physical.HashJoin:
			e.message(planHashJoin, func(e *encoder) { e.hashJoin(x) })
		case *physical.LoopJoin:
			e.message(planLoopJoin, func(e *encoder) {
				e.uint(1, uint64(x.Kind))
				e.bool(2, x.Shared)
				e.plan(3, x.Left)
				e.plan(4, x.Right)
				if x.Cond != nil {
					e.expr(5, x.Cond)
				}
				e.ints(6, x.Output)
				e.schema(7, x.Out)
				e.place(8, x.Place)
			})
		case *physical.Sort:
			e.message(planSort, func(e *encoder) {
				e.order(1, x.Order)
				e.plan(2, x.Child)
			})
		case *physical.TopN:
			e.message(planTopN, func(e *encoder) {
				e.order(1, x.Order)
				e.int(2, x.Count)
				e.int(3, x.Offset)
				e.bool(4, x.Partial)
				e.plan(5, x.Child)
				e.int(6, int64(x.Filter))
			})
		case *physical.Limit:
			e.message(planLimit, func(e *encoder) {
				e.int(2, x.Count)
				e.int(3, x.Offset)
				e.bool(4, x.Partial)
				e.plan(5, x.Child)
			})
		case *physical.Union:
			e.message(planUnion, func(e *encoder) {
				for _, k := range x.Inputs {
					e.plan(1, k)
				}
				e.schema(2, x.Out)
			})
		case *physical.Write:
			e.message(planWrite, func(e *encoder) {
				e.string(1, x.Format)
				e.string(2, x.Path)
				e.string(3, x.Staging)
				e.uint(4, uint64(x.Mode))
				for _, o := range x.Options {
					e.message(5, func(e *encoder) {
						e.string(1, o.Key)
						e.string(2, o.Value)
					})
				}
				e.ints(6, x.PartitionBy)
				e.plan(7, x.Child)
			})
		case *physical.Apply:
			e.message(planApply, func(e *encoder) {
				e.string(1, x.Fn)
				e.bytes(2, x.Args)
				e.exprs(3, x.List)
				e.schema(4, x.Out)
				e.plan(5, x.Child)
			})
		case *physical.Generate:
			e.message(planGenerate, func(e *encoder) { e.generate(x) })
		case *physical.Accumulate:
			e.message(planAccumulate, func(e *encoder) {
				e.int(1, int64(x.ID))
				e.string(2, x.Name)
				e.bool(3, x.Sum)
				e.exprs(4, x.List)
				e.plan(5, x.Child)
			})
		case *physical.Window:
			e.message(planWindow, func(e *encoder) { e.window(x) })
		case *physical.Expand:
			e.message(planExpand, func(e *encoder) {
				e.ints(1, x.Keys)
				for i, set := range x.Sets {
					e.message(2, func(e *encoder) {
						e.ints(1, set)
						e.int(2, x.IDs[i])
					})
				}
				e.schema(3, x.Out)
				e.plan(4, x.Child)
			})
		default: // an Exchange would mean that the plan was not cut
			panic("wire: plan node cannot travel: " + p.String())
		}
	})
}

func (e *encoder) exprs(f int, es []expr.Expr) {
	for _, x := range es {
		e.expr(f, x)
	}
}

func (e *encoder) scan(x *physical.Scan) {
	e.int(1, int64(x.Leaf))
	e.string(2, x.Name)
	e.string(3, x.Table.Connector)
	e.bytes(4, x.Table.Data)
	e.ints(5, x.Columns)
	e.schema(6, x.Read)
	e.exprs(7, x.Filters)
	e.ints(8, x.Project)
	e.runtimeFilters(9, x.RuntimeFilters)
	e.float(10, x.Rows)
	if d := x.Dataset; d != nil {
		e.message(11, func(e *encoder) {
			e.int(1, int64(d.ID))
			e.bool(2, d.Storage.Memory)
			e.bool(3, d.Storage.Disk)
			e.bool(4, d.Storage.Serialized)
			e.int(5, int64(d.Storage.Replicas))
			e.int(6, int64(d.Storage.Priority))
			e.plan(7, d.Origin)
		})
	}
}

func (e *encoder) aggregate(x *physical.Aggregate) {
	e.uint(1, uint64(x.Mode))
	e.exprs(2, x.Keys)
	for _, a := range x.Aggs {
		e.message(3, func(e *encoder) {
			e.string(1, a.Fn)
			e.exprs(2, a.Args)
			for _, t := range a.ArgTypes {
				e.typ(3, t)
			}
			if a.Filter != nil {
				e.expr(4, a.Filter)
			}
			e.bool(5, a.Distinct)
			e.typ(6, a.Result)
			e.bool(7, a.Null)
			e.place(8, a.Place)
		})
	}
	e.schema(4, x.Out)
	e.plan(5, x.Child)
	e.float(6, x.Groups)
}

func (e *encoder) hashJoin(x *physical.HashJoin) {
	e.uint(1, uint64(x.Kind))
	e.bool(2, x.BuildLeft)
	e.bool(3, x.Shared)
	e.plan(4, x.Left)
	e.plan(5, x.Right)
	e.exprs(6, x.LeftKeys)
	e.exprs(7, x.RightKeys)
	for _, n := range x.NullSafe {
		e.message(8, func(e *encoder) { e.bool(1, n) })
	}
	if x.Residual != nil {
		e.expr(9, x.Residual)
	}
	e.ints(10, x.Output)
	e.schema(11, x.Out)
	e.ints(12, x.RuntimeFilters)
	e.float(13, x.BuildRows)
	e.place(14, x.Place)
	e.bool(15, x.Together)
}

func (d *decoder) plan(b []byte) (p physical.Plan, err error) {
	if err = d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case planScan:
			p, err = d.scan(f.data)
		case planValues:
			p, err = d.values(f.data)
		case planSource:
			p, err = d.source(f.data)
		case planFilter:
			x := &physical.Filter{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					err = d.exprs(f.data, &x.Conjuncts)
				case 2:
					x.Child, err = d.plan(f.data)
				case 3:
					err = runtimeFilter(f, &x.RuntimeFilters)
				}
				return err
			})
		case planProject:
			x := &physical.Project{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					err = d.exprs(f.data, &x.Exprs)
				case 2:
					x.Out, err = d.schema(f.data)
				case 3:
					x.Child, err = d.plan(f.data)
				}
				return err
			})
		case planAggregate:
			p, err = d.aggregate(f.data)
		case planHashJoin:
			p, err = d.hashJoin(f.data)
		case planLoopJoin:
			p, err = d.loopJoin(f.data)
		case planSort:
			x := &physical.Sort{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					err = d.order(f.data, &x.Order)
				case 2:
					x.Child, err = d.plan(f.data)
				}
				return err
			})
		case planTopN:
			x := &physical.TopN{}
			p, err = x, fields(f.data, func(f field) error {
				switch f.num {
				case 1:
					return d.order(f.data, &x.Order)
				case 6:
					x.Filter = int(f.int64())
					return nil
				}
				return d.limit(f, &x.Count, &x.Offset, &x.Partial, &x.Child)
			})
		case planLimit:
			x := &physical.Limit{}
			p, err = x, fields(f.data, func(f field) error {
				return d.limit(f, &x.Count, &x.Offset, &x.Partial, &x.Child)
			})
		case planUnion:
			x := &physical.Union{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					var k physical.Plan
					k, err = d.plan(f.data)
					x.Inputs = append(x.Inputs, k)
				case 2:
					x.Out, err = d.schema(f.data)
				}
				return err
			})
		case planWrite:
			p, err = d.write(f.data)
		case planWindow:
			p, err = d.window(f.data)
		case planExpand:
			p, err = d.expand(f.data)
		case planApply:
			x := &physical.Apply{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					var fn *expr.Function
					if fn, err = d.function(f.string()); err == nil {
						x.Fn, x.Foreign = fn.Key(), fn.Partition
					}
				case 2:
					x.Args = bytes.Clone(f.data)
				case 3:
					err = d.exprs(f.data, &x.List)
				case 4:
					x.Out, err = d.schema(f.data)
				case 5:
					x.Child, err = d.plan(f.data)
				}
				return err
			})
		case planGenerate:
			p, err = d.generate(f.data)
		case planAccumulate:
			x := &physical.Accumulate{}
			p, err = x, fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					x.ID = f.int()
				case 2:
					x.Name = f.string()
				case 3:
					x.Sum = f.bool()
				case 4:
					err = d.exprs(f.data, &x.List)
				case 5:
					x.Child, err = d.plan(f.data)
				}
				return err
			})
		default:
			err = malformed("plan field %d", f.num)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, malformed("empty plan")
	}
	return p, check(p)
}

// limit decodes the fields that Limit and TopN have in common.
func (d *decoder) limit(f field, count, offset *int64, partial *bool, child *physical.Plan) (err error) {
	switch f.num {
	case 2:
		*count = f.int64()
	case 3:
		*offset = f.int64()
	case 4:
		*partial = f.bool()
	case 5:
		*child, err = d.plan(f.data)
	}
	return err
}

func (d *decoder) scan(b []byte) (*physical.Scan, error) {
	x := &physical.Scan{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Leaf = f.int()
		case 2:
			x.Name = f.string()
		case 3:
			x.Table.Connector = f.string()
		case 4:
			x.Table.Data = append([]byte{}, f.data...)
		case 5:
			x.Columns, err = f.ints()
		case 6:
			x.Read, err = d.schema(f.data)
		case 7:
			err = d.exprs(f.data, &x.Filters)
		case 8:
			x.Project, err = f.ints()
		case 9:
			err = runtimeFilter(f, &x.RuntimeFilters)
		case 10:
			x.Rows = f.float()
		case 11:
			x.Dataset, err = d.dataset(f.data)
		}
		return err
	})
	return x, err
}

func (d *decoder) dataset(b []byte) (*physical.Dataset, error) {
	x := &physical.Dataset{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.ID = f.int()
		case 2:
			x.Storage.Memory = f.value != 0
		case 3:
			x.Storage.Disk = f.value != 0
		case 4:
			x.Storage.Serialized = f.value != 0
		case 5:
			x.Storage.Replicas = f.int()
		case 6:
			x.Storage.Priority = f.int()
		case 7:
			x.Origin, err = d.plan(f.data)
		}
		return err
	})
	return x, err
}

func (d *decoder) values(b []byte) (*physical.Values, error) {
	x := &physical.Values{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Leaf = f.int()
		case 2:
			x.Out, err = d.schema(f.data)
		case 3:
			var row []*expr.Literal
			err = fields(f.data, func(f field) error {
				l, err := d.literal(f.data)
				row = append(row, l)
				return err
			})
			x.Rows = append(x.Rows, row)
		}
		return err
	})
	return x, err
}

func (d *decoder) source(b []byte) (*physical.Source, error) {
	x := &physical.Source{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Leaf = f.int()
		case 2:
			x.Exchange = f.int()
		case 3:
			if f.value > uint64(physical.ReadMerge) {
				return malformed("source mode %d", f.value)
			}
			x.Mode = physical.SourceMode(f.value)
		case 4:
			err = d.order(f.data, &x.Order)
		case 5:
			x.Out, err = d.schema(f.data)
		case 6:
			x.Rows = f.float()
		}
		return err
	})
	return x, err
}

func (d *decoder) aggregate(b []byte) (*physical.Aggregate, error) {
	x := &physical.Aggregate{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			if f.value > uint64(physical.AggEager) {
				return malformed("aggregate mode %d", f.value)
			}
			x.Mode = physical.AggMode(f.value)
		case 2:
			err = d.exprs(f.data, &x.Keys)
		case 3:
			var a physical.AggCall
			a, err = d.aggCall(f.data)
			x.Aggs = append(x.Aggs, a)
		case 4:
			x.Out, err = d.schema(f.data)
		case 5:
			x.Child, err = d.plan(f.data)
		case 6:
			x.Groups = f.float()
		}
		return err
	})
	return x, err
}

func (d *decoder) aggCall(b []byte) (a physical.AggCall, err error) {
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			a.Fn = f.string()
		case 2:
			err = d.exprs(f.data, &a.Args)
		case 3:
			var t columnar.Type
			t, err = d.typ(f.data)
			a.ArgTypes = append(a.ArgTypes, t)
		case 4:
			a.Filter, err = d.expr(f.data)
		case 5:
			a.Distinct = f.bool()
		case 6:
			a.Result, err = d.typ(f.data)
		case 7:
			a.Null = f.bool()
		case 8:
			a.Place = diag.Pos(f.value)
		}
		return err
	})
	if err == nil {
		var fn *expr.Function
		if fn, err = d.function(a.Fn); err != nil {
			return a, err
		}
		a.Foreign = fn.Aggregate
		if fn.Kind != expr.AggregateFunction {
			err = malformed("%q is no aggregate", a.Fn)
		} else if len(a.Args) != len(a.ArgTypes) || len(a.Args) == 0 && a.Fn != "count" {
			err = malformed("arguments of %s", a.Fn)
		}
	}
	return a, err
}

func joinKind(f field) (logical.JoinKind, error) {
	if f.value > uint64(logical.LeftMark) {
		return 0, malformed("join kind %d", f.value)
	}
	return logical.JoinKind(f.value), nil
}

func (d *decoder) hashJoin(b []byte) (*physical.HashJoin, error) {
	x := &physical.HashJoin{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Kind, err = joinKind(f)
		case 2:
			x.BuildLeft = f.bool()
		case 3:
			x.Shared = f.bool()
		case 4:
			x.Left, err = d.plan(f.data)
		case 5:
			x.Right, err = d.plan(f.data)
		case 6:
			err = d.exprs(f.data, &x.LeftKeys)
		case 7:
			err = d.exprs(f.data, &x.RightKeys)
		case 8:
			var safe bool
			err = fields(f.data, func(f field) error { safe = f.bool(); return nil })
			x.NullSafe = append(x.NullSafe, safe)
		case 9:
			x.Residual, err = d.expr(f.data)
		case 10:
			x.Output, err = f.ints()
		case 11:
			x.Out, err = d.schema(f.data)
		case 12:
			x.RuntimeFilters, err = f.ints()
		case 13:
			x.BuildRows = f.float()
		case 14:
			x.Place = diag.Pos(f.value)
		case 15:
			x.Together = f.bool()
		}
		return err
	})
	return x, err
}

func (d *decoder) loopJoin(b []byte) (*physical.LoopJoin, error) {
	x := &physical.LoopJoin{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Kind, err = joinKind(f)
		case 2:
			x.Shared = f.bool()
		case 3:
			x.Left, err = d.plan(f.data)
		case 4:
			x.Right, err = d.plan(f.data)
		case 5:
			x.Cond, err = d.expr(f.data)
		case 6:
			x.Output, err = f.ints()
		case 7:
			x.Out, err = d.schema(f.data)
		case 8:
			x.Place = diag.Pos(f.value)
		}
		return err
	})
	return x, err
}

func (d *decoder) write(b []byte) (*physical.Write, error) {
	x := &physical.Write{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Format = f.string()
		case 2:
			x.Path = f.string()
		case 3:
			x.Staging = f.string()
		case 4:
			if f.value > uint64(logical.Ignore) {
				return malformed("write mode %d", f.value)
			}
			x.Mode = logical.WriteMode(f.value)
		case 5:
			var o catalog.Option
			err = fields(f.data, func(f field) error {
				if f.num == 1 {
					o.Key = f.string()
				} else {
					o.Value = f.string()
				}
				return nil
			})
			x.Options = append(x.Options, o)
		case 6:
			x.PartitionBy, err = f.ints()
		case 7:
			x.Child, err = d.plan(f.data)
		}
		return err
	})
	return x, err
}
