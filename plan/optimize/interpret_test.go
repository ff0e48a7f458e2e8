package optimize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// interpreter computes a logical plan by definition: row by row, subqueries
// anew for every row, joins by looking at every pair.
type interpreter struct {
	data map[string][][]any // table → rows in schema order
	memo map[string]any
	work int // steps left
}

var errWork = errors.New("too much work")

type row map[expr.ID]any

func (r row) with(o row) row {
	s := make(row, len(r)+len(o))
	for k, v := range r {
		s[k] = v
	}
	for k, v := range o {
		s[k] = v
	}
	return s
}

func (in *interpreter) value(e expr.Expr, env row) (any, error) {
	switch x := e.(type) {
	case *expr.Literal:
		return x.Value, nil
	case *expr.Alias:
		return in.value(x.Arg, env)
	case *expr.Attr:
		v, ok := env[x.ID]
		if !ok {
			return nil, fmt.Errorf("no value of %s", x)
		}
		return v, nil
	case *expr.Subquery:
		return in.subquery(x, env)
	case *expr.Call:
		if x.Fn.Name == "and" || x.Fn.Name == "or" {
			a, err := in.value(x.Args[0], env)
			if err != nil {
				return nil, err
			}
			short := x.Fn.Name == "or"
			if a == short {
				return short, nil
			}
			b, err := in.value(x.Args[1], env)
			switch {
			case err != nil:
				return nil, err
			case b == short:
				return short, nil
			case a == nil || b == nil:
				return nil, nil
			}
			return !short, nil
		}
	case *expr.Case:
		for _, w := range x.Whens {
			c, err := in.value(w.Cond, env)
			if err != nil {
				return nil, err
			}
			if c == true {
				return in.value(w.Then, env)
			}
		}
		if x.Else == nil {
			return nil, nil
		}
		return in.value(x.Else, env)
	}
	kids := e.Children()
	lits := make([]expr.Expr, len(kids))
	for i, k := range kids {
		v, err := in.value(k, env)
		if err != nil {
			return nil, err
		}
		lits[i] = expr.Lit(v, k.Type())
	}
	c := e.WithChildren(lits)
	key := fmt.Sprintf("%s/%v", c, c.Type())
	if v, ok := in.memo[key]; ok {
		return v, nil
	}
	l, ok := eval.Fold(c, eval.Options{}).(*expr.Literal)
	if !ok {
		return nil, fmt.Errorf("%s fails", c)
	}
	in.memo[key] = l.Value
	return l.Value, nil
}

func (in *interpreter) subquery(s *expr.Subquery, env row) (any, error) {
	p := s.Plan.(logical.Plan)
	rows, err := in.run(p, env)
	if err != nil {
		return nil, err
	}
	out := p.Output()
	switch s.Kind {
	case expr.Exists:
		return len(rows) > 0, nil
	case expr.Scalar:
		if len(rows) > 1 {
			return nil, errors.New("more than one row")
		}
		if len(rows) == 0 {
			return nil, nil
		}
		return rows[0][out[0].ID], nil
	}
	var result any = false
	for _, r := range rows {
		var all any = true
		for i, l := range s.Left {
			v, err := in.value(expr.NewCall("=", columnar.BoolType, l, out[i]), env.with(r))
			if err != nil {
				return nil, err
			}
			if v == false {
				all = false
			} else if v == nil && all == true {
				all = nil
			}
		}
		if all == true {
			return true, nil
		}
		if all == nil {
			result = nil
		}
	}
	return result, nil
}

func (in *interpreter) run(p logical.Plan, env row) ([]row, error) {
	if in.work--; in.work < 0 {
		return nil, errWork
	}
	var out []row
	switch x := p.(type) {
	case *logical.Scan:
		for _, r := range in.data[x.Table.Name()] {
			o := row{}
			for i, a := range x.Attrs {
				o[a.ID] = r[x.Columns[i]]
			}
			ok, err := in.holds(and(x.Filters...), env.with(o))
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, o)
			}
		}
		return out, nil
	case *logical.Values:
		for _, r := range x.Rows {
			o := row{}
			for i, e := range r {
				v, err := in.value(e, env)
				if err != nil {
					return nil, err
				}
				o[x.Attrs[i].ID] = v
			}
			out = append(out, o)
		}
		return out, nil
	case *logical.Join:
		return in.join(x, env)
	case *logical.Union:
		for _, k := range x.Inputs {
			rows, err := in.run(k, env)
			if err != nil {
				return nil, err
			}
			out = append(out, rename(rows, k.Output(), x.Attrs)...)
		}
		return out, nil
	case *logical.SetOp:
		return in.setOp(x, env)
	case *logical.Shared:
		rows, err := in.run(x.Child, env)
		return rename(rows, x.Child.Output(), x.Attrs), err
	}
	rows, err := in.run(p.Children()[0], env)
	if err != nil {
		return nil, err
	}
	switch x := p.(type) {
	case *logical.Project:
		for _, r := range rows {
			o := row{}
			for _, e := range x.List {
				if o[outputOf(e).ID], err = in.value(e, env.with(r)); err != nil {
					return nil, err
				}
			}
			out = append(out, o)
		}
		return out, nil
	case *logical.Filter:
		for _, r := range rows {
			ok, err := in.holds(x.Cond, env.with(r))
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, r)
			}
		}
		return out, nil
	case *logical.Distinct:
		seen := map[string]bool{}
		for _, r := range rows {
			if k := render(r, x.Output()); !seen[k] {
				seen[k] = true
				out = append(out, r)
			}
		}
		return out, nil
	case *logical.Sort:
		var fail error
		sort.SliceStable(rows, func(i, j int) bool {
			for _, o := range x.Order {
				a, err1 := in.value(o.Expr, env.with(rows[i]))
				b, err2 := in.value(o.Expr, env.with(rows[j]))
				fail = errors.Join(fail, err1, err2)
				if a == nil || b == nil {
					if (a == nil) != (b == nil) {
						return (a == nil) != o.NullsLast
					}
					continue
				}
				if c := order(a, b); c != 0 {
					return (c < 0) != o.Desc
				}
			}
			return false
		})
		return rows, fail
	case *logical.Limit:
		rows = rows[min(len(rows), int(x.Offset)):]
		if x.Count >= 0 {
			rows = rows[:min(len(rows), int(x.Count))]
		}
		return rows, nil
	case *logical.Aggregate:
		return in.aggregate(x, rows, env)
	case *logical.Window: // numbers of equal rows
		seen := map[string]int64{}
		for _, r := range rows {
			key := ""
			for _, k := range x.PartitionBy {
				v, err := in.value(k, env.with(r))
				if err != nil {
					return nil, err
				}
				key += fmt.Sprintf("%T%v|", v, v)
			}
			seen[key]++
			o := row{}.with(r)
			for _, e := range x.List {
				if a := e.(*expr.Alias).Arg.(*expr.Agg); a.Fn.Name != "row_number" || len(x.OrderBy) > 0 {
					return nil, fmt.Errorf("no interpretation of %s", x)
				}
				o[outputOf(e).ID] = seen[key]
			}
			out = append(out, o)
		}
		return out, nil
	case *logical.Expand:
		for _, r := range rows {
			for i, set := range x.Sets {
				o := row{x.GID.ID: x.IDs[i]}.with(r)
				for k, a := range x.Attrs {
					o[a.ID] = nil
					if slices.Contains(set, k) {
						if o[a.ID], err = in.value(x.Keys[k], env.with(r)); err != nil {
							return nil, err
						}
					}
				}
				out = append(out, o)
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("no interpretation of %s", p)
}

func order(a, b any) int {
	switch x := a.(type) {
	case int64:
		return cmp.Compare(x, b.(int64))
	case float64:
		return cmp.Compare(x, b.(float64))
	case string:
		return cmp.Compare(x, b.(string))
	case bool:
		return cmp.Compare(fmt.Sprint(x), fmt.Sprint(b))
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func (in *interpreter) holds(c expr.Expr, env row) (bool, error) {
	if c == nil {
		return true, nil
	}
	v, err := in.value(c, env)
	return v == true, err
}

func rename(rows []row, from, to []*expr.Attr) []row {
	var out []row
	for _, r := range rows {
		o := row{}
		for i, a := range from {
			o[to[i].ID] = r[a.ID]
		}
		out = append(out, o)
	}
	return out
}

func render(r row, attrs []*expr.Attr) string {
	var b strings.Builder
	for _, a := range attrs {
		fmt.Fprintf(&b, "%v|", r[a.ID])
	}
	return b.String()
}

func (in *interpreter) join(j *logical.Join, env row) ([]row, error) {
	left, err := in.run(j.Left, env)
	if err != nil {
		return nil, err
	}
	var right []row
	if !j.Lateral {
		if right, err = in.run(j.Right, env); err != nil {
			return nil, err
		}
	}
	nulls := func(attrs []*expr.Attr) row {
		o := row{}
		for _, a := range attrs {
			o[a.ID] = nil
		}
		return o
	}
	var out []row
	hit := make([]bool, len(right))
	for _, l := range left {
		if j.Lateral {
			if right, err = in.run(j.Right, env.with(l)); err != nil {
				return nil, err
			}
			hit = make([]bool, len(right))
		}
		matches := 0
		doubt := false
		for i, r := range right {
			both := l.with(r)
			var v any = true
			if j.Cond != nil {
				if v, err = in.value(j.Cond, env.with(both)); err != nil {
					return nil, err
				}
			}
			doubt = doubt || v == nil
			if v != true {
				continue
			}
			matches++
			hit[i] = true
			if !j.Kind.LeftOnly() {
				out = append(out, both)
			}
		}
		switch j.Kind {
		case logical.LeftSingle:
			if matches > 1 {
				return nil, errors.New("more than one row")
			}
			fallthrough
		case logical.Left, logical.Full:
			if matches == 0 {
				out = append(out, l.with(nulls(j.Right.Output())))
			}
		case logical.LeftSemi:
			if matches > 0 {
				out = append(out, l)
			}
		case logical.LeftAnti:
			if matches == 0 {
				out = append(out, l)
			}
		case logical.NullAwareAnti:
			if matches == 0 && !doubt {
				out = append(out, l)
			}
		case logical.LeftMark:
			var mark any = matches > 0
			if matches == 0 && doubt && j.Mark.Null {
				mark = nil
			}
			out = append(out, l.with(row{j.Mark.ID: mark}))
		}
	}
	if j.Kind == logical.Right || j.Kind == logical.Full {
		for i, r := range right {
			if !hit[i] {
				out = append(out, r.with(nulls(j.Left.Output())))
			}
		}
	}
	return out, nil
}

func (in *interpreter) setOp(s *logical.SetOp, env row) ([]row, error) {
	l, err := in.run(s.Left, env)
	if err != nil {
		return nil, err
	}
	r, err := in.run(s.Right, env)
	if err != nil {
		return nil, err
	}
	l, r = rename(l, s.Left.Output(), s.Attrs), rename(r, s.Right.Output(), s.Attrs)
	count := map[string]int{}
	for _, x := range r {
		count[render(x, s.Attrs)]++
	}
	var out []row
	seen := map[string]bool{}
	for _, x := range l {
		k := render(x, s.Attrs)
		if !s.All && seen[k] {
			continue
		}
		seen[k] = true
		if (count[k] > 0) == (s.Op == logical.IntersectOp) {
			out = append(out, x)
		}
		if s.All && count[k] > 0 {
			count[k]--
		}
	}
	return out, nil
}

func (in *interpreter) aggregate(g *logical.Aggregate, rows []row, env row) ([]row, error) {
	groups := map[string][]row{}
	var names []string
	for _, r := range rows {
		k := ""
		for _, e := range g.Keys {
			v, err := in.value(e, env.with(r))
			if err != nil {
				return nil, err
			}
			k += fmt.Sprintf("%v|", v)
		}
		if groups[k] == nil {
			names = append(names, k)
		}
		groups[k] = append(groups[k], r)
	}
	if len(g.Keys) == 0 && len(rows) == 0 {
		names = []string{""}
	}
	var out []row
	for _, n := range names {
		o := row{}
		for _, e := range g.List {
			var fail error
			computed := expr.Rewrite(strip(e), func(e expr.Expr) expr.Expr {
				a, ok := e.(*expr.Agg)
				if !ok {
					return e
				}
				v, err := in.agg(a, groups[n], env)
				fail = errors.Join(fail, err)
				return expr.Lit(v, a.Typ)
			})
			if fail != nil {
				return nil, fail
			}
			first := env
			if len(groups[n]) > 0 {
				first = env.with(groups[n][0])
			}
			v, err := in.value(computed, first)
			if err != nil {
				return nil, err
			}
			o[outputOf(e).ID] = v
		}
		out = append(out, o)
	}
	return out, nil
}

func (in *interpreter) agg(a *expr.Agg, rows []row, env row) (any, error) {
	var vals []any
	seen := map[string]bool{}
	for _, r := range rows {
		if ok, err := in.holds(a.Filter, env.with(r)); err != nil {
			return nil, err
		} else if a.Filter != nil && !ok {
			continue
		}
		var v any = int64(1)
		k, null := "", false
		for _, x := range a.Args {
			var err error
			if v, err = in.value(x, env.with(r)); err != nil {
				return nil, err
			}
			null = null || v == nil
			k += fmt.Sprintf("%v|", v)
		}
		if null || a.Distinct && seen[k] {
			continue
		}
		seen[k] = true
		vals = append(vals, v)
	}
	if a.Fn.Name == "count" {
		return int64(len(vals)), nil
	}
	if len(vals) == 0 {
		return nil, nil
	}
	best := vals[0]
	total := 0.0
	for _, v := range vals {
		switch x := v.(type) {
		case int64:
			total += float64(x)
		case float64:
			total += x
		}
		if c := order(v, best); a.Fn.Name == "min" && c < 0 || a.Fn.Name == "max" && c > 0 {
			best = v
		}
	}
	switch a.Fn.Name {
	case "sum":
		if a.Typ.IsFloat() {
			return total, nil
		}
		return int64(total), nil
	case "avg":
		return total / float64(len(vals)), nil
	case "min", "max":
		return best, nil
	}
	return nil, fmt.Errorf("no interpretation of %s", a)
}
