package analyze

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// groupingSets are the keys of GROUPING SETS, ROLLUP or CUBE as written, their
// columns in the Expand, and the column that tells the sets apart. Its low bits say
// which keys a set leaves out, the first key's highest; sets that are equal differ
// above them.
type groupingSets struct {
	keys  []expr.Expr
	attrs []*expr.Attr
	gid   *expr.Attr
}

// maxGroupingKeys bounds the keys: each has a bit.
const maxGroupingKeys = 48

// groupingSets resolves a GROUP BY of several sets: each row is repeated for each
// of them with the keys that it leaves out null, and grouped by those.
func (a *analyzer) groupingSets(g *logical.Aggregate, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(g.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	written, err := a.expand(g.List, cols)
	if err != nil {
		return nil, nil, err
	}
	if n := len(g.Keys); n > maxGroupingKeys {
		return nil, nil, diag.NewAt(g.Keys[n-1].Pos(), diag.Unsupported, "grouping sets have %d keys, more than %d", n, maxGroupingKeys)
	}
	in := &scope{columns: cols, outer: outer}
	sets := &groupingSets{gid: &expr.Attr{ID: a.id(), Name: "grouping_id", Typ: columnar.Int64Type}}
	for i, k := range g.Keys {
		e, err := a.groupKey(k, written, in)
		if err != nil {
			return nil, nil, err
		}
		e = stripAlias(e)
		if e.Type().IsNested() {
			return nil, nil, diag.NewAt(k.Pos(), diag.TypeMismatch, "values of type %s cannot be grouped by", e.Type())
		}
		name := "key"
		if at, ok := e.(*expr.Attr); ok {
			name = at.Name
		}
		always := true
		for _, set := range g.Sets {
			always = always && contained(set, i)
		}
		sets.keys = append(sets.keys, e)
		sets.attrs = append(sets.attrs, &expr.Attr{ID: a.id(), Name: name, Typ: e.Type(), Null: e.Nullable() || !always})
	}
	x := &logical.Expand{Keys: sets.keys, Sets: g.Sets, Attrs: sets.attrs, GID: sets.gid, Child: child}
	equal := map[int64]int64{}
	for _, set := range g.Sets {
		id := int64(0)
		for i := range g.Keys {
			if id <<= 1; !contained(set, i) {
				id |= 1
			}
		}
		equal[id]++
		x.IDs = append(x.IDs, id|(equal[id]-1)<<len(g.Keys))
	}
	l := a.newList(cols)
	in.sets = sets
	for _, w := range written {
		e, err := a.expr(w, in)
		if err != nil {
			return nil, nil, err
		}
		if err := grouped(e, sets.keys, cols); err != nil {
			return nil, nil, err
		}
		in.aliases = l.add(e, w)
	}
	out := &logical.Aggregate{Child: x}
	for _, at := range append(append([]*expr.Attr{}, sets.attrs...), sets.gid) {
		out.Keys = append(out.Keys, at)
	}
	var shown []column
	for i, e := range l.items { // a key in the list is a column of its own
		c := l.columns[i]
		if at, ok := e.(*expr.Attr); ok {
			al := &expr.Alias{Arg: sets.moved(at), Name: at.Name, ID: a.id(), Place: at.Place}
			out.List = append(out.List, al)
			c.Attr, c.twin = al.Attr(), 0
		} else {
			e = sets.moved(e)
			out.List = append(out.List, e)
			if al, ok := e.(*expr.Alias); ok {
				c.Attr = al.Attr()
			}
		}
		shown = append(shown, c)
	}
	below := make([]column, len(cols))
	for i, c := range cols { // above, a key's name means the key
		below[i] = c
		for k, e := range sets.keys {
			if at, ok := e.(*expr.Attr); ok && at.ID == c.ID {
				below[i].Attr = sets.attrs[k]
			}
		}
	}
	for _, e := range out.List {
		if expr.Any(e, isOver) {
			return a.windowed(out, below), shown, nil
		}
	}
	a.below[out], a.sets[out] = below, sets
	return out, shown, nil
}

func contained(set []int, key int) bool {
	for _, k := range set {
		if k == key {
			return true
		}
	}
	return false
}

// moved replaces the keys in an expression by their columns of the Expand, except
// inside aggregate functions, which see the rows as they are.
func (s *groupingSets) moved(e expr.Expr) expr.Expr {
	for i, k := range s.keys {
		if expr.Equal(k, e) {
			return s.attrs[i]
		}
	}
	switch x := e.(type) {
	case *expr.Agg:
		return e
	case *expr.Subquery:
		to := map[expr.ID]*expr.Attr{}
		for i, k := range s.keys {
			if at, ok := k.(*expr.Attr); ok {
				to[at.ID] = s.attrs[i]
			}
		}
		e = replaceOuter(x, to)
	}
	kids := e.Children()
	if len(kids) == 0 {
		return e
	}
	fresh := make([]expr.Expr, len(kids))
	for i, k := range kids {
		fresh[i] = s.moved(k)
	}
	return e.WithChildren(fresh)
}

func isGrouping(fn string) bool { return fn == "grouping" || fn == "grouping_id" }

// groupingCall resolves grouping(key), 1 if the row's set leaves the key out, and
// grouping_id(keys), a bit for each key, or for all.
func (a *analyzer) groupingCall(name string, args []expr.Expr, at diag.Pos, s *groupingSets) (expr.Expr, error) {
	if s == nil {
		return nil, diag.NewAt(at, diag.InvalidQuery, "%s needs GROUPING SETS, ROLLUP or CUBE", name)
	}
	if name == "grouping" && len(args) != 1 {
		return nil, diag.NewAt(at, diag.WrongArguments, "grouping takes 1 argument, not %d", len(args))
	}
	if len(args) == 0 {
		args = s.keys
	}
	bit := func(i int) expr.Expr {
		shift := expr.Lit(int64(len(s.keys)-1-i), columnar.Int32Type)
		return expr.NewCall("&", columnar.Int64Type, expr.NewCall(">>", columnar.Int64Type, s.gid, shift), expr.Lit(int64(1), columnar.Int64Type))
	}
	var id expr.Expr
next:
	for n, arg := range args {
		for i, k := range s.keys {
			if expr.Equal(k, arg) || expr.Equal(s.attrs[i], arg) {
				if id == nil {
					id = bit(i)
				} else {
					left := expr.NewCall("<<", columnar.Int64Type, id, expr.Lit(int64(1), columnar.Int32Type))
					id = expr.NewCall("|", columnar.Int64Type, left, bit(i))
				}
				continue next
			}
		}
		return nil, diag.NewAt(args[n].Pos(), diag.InvalidQuery, "%s is about keys of the GROUP BY, and %s is none", name, pretty(arg))
	}
	if name == "grouping" {
		return &expr.Cast{Arg: id, To: columnar.Int8Type, Place: at}, nil
	}
	return id, nil
}
