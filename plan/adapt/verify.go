package adapt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/plan/stage"
)

// BrokenError says that a plan does not have a property that its operators rely on.
type BrokenError struct {
	Rewrite string // that broke it; "" for a plan that none has touched
	Stage   int
	What    string
}

// Error implements error.
func (b *BrokenError) Error() string {
	if b.Rewrite == "" {
		return fmt.Sprintf("stage %d: %s", b.Stage, b.What)
	}
	return fmt.Sprintf("re-planning (%s) broke stage %d: %s", b.Rewrite, b.Stage, b.What)
}

func broken(err error, rewrite string) error {
	var b *BrokenError
	if errors.As(err, &b) {
		b.Rewrite = rewrite
	}
	return err
}

// Verify checks of each needed stage of a graph that rows meet in tasks as its
// operators need it (distribution), in their order, with the columns that their
// writers give them (schema), and that tasks read each row once (row identity). Its
// error is a *BrokenError. Outputs are those of the exchanges that are complete.
func Verify(g *stage.Graph, outputs map[int]Output) error {
	needed := g.Needed()
	for _, s := range g.Stages {
		if !needed[s.ID] {
			continue
		}
		c := &checker{g, s, outputs}
		l, err := c.layout(s.Root)
		if err != nil {
			return err
		}
		if s.Out != nil && len(s.Out.Order) > 0 && !sameOrder(l.order[:min(len(l.order), len(s.Out.Order))], s.Out.Order) {
			return c.fail("its rows are not in the order that its exchange promises")
		}
		for i := range s.Drivers {
			if err := c.once(&s.Drivers[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// once checks that the tasks of a group read each combination of map tasks of each
// partition once, one of each source.
func (c *checker) once(d *stage.Driver) error {
	if d.Parts == nil {
		return nil
	}
	if len(d.Sources) == 1 && len(d.Parts) > 0 && d.Parts[0][0].To-d.Parts[0][0].From == d.Partitions && !d.Parts[0][0].Whole() {
		var all [][]int // outputs where they lie
		for _, t := range d.Parts {
			if t[0].From != 0 || t[0].To != d.Partitions {
				return c.fail("a task reads %s beside tasks that read all partitions", t[0])
			}
			all = append(all, t[0].Maps)
		}
		return c.disjoint(all, d.Sources[0].Exchange)
	}
	next := 0
	for t := 0; t < len(d.Parts); {
		first := d.Parts[t]
		if len(first) != len(d.Sources) {
			return c.fail("task %d reads %d of %d sources", t, len(first), len(d.Sources))
		}
		from, to := first[0].From, first[0].To
		if from != next || to <= from {
			return c.fail("after partition %d come %d to %d", next-1, from, to-1)
		}
		n := t
		for n < len(d.Parts) && d.Parts[n][0].From == from && d.Parts[n][0].To == to {
			n++
		}
		product := 1
		tasks := map[string]bool{}
		for _, task := range d.Parts[t:n] {
			tasks[fmt.Sprint(task)] = true
		}
		for i, src := range d.Sources {
			var seen [][]int
			whole := false
			for _, task := range d.Parts[t:n] {
				x := task[i]
				if x.From != from || x.To != to {
					return c.fail("a task reads partitions %d to %d beside %s", from, to-1, x)
				}
				whole = whole || x.Whole()
				if !slices.ContainsFunc(seen, func(m []int) bool { return slices.Equal(m, x.Maps) }) {
					seen = append(seen, x.Maps)
				}
			}
			if whole && len(seen) > 1 {
				return c.fail("partition %d of exchange %d is read in parts and whole", from, src.Exchange)
			}
			if !whole {
				if err := c.disjoint(seen, src.Exchange); err != nil {
					return err
				}
			}
			product *= len(seen)
		}
		if product != n-t || len(tasks) != n-t {
			return c.fail("%d tasks read partition %d, which has %d combinations of parts", n-t, from, product)
		}
		next, t = to, n
	}
	if next != d.Partitions {
		return c.fail("%d of %d partitions are read", next, d.Partitions)
	}
	return nil
}

// disjoint checks that lists of map tasks hold each from 0 on once.
func (c *checker) disjoint(lists [][]int, exchange int) error {
	all := slices.Sorted(slices.Values(slices.Concat(lists...)))
	for i, m := range all {
		if m != i {
			return c.fail("map task %d of exchange %d is not read once", min(i, m), exchange)
		}
	}
	if o := c.outs[exchange]; o != nil && o.Maps() != len(all) {
		return c.fail("%d of %d map tasks of exchange %d are read", len(all), o.Maps(), exchange)
	}
	return nil
}

// unchanged checks that a rewrite left what is visible of each stage as it was: the
// rows of the result, and of exchanges that others read.
func unchanged(before, after *stage.Graph) error {
	if len(after.Stages) < len(before.Stages) || after.Result != before.Result {
		return &BrokenError{What: "stages are missing"}
	}
	for i, s := range before.Stages {
		t := after.Stages[i]
		if s == t {
			continue
		}
		a, b := s.Root.Schema(), t.Root.Schema()
		same := a.Len() == b.Len() && (s.Out == nil) == (t.Out == nil)
		for k := 0; same && k < a.Len(); k++ {
			same = a.Fields[k].Name == b.Fields[k].Name && a.Fields[k].Type.Equal(b.Fields[k].Type) && (a.Fields[k].Nullable || !b.Fields[k].Nullable)
		}
		if !same {
			return &BrokenError{Stage: i, What: "it has other columns than before"}
		}
	}
	return nil
}
