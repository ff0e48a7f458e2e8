package optimize

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// generator writes random queries over the tables of small. Every table
// reference has an alias of its own, so that no name is ambiguous.
type generator struct {
	*rand.Rand
	aliases int
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// column names a numeric column of one of the aliases, mostly of the last ones.
func (g *generator) column(scope []string) string {
	at := len(scope) - 1 - g.IntN(len(scope))*g.IntN(2)
	return scope[at] + "." + g.pick("a", "b")
}

// from writes a FROM list; the returned scope has the new aliases at its end.
func (g *generator) from(scope []string) (string, []string) {
	first := len(scope)
	scope = append([]string{}, scope...)
	item := func() string {
		g.aliases++
		alias := fmt.Sprintf("t%d", g.aliases)
		scope = append(scope, alias)
		if g.IntN(6) == 0 {
			return fmt.Sprintf("(select a, sum(b) as b from %s group by a) %s", g.pick("r", "s", "n"), alias)
		}
		return g.pick("r", "s", "t", "n") + " " + alias
	}
	out := item()
	for range g.IntN(3) {
		kind := g.pick("join", "join", "left join", "right join", "full join")
		next := item()
		here := scope[first:]
		last := here[len(here)-1]
		on := fmt.Sprintf("%s.%s = %s.%s", here[g.IntN(len(here)-1)], g.pick("a", "b"), last, g.pick("a", "b"))
		if g.IntN(3) == 0 {
			on += " and " + g.comparison(here)
		}
		out += " " + kind + " " + next + " on " + on
	}
	return out, scope
}

func (g *generator) comparison(scope []string) string {
	right := fmt.Sprint(g.IntN(4))
	if g.IntN(2) == 0 {
		right = g.column(scope)
	}
	return g.column(scope) + g.pick(" = ", " = ", " <> ", " < ", " >= ") + right
}

func (g *generator) condition(scope []string, depth int) string {
	switch n := g.IntN(10); {
	case n < 3:
		return g.comparison(scope)
	case n < 4:
		return g.column(scope) + g.pick(" is null", " is not null", " in (1, 2)", " not in (1, 3)", " between 1 and 2")
	case n < 6:
		return "(" + g.condition(scope, depth) + g.pick(" and ", " or ") + g.condition(scope, depth) + ")"
	case n < 7:
		return "not (" + g.condition(scope, depth) + ")"
	case depth == 0:
		return g.comparison(scope)
	case n < 8:
		return g.pick("", "not ") + "exists (" + g.query(scope, "1", depth-1) + ")"
	case n < 9:
		return g.column(scope) + g.pick(" in (", " not in (") + g.query(scope, "", depth-1) + ")"
	}
	return g.column(scope) + g.pick(" = ", " < ", " >= ") + "(" + g.scalar(scope, depth-1) + ")"
}

func (g *generator) scalar(outer []string, depth int) string {
	return g.query(outer, "agg", depth)
}

// query writes a query: of any column (""), a constant, or one aggregate.
func (g *generator) query(outer []string, what string, depth int) string {
	from, scope := g.from(outer)
	own := scope[len(outer):]
	where := ""
	if g.IntN(5) > 0 {
		where = " where " + g.condition(scope, depth)
		if g.IntN(2) == 0 {
			where += " and " + g.condition(scope, depth)
		}
	}
	col := g.column(own)
	switch what {
	case "agg":
		return "select " + g.pick("count(*)", "count("+col+")", "sum("+col+")", "max("+col+") + 1") + " from " + from + where
	case "":
		switch g.IntN(5) {
		case 0:
			return "select distinct " + col + " from " + from + where
		case 1:
			return "select max(" + g.column(own) + ") from " + from + where + " group by " + col + g.pick("", " having count(*) > 1")
		case 2:
			return "select count(*) from " + from + where
		}
		return "select " + col + " from " + from + where
	}
	return "select " + what + " from " + from + where
}

func (g *generator) top() string {
	from, scope := g.from(nil)
	var list []string
	for i, a := range scope {
		list = append(list, fmt.Sprintf("%s.a as x%d, %s.b as y%d", a, i, a, i))
	}
	if g.IntN(3) == 0 {
		list = append(list, "("+g.scalar(scope, 1)+") as v")
	}
	if g.IntN(6) == 0 {
		list = append(list, g.condition(scope, 1)+" as w")
	}
	q := "select " + strings.Join(list, ", ") + " from " + from
	if g.IntN(6) > 0 {
		q += " where " + g.condition(scope, 2)
	}
	if g.IntN(8) == 0 {
		k := g.column(scope)
		q = "select " + k + " as k, count(distinct " + g.column(scope) + ") as c, sum(" + g.column(scope) + ") as s from " + from + " where " + g.condition(scope, 2) + " group by " + k
	}
	return q
}

// TestRandomQueries compares random queries before and after optimization.
func TestRandomQueries(t *testing.T) {
	start, n := uint64(1), uint64(500)
	if *seed != 0 {
		start, n = *seed, 1
	}
	compared, refused := 0, 0
	for sd := start; sd < start+n; sd++ {
		g := &generator{Rand: rand.New(rand.NewPCG(sd, 1))}
		q := g.top()
		ts, data := small(g.Rand)
		for name, rows := range data {
			data[name] = rows[:min(len(rows), 4)]
		}
		var next expr.ID
		p, err := analyzed(q, ts, &next)
		if err != nil {
			t.Errorf("seed %d: %s\n%v", sd, q, err)
			continue
		}
		trail := ""
		o, err := Optimize(p, Options{NextID: &next, Disabled: disabled(sd), Trace: func(rule string, p logical.Plan) {
			trail += "== " + rule + "\n" + logical.Tree(p)
		}})
		if diag.ClassOf(err) == diag.Unsupported {
			refused++
			continue
		}
		if err == nil {
			err = check(o)
		}
		if err != nil {
			t.Errorf("seed %d: %s\n%v\n%s", sd, q, err, trail)
			continue
		}
		memo := map[string]any{}
		want, err := (&interpreter{data: data, memo: memo, work: 20000}).run(p, row{})
		if err != nil {
			continue
		}
		got, err := (&interpreter{data: data, memo: memo, work: 20000}).run(o, row{})
		if err != nil {
			t.Errorf("seed %d: %s\n%v\n%s", sd, q, err, trail)
			continue
		}
		compared++
		if diff := cmp.Diff(sorted(want, p.Output()), sorted(got, p.Output())); diff != "" {
			t.Errorf("seed %d: %s\n%s\n%s%s", sd, q, diff, logical.Tree(p), trail)
		}
	}
	if *seed == 0 && compared < int(n)/2 {
		t.Errorf("only %d of %d outcomes compared, %d refused", compared, n, refused)
	}
	t.Logf("%d of %d outcomes compared, %d refused", compared, n, refused)
}
