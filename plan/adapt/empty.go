package adapt

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// empty leaves out what a stage would do with exchanges that turned out to be without
// rows: an inner join with nothing is nothing, a left join with nothing on its right
// gives each row nulls. What only that would have read is not needed any more.
func (r *rewriter) empty(s *stage.Stage) (bool, error) {
	nothing := map[int]bool{}
	for _, in := range s.Inputs {
		out := r.outs[in.Exchange]
		if out == nil || in.Mode == physical.ReadMerge || r.g.Stages[in.Stage].Class == stage.Unstable { // A3
			continue
		}
		if rows, _ := out.Total(); rows == 0 {
			nothing[in.Exchange] = true
		}
	}
	if len(nothing) == 0 {
		return false, nil
	}
	f := &folder{r: r, nothing: nothing}
	root := f.fold(s.Root)
	if f.left == 0 {
		return false, nil
	}
	told := fmt.Sprintf("exchange %v is empty; operators left out: %d", slices.Sorted(mapKeys(nothing)), f.left)
	_, err := r.g.Replace(s.ID, root, s.Out, append(slices.Clip(s.Rewrites), told))
	if err == nil && s.Out != nil && isNothing(root) {
		r.outs[s.Out.Exchange] = none{}
	}
	return true, err
}

func mapKeys(m map[int]bool) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// none is the output of a stage that yields nothing, before it has run.
type none struct{}

var _ Output = none{}

func (none) Maps() int                  { return 0 }
func (none) Executor(int) string        { return "" }
func (none) Bytes(int, int) int64       { return 0 }
func (none) Total() (rows, bytes int64) { return 0, 0 }
func (none) Exact() bool                { return true }

// folder folds what is empty upwards.
type folder struct {
	r       *rewriter
	nothing map[int]bool // exchanges
	left    int          // operators that were left out
}

func nothing(s *columnar.Schema) physical.Plan { return &physical.Values{Out: s} }

func isNothing(p physical.Plan) bool {
	v, ok := p.(*physical.Values)
	return ok && len(v.Rows) == 0
}

// fold returns a plan for the same rows as p.
func (f *folder) fold(p physical.Plan) physical.Plan {
	if s, ok := p.(*physical.Source); ok {
		if f.nothing[s.Exchange] {
			return nothing(s.Out)
		}
		return p
	}
	kids := p.Children()
	if len(kids) == 0 {
		return p
	}
	if s, ok := p.(*physical.Scan); ok {
		return s
	}
	fresh := make([]physical.Plan, len(kids))
	some, all, same := false, true, true
	for i, k := range kids {
		fresh[i] = f.fold(k)
		some, all, same = some || isNothing(fresh[i]), all && isNothing(fresh[i]), same && fresh[i] == k
	}
	if !some {
		if same {
			return p
		}
		return p.WithChildren(fresh)
	}
	out := func(q physical.Plan) physical.Plan {
		f.left++
		return q
	}
	switch x := p.(type) {
	case *physical.Filter, *physical.Project, *physical.Sort, *physical.TopN, *physical.Limit, *physical.Expand, *physical.Generate, *physical.Window:
		return out(nothing(p.Schema()))
	case *physical.Aggregate:
		if len(x.Keys) > 0 || x.Mode.ToStates() {
			return out(nothing(x.Out))
		}
	case *physical.Union:
		if all {
			return out(nothing(x.Out))
		}
		u := &physical.Union{Out: x.Out}
		for _, k := range fresh {
			if !isNothing(k) {
				u.Inputs = append(u.Inputs, k)
			}
		}
		return out(u)
	case *physical.HashJoin:
		if q, ok := f.join(x.Kind, fresh[0], fresh[1], x.Output, x.Out); ok {
			return out(q)
		}
	case *physical.LoopJoin:
		if q, ok := f.join(x.Kind, fresh[0], fresh[1], x.Output, x.Out); ok {
			return out(q)
		}
	}
	_, hash := p.(*physical.HashJoin)
	_, loop := p.(*physical.LoopJoin)
	for i, k := range kids {
		if _, leaf := k.(*physical.Source); isNothing(fresh[i]) && (leaf || hash || loop) { // that wins nothing, or breaks the pairs of partitions
			fresh[i] = k
		}
	}
	if slices.Equal(fresh, kids) {
		return p
	}
	return p.WithChildren(fresh)
}

// join returns what a join yields that has no rows on a side; false where it has to
// look at the others all the same.
func (f *folder) join(k logical.JoinKind, left, right physical.Plan, output []int, out *columnar.Schema) (physical.Plan, bool) {
	l, r := isNothing(left), isNothing(right)
	if l && f.counts(right) || r && f.counts(left) {
		return nil, false
	}
	n := left.Schema().Len()
	switch k {
	case logical.Inner, logical.Cross, logical.LeftSemi:
		return nothing(out), true
	case logical.Left, logical.LeftSingle:
		if l {
			return nothing(out), true
		}
		return pad(left, 0, output, out), true
	case logical.LeftAnti, logical.NullAwareAnti:
		if l {
			return nothing(out), true
		}
		return pad(left, 0, output, out), true
	case logical.Right:
		if r {
			return nothing(out), true
		}
		return pad(right, n, output, out), true
	case logical.Full:
		switch {
		case l && r:
			return nothing(out), true
		case l:
			return pad(right, n, output, out), true
		}
		return pad(left, 0, output, out), true
	case logical.LeftMark:
		if l {
			return nothing(out), true
		}
	}
	return nil, false
}

// pad projects the columns that a join yields of the one side that has rows, which
// begin at a position; the others are null. Where each task had all rows of the side, it
// now has some.
func pad(side physical.Plan, at int, output []int, out *columnar.Schema) physical.Plan {
	if src, ok := side.(*physical.Source); ok && src.Mode == physical.ReadAll {
		d := *src
		d.Mode = physical.ReadPartition
		side = &d
	}
	p := &physical.Project{Out: out, Child: side}
	in := side.Schema()
	for i, c := range output {
		if c -= at; c >= 0 && c < in.Len() {
			f := in.Fields[c]
			p.Exprs = append(p.Exprs, &expr.Column{Index: c, Name: f.Name, Typ: f.Type, Null: f.Nullable})
		} else {
			p.Exprs = append(p.Exprs, &expr.Literal{Typ: out.Fields[i].Type})
		}
	}
	return p
}

// counts reports whether a plan, or what it reads, tells an accumulator of its rows:
// then it has to run.
func (f *folder) counts(p physical.Plan) bool {
	switch x := p.(type) {
	case *physical.Accumulate:
		return true
	case *physical.Source:
		if w := f.r.g.Writer(x.Exchange); w != nil {
			return f.counts(w.Root)
		}
	}
	return slices.ContainsFunc(p.Children(), f.counts)
}
