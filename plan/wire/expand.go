package wire

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/physical"
)

func (d *decoder) expand(b []byte) (*physical.Expand, error) {
	x := &physical.Expand{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Keys, err = f.ints()
		case 2:
			var set []int
			id := int64(0)
			err = fields(f.data, func(f field) (err error) {
				switch f.num {
				case 1:
					set, err = f.ints()
				case 2:
					id = f.int64()
				}
				return err
			})
			x.Sets, x.IDs = append(x.Sets, set), append(x.IDs, id)
		case 3:
			x.Out, err = d.schema(f.data)
		case 4:
			x.Child, err = d.plan(f.data)
		}
		return err
	})
	return x, err
}

func checkExpand(x *physical.Expand) error {
	if x.Child == nil || x.Out == nil || x.Out.Len() != x.Child.Schema().Len()+len(x.Keys)+1 || x.Out.Fields[x.Out.Len()-1].Type.Kind != columnar.Int64 {
		return malformed("shape of an expansion")
	}
	in := x.Child.Schema()
	err := positions(x.Keys, in.Len())
	for _, set := range x.Sets {
		err = firstError(err, positions(set, len(x.Keys)))
	}
	for i, k := range x.Keys {
		if err == nil && !x.Out.Fields[in.Len()+i].Type.Equal(in.Fields[k].Type) {
			err = malformed("key %d of an expansion", i)
		}
	}
	return err
}
