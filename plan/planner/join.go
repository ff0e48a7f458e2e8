package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// joinPlan is a join while it is planned.
type joinPlan struct {
	*logical.Join
	left, right         planned
	leftKeys, rightKeys []expr.Expr // over attributes
	nullSafe            []bool
	residual            []expr.Expr
	need                expr.IDSet
}

// join plans a join: by hash on its equalities, else by nested loops.
func (pl *planner) join(x *logical.Join, need expr.IDSet) (planned, error) {
	if x.Lateral {
		return planned{}, diag.NewAt(x.Place, diag.Unsupported, "this form of LATERAL is not supported")
	}
	j := &joinPlan{Join: x, need: need}
	l, r := expr.IDSet{}.Add(x.Left.Output()...), expr.IDSet{}.Add(x.Right.Output()...)
	for _, c := range expr.Conjuncts(x.Cond) {
		j.split(c, l, r)
	}
	all := need
	if x.Cond != nil {
		all = with(need, x.Cond)
	}
	var err error
	if j.left, err = pl.plan(x.Left, restrict(all, l)); err != nil {
		return planned{}, err
	}
	if j.right, err = pl.plan(x.Right, restrict(all, r)); err != nil {
		return planned{}, err
	}
	if j.byHash() {
		return pl.hashJoin(j)
	}
	return pl.loopJoin(j)
}

func restrict(a, b expr.IDSet) expr.IDSet {
	s := expr.IDSet{}
	for id := range a {
		if b[id] {
			s[id] = true
		}
	}
	return s
}

// split sorts a conjunct into a key pair or the residual.
func (j *joinPlan) split(c expr.Expr, l, r expr.IDSet) {
	call, ok := c.(*expr.Call)
	if ok && (call.Fn.Name == "=" || call.Fn.Name == "<=>") && call.Args[0].Type().Equal(call.Args[1].Type()) {
		a, b := expr.Attrs(call.Args[0]), expr.Attrs(call.Args[1])
		swap := len(a) > 0 && len(b) > 0 && r.Contains(a) && l.Contains(b)
		if swap || len(a) > 0 && len(b) > 0 && l.Contains(a) && r.Contains(b) {
			x, y := call.Args[0], call.Args[1]
			if swap {
				x, y = y, x
			}
			j.leftKeys, j.rightKeys = append(j.leftKeys, x), append(j.rightKeys, y)
			j.nullSafe = append(j.nullSafe, call.Fn.Name == "<=>")
			return
		}
	}
	j.residual = append(j.residual, c)
}

// byHash reports whether a hash join can answer. The kinds that tell "unknown"
// from "no match" do so for one key without further conditions; otherwise every
// pair must be looked at.
func (j *joinPlan) byHash() bool {
	if len(j.leftKeys) == 0 {
		return false
	}
	simple := len(j.leftKeys) == 1 && len(j.residual) == 0 && !j.nullSafe[0]
	switch j.Kind {
	case logical.NullAwareAnti:
		return simple
	case logical.LeftMark:
		return simple || !j.Mark.Null
	}
	return true
}

func conjunction(es []expr.Expr) expr.Expr {
	var out expr.Expr
	and, _ := expr.Builtins().Lookup("and")
	for _, e := range es {
		if out == nil {
			out = e
			continue
		}
		out = &expr.Call{Fn: and, Args: []expr.Expr{out, e}, Typ: columnar.BoolType, Null: out.Nullable() || e.Nullable()}
	}
	return out
}

func (pl *planner) hashJoin(j *joinPlan) (planned, error) {
	buildLeft := j.buildLeft()
	build, probe := &j.right, &j.left
	if buildLeft {
		build, probe = probe, build
	}
	buildSide := j.Right
	if buildLeft {
		buildSide = j.Left
	}
	rows := pl.rows(buildSide)
	together := pl.opts.Executors == 1 || probe.dist.single
	probeSide := j.Left
	if buildLeft {
		probeSide = j.Right
	}
	shared := together || !j.keepsBuild(buildLeft) && pl.broadcasts(rows, pl.rows(probeSide), build.plan.Schema())
	out := &physical.HashJoin{Kind: j.Kind, BuildLeft: buildLeft, Shared: shared, Together: shared && together, NullSafe: j.nullSafe, BuildRows: rows, Place: j.Place}
	var dist distribution
	if shared {
		if !together {
			keys := j.rightKeys
			if buildLeft {
				keys = j.leftKeys
			}
			var err error
			if *build, err = pl.scatter(*build, keys, rows); err != nil {
				return planned{}, err
			}
		}
		*build = pl.broadcast(*build, rows)
		dist = probe.dist
		if j.keepsBuild(buildLeft) && !dist.single { // build rows come out of some task
			dist = distribution{}
		}
	} else {
		n := pl.partitions(max(pl.rows(j.Left), pl.rows(j.Right)))
		if j.Kind == logical.NullAwareAnti || j.Kind == logical.LeftMark && j.Mark.Null {
			n = 1 // one null on the build side decides about every row
		}
		var at []int
		var err error
		if j.left, at, err = pl.columns(j.left, j.leftKeys); err != nil {
			return planned{}, err
		}
		j.left = pl.place(j.left, at, n, pl.rows(j.Left))
		if j.right, at, err = pl.columns(j.right, j.rightKeys); err != nil {
			return planned{}, err
		}
		j.right = pl.place(j.right, at, n, pl.rows(j.Right))
		dist = j.left.dist
		if j.Kind == logical.Right {
			dist = j.right.dist
		} else if j.Kind == logical.Full {
			dist = distribution{single: dist.single}
		}
	}
	var err error
	if out.LeftKeys, err = bindAll(j.leftKeys, j.left.attrs); err != nil {
		return planned{}, err
	}
	if out.RightKeys, err = bindAll(j.rightKeys, j.right.attrs); err != nil {
		return planned{}, err
	}
	out.Left, out.Right = j.left.plan, j.right.plan
	if r := conjunction(j.residual); r != nil {
		if out.Residual, err = bind(r, append(append([]*expr.Attr{}, j.left.attrs...), j.right.attrs...)); err != nil {
			return planned{}, err
		}
	}
	var attrs []*expr.Attr
	out.Output, out.Out, attrs = j.output()
	if j.Kind == logical.Inner || j.Kind == logical.LeftSemi {
		for i := range j.leftKeys {
			a, ok := j.leftKeys[i].(*expr.Attr)
			b, ok2 := j.rightKeys[i].(*expr.Attr)
			if ok && ok2 {
				dist = dist.alias(a.ID, b.ID).alias(b.ID, a.ID)
			}
		}
	}
	if j.dropsProbe(buildLeft) {
		pl.runtimeFilters(j, out)
	}
	return planned{out, attrs, dist}, nil
}

// buildLeft reports whether the table is built on the left side: where the
// optimizer wants it and the kind allows it.
func (j *joinPlan) buildLeft() bool {
	switch j.Kind {
	case logical.Inner, logical.Left, logical.LeftSemi, logical.LeftAnti:
		return j.BuildLeft
	}
	return false
}

// dropsProbe reports whether probe rows without a match leave no trace, so that
// they may be filtered out early.
func (j *joinPlan) dropsProbe(buildLeft bool) bool {
	switch j.Kind {
	case logical.Inner, logical.LeftSemi:
		return true
	case logical.Left, logical.LeftAnti:
		return buildLeft
	case logical.Right:
		return true
	}
	return false
}

// keepsBuild reports whether rows of the build side come out that no probe row
// produced.
func (j *joinPlan) keepsBuild(buildLeft bool) bool {
	switch j.Kind {
	case logical.Right, logical.Full:
		return true
	case logical.Left, logical.LeftSemi, logical.LeftAnti:
		return buildLeft
	}
	return false
}

// tableShare is the share of an executor's memory that the tables of a broadcast
// join may be planned to take.
const tableShare = 0.25

// broadcasts reports whether the build side goes to every executor. Each then reads
// all of its rows, on one slot; exchanged, the slots share both sides' rows, which
// are moved, and the build side's, which are read.
func (pl *planner) broadcasts(rows, probe float64, build *columnar.Schema) bool {
	if rows < 0 || pl.opts.BroadcastRows < 0 {
		return false
	}
	if rows <= pl.opts.BroadcastRows {
		return true
	}
	if rows*rowBytes(build) > tableShare*float64(pl.opts.Memory) {
		return false
	}
	return rows*float64(pl.opts.Slots) < probe+2*rows
}

// rowBytes guesses what a row of a join's table takes.
func rowBytes(s *columnar.Schema) float64 {
	n := 16.0 // of the index
	for _, f := range s.Fields {
		switch {
		case f.Type.IsBytes():
			n += 32
		case f.Type.IsNested():
			n += 64
		default:
			n += 8
		}
	}
	return n
}

// A build side of so many bytes, made by one task and read by so many executors, is
// scattered.
const (
	scatterBytes     = 8 << 20
	scatterExecutors = 4
)

// scatter lets the executors hand a large build side out together that one task
// makes: else that task's executor sends all of it to each of the others (ADR 11).
func (pl *planner) scatter(build planned, keys []expr.Expr, rows float64) (planned, error) {
	if !build.dist.single || pl.opts.Executors < scatterExecutors || rows*rowBytes(build.plan.Schema()) < scatterBytes {
		return build, nil
	}
	build, at, err := pl.columns(build, keys)
	if err != nil {
		return planned{}, err
	}
	return pl.hash(build, at, pl.opts.Executors, rows), nil
}

// broadcast makes every task of the consumer read all rows.
func (pl *planner) broadcast(in planned, rows float64) planned {
	return pl.exchange(in, physical.Partitioning{Kind: physical.Broadcast, Count: 1}, distribution{single: true}, rows)
}

// place partitions by columns, unless the rows already lie so.
func (pl *planner) place(in planned, at []int, n int, rows float64) planned {
	if in.dist.n == n && len(in.dist.keys) == len(at) {
		same := true
		for i, k := range in.dist.keys {
			same = same && k[in.attrs[at[i]].ID]
		}
		if same {
			return in
		}
	}
	if n == 1 { // both sides need an exchange, so that tasks pair up by partition
		return pl.exchange(in, physical.Partitioning{Kind: physical.SinglePartition, Count: 1}, distribution{single: true}, rows)
	}
	return pl.hash(in, at, n, rows)
}

// output returns the join's columns: those needed above, left then right, then
// the mark.
func (j *joinPlan) output() (at []int, schema *columnar.Schema, attrs []*expr.Attr) {
	schema = &columnar.Schema{}
	add := func(side planned, offset int, null bool) {
		for i, a := range side.attrs {
			if !j.need[a.ID] {
				continue
			}
			f := side.plan.Schema().Fields[i]
			d := *a
			d.Null = f.Nullable || null
			at, attrs = append(at, offset+i), append(attrs, &d)
			schema.Fields = append(schema.Fields, columnar.Field{Name: a.Name, Type: f.Type, Nullable: d.Null})
		}
	}
	leftNull := j.Kind == logical.Right || j.Kind == logical.Full
	rightNull := j.Kind == logical.Left || j.Kind == logical.Full || j.Kind == logical.LeftSingle
	add(j.left, 0, leftNull)
	if !j.Kind.LeftOnly() {
		add(j.right, len(j.left.attrs), rightNull)
	}
	if j.Kind == logical.LeftMark && j.need[j.Mark.ID] {
		at, attrs = append(at, len(j.left.attrs)), append(attrs, j.Mark)
		schema.Fields = append(schema.Fields, columnar.Field{Name: j.Mark.Name, Type: columnar.BoolType, Nullable: j.Mark.Null})
	}
	return at, schema, attrs
}

// loopJoin plans a join on any condition: the right side goes to every task.
func (pl *planner) loopJoin(j *joinPlan) (planned, error) {
	keepsRight := j.Kind == logical.Right || j.Kind == logical.Full
	if keepsRight && pl.opts.Executors > 1 {
		j.left = pl.single(j.left, pl.rows(j.Left)) // unmatched right rows come from one place
	}
	dist := j.left.dist
	if keepsRight && !dist.single {
		dist = distribution{}
	}
	j.right = pl.broadcast(j.right, pl.rows(j.Right))
	out := &physical.LoopJoin{Kind: j.Kind, Shared: true, Left: j.left.plan, Right: j.right.plan, Place: j.Place}
	if j.Cond != nil {
		cond, err := bind(j.Cond, append(append([]*expr.Attr{}, j.left.attrs...), j.right.attrs...))
		if err != nil {
			return planned{}, err
		}
		out.Cond = cond
	}
	var attrs []*expr.Attr
	out.Output, out.Out, attrs = j.output()
	return planned{out, attrs, dist}, nil
}
