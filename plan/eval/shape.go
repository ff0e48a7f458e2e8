package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// largestDictionary is how many values of a dictionary are computed at most when
// it is longer than the batch.
const largestDictionary = 64 << 10

// dictCache holds a node's values for one dictionary.
type dictCache struct {
	seen  *columnar.Dictionary // the last dictionary met, and rows met with it
	rows  int
	dict  *columnar.Dictionary // the dictionary that the rest belongs to
	out   columnar.Vector
	as    *columnar.Dictionary // out as a dictionary, unless it has nulls
	table []byte               // booleans: bit 0 the value, bit 1 whether it is valid
}

// eval computes a node, exploiting the shapes of its arguments (E2).
func (n *node) eval(r *rows, args []*columnar.Vector, out *columnar.Vector) (err error) {
	if r.n == 0 || r.sel != nil && len(r.sel) == 0 {
		*out = allNull(n.e.Type(), r.n)
		return nil
	}
	if !n.strict {
		*out, err = n.fn(r, args)
		return err
	}
	if n.known != nil {
		*out = *n.known
		out.Len = r.n
		return nil
	}
	dict, constant := -1, true
	for i, a := range args {
		switch a.Enc {
		case columnar.Const:
		case columnar.Dict:
			dict, constant = i, false
		default:
			if a.Type.Kind != columnar.Null {
				*out, err = n.fn(r, args)
				return err
			}
		}
	}
	switch {
	case constant:
		return n.single(r, args, out)
	case dict == n.varied && n.safe:
		if d := args[dict]; n.cache.worth(d, r) {
			return n.byValue(r, args, dict, out)
		}
	}
	*out, err = n.fn(r, args)
	return err
}

// single computes a node of constant arguments once.
func (n *node) single(r *rows, args []*columnar.Vector, out *columnar.Vector) error {
	s := r.s
	if n.fixed {
		s = nil // it is kept
	}
	v, err := n.fn(&rows{n: 1, s: s, batch: r.batch, outer: r.outer}, spelt(args, 1))
	if err != nil {
		return err
	}
	if v.Type.Kind != columnar.Null {
		v = kernel.Flatten(&v, s)
		v.Enc = columnar.Const
	}
	if n.fixed {
		keep := v
		n.known = &keep
	}
	v.Len = r.n
	*out = v
	return nil
}

// spelt returns constant arguments as flat vectors of n = 1 rows, and as
// constants of n rows otherwise.
func spelt(args []*columnar.Vector, n int) []*columnar.Vector {
	out := make([]*columnar.Vector, len(args))
	for i, a := range args {
		v := *a
		v.Len = n
		if n == 1 {
			v.Enc = columnar.Flat
		}
		out[i] = &v
	}
	return out
}

// worth decides whether to compute a function on a dictionary: when it is not
// longer than the rows met with it so far.
func (c *dictCache) worth(d *columnar.Vector, r *rows) bool {
	values := &d.Dict.Values
	if c.dict == d.Dict && values.Stable {
		return true
	}
	count := r.n
	if r.sel != nil {
		count = len(r.sel)
	}
	if !values.Stable {
		return values.Len <= count
	}
	if c.seen != d.Dict {
		c.seen, c.rows = d.Dict, 0
	}
	c.rows += count
	return values.Len <= c.rows && (values.Len <= count || values.Len <= largestDictionary)
}

// byValue computes a node once per value of the dictionary of one argument; the
// others are constant.
func (n *node) byValue(r *rows, args []*columnar.Vector, at int, out *columnar.Vector) error {
	d := args[at]
	c := &n.cache
	if c.dict != d.Dict || !d.Dict.Values.Stable {
		var heap *memory.Scratch // the cache outlives the batch
		size := d.Dict.Values.Len
		short := make([]*columnar.Vector, len(args))
		for i, a := range args {
			v := *a
			v.Len = size
			short[i] = &v
		}
		values := d.Dict.Values
		short[at] = &values
		v, err := n.fn(&rows{n: size, s: heap, batch: r.batch, outer: r.outer}, short)
		if err != nil {
			return err
		}
		if v.Type.Kind != columnar.Null {
			v = kernel.Flatten(&v, heap)
		}
		c.dict, c.out, c.as, c.table = d.Dict, v, nil, nil
		switch {
		case v.Type.Kind == columnar.Null:
		case v.Type.Kind == columnar.Bool:
			c.table = truthTable(&v)
		case v.Valid == nil:
			v.Stable = values.Stable
			c.as = &columnar.Dictionary{Values: v}
		}
	}
	switch {
	case c.as != nil:
		*out = columnar.Vector{Type: c.out.Type, Enc: columnar.Dict, Len: r.n, Valid: d.Valid, Data: d.Data, Dict: c.as, Stable: d.Stable}
		return nil
	case c.table != nil:
		*out = lookUp(c.table, d, c.out.Valid != nil, r)
		return nil
	}
	v := kernel.Take(&c.out, d.Codes(), r.s)
	v.Valid = both(v.Valid, d.Valid, r)
	*out = v
	return nil
}

// truthTable returns the values of a boolean vector as bytes: bit 0 is whether
// it is true, bit 1 whether it is valid.
func truthTable(v *columnar.Vector) []byte {
	t := make([]byte, v.Len)
	for i := range t {
		switch {
		case v.Valid != nil && !v.Valid.Get(i):
		case v.Bits().Get(i):
			t[i] = 3
		default:
			t[i] = 2
		}
	}
	return t
}

// lookUp maps codes to booleans.
func lookUp(table []byte, d *columnar.Vector, nulls bool, r *rows) columnar.Vector {
	out := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: r.bitmap(), Valid: d.Valid}
	lookUpBits(table, d.Codes(), 0, out.Bits())
	if nulls {
		valid := r.bitmap()
		lookUpBits(table, d.Codes(), 1, valid)
		out.Valid = both(valid, d.Valid, r)
	}
	return out
}

// lookUpBits writes one bit of the table's entries, eight rows to a byte.
func lookUpBits(table []byte, codes []uint32, which uint, out columnar.Bitmap) {
	n := len(codes) &^ 7
	for i := 0; i < n; i += 8 {
		p := codes[i : i+8 : i+8]
		out[i>>3] = table[p[0]]>>which&1 | table[p[1]]>>which&1<<1 | table[p[2]]>>which&1<<2 | table[p[3]]>>which&1<<3 |
			table[p[4]]>>which&1<<4 | table[p[5]]>>which&1<<5 | table[p[6]]>>which&1<<6 | table[p[7]]>>which&1<<7
	}
	if n < len(codes) {
		out[n>>3] = 0
	}
	for i := n; i < len(codes); i++ {
		out[i>>3] |= table[codes[i]] >> which & 1 << (i & 7)
	}
}

// both combines validities: nil means no nulls.
func both(a, b columnar.Bitmap, r *rows) columnar.Bitmap {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := r.bitmap()
	kernel.And(out, a, b, r.n)
	return out
}

// validity returns the rows in which every argument is valid; none reports that
// an argument is null throughout.
func validity(r *rows, args []*columnar.Vector) (valid columnar.Bitmap, none bool) {
	for _, a := range args {
		switch {
		case a.Type.Kind == columnar.Null || a.Enc == columnar.Const && a.NullAt(0):
			return nil, true
		case a.Enc != columnar.Const && a.Valid != nil:
			valid = both(valid, a.Valid, r)
		}
	}
	return valid, false
}

// shape returns a vector as a flat one or a constant.
func shape(v *columnar.Vector, r *rows) *columnar.Vector {
	if v.Enc == columnar.Dict {
		return flat(v, r.s)
	}
	return v
}

func flat(v *columnar.Vector, s *memory.Scratch) *columnar.Vector {
	if v.Enc == columnar.Flat {
		return v
	}
	f := kernel.Flatten(v, s)
	return &f
}
