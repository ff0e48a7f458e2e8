package adapt

import (
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

// Reuse makes one of the exchanges of a plan that hold the same rows, distributed
// alike, so that these are computed and written once:
//
//	Join                           Join
//	  Exchange 1 hash [k]            Exchange 1 hash [k]
//	    Scan t               ──►       Scan t
//	  Exchange 2 hash [k]            Exchange 1, which is there
//	    Scan t
//
// The rows of a stage that is Unstable, that counts for an accumulator, calls a
// function of the program on partitions, or reads a cached dataset, are its reader's
// alone. Runtime filters that such exchanges make are one, too, so that stages may be
// equal that use them: it begins again until there is nothing more to unite.
func Reuse(p physical.Plan) (physical.Plan, error) {
	if n, _ := physical.Numbers(p); n < 2 {
		return p, nil // there are no two
	}
	for {
		r := &reuser{byPrint: map[string]*physical.Exchange{}, byID: map[int]*physical.Exchange{}, filters: map[int]int{}}
		out, err := r.walk(p)
		if err != nil || !r.united {
			return p, err
		}
		p = physical.Renumber(out, func(id int) int { return id }, r.filter)
	}
}

// reuser is one pass, from the leaves up.
type reuser struct {
	byPrint map[string]*physical.Exchange
	byID    map[int]*physical.Exchange // what stands in the place of each now
	filters map[int]int                // runtime filters that are others now
	united  bool
}

func (r *reuser) filter(id int) int {
	if to, ok := r.filters[id]; ok {
		return to
	}
	return id
}

func (r *reuser) walk(p physical.Plan) (physical.Plan, error) {
	e, ok := p.(*physical.Exchange)
	if ok && r.byID[e.ID] != nil {
		return r.byID[e.ID], nil
	}
	if s, scan := p.(*physical.Scan); scan && s.Dataset != nil {
		return p, nil
	}
	kids := append([]physical.Plan(nil), p.Children()...)
	for i := range kids {
		var err error
		if kids[i], err = r.walk(kids[i]); err != nil {
			return nil, err
		}
	}
	if len(kids) > 0 {
		p = p.WithChildren(kids)
	}
	if !ok {
		return p, nil
	}
	e = p.(*physical.Exchange)
	r.byID[e.ID] = e
	print, err := fingerprint(e)
	if err != nil || print == "" {
		return e, err
	}
	first := r.byPrint[print]
	if first == nil {
		r.byPrint[print] = e
		return e, nil
	}
	for _, f := range e.Filters {
		r.adopt(first, f)
	}
	r.byID[e.ID], r.united = first, true
	return first, nil
}

// adopt has an exchange make what another one did that is not there any more.
func (r *reuser) adopt(e *physical.Exchange, f physical.RuntimeFilter) {
	for _, x := range e.Filters {
		if x.Column == f.Column {
			r.filters[f.ID] = x.ID
			return
		}
	}
	e.Filters = append(e.Filters[:len(e.Filters):len(e.Filters)], f)
}

// fingerprint returns what equal exchanges have in common, "" for one that is nobody
// else's. Filters that begin and end in its stage have no name outside.
func fingerprint(e *physical.Exchange) (string, error) {
	g, err := stage.Cut(e.Child)
	if err != nil {
		return "", err
	}
	s := g.Stages[g.Result]
	if s.Class == stage.Unstable || !common(e.Child) {
		return "", nil
	}
	own := map[int]int{}
	made(s.Root, func(id int) { own[id] = -1 - len(own) })
	root := physical.Renumber(s.Root, func(id int) int { return id }, func(id int) int {
		if to, ok := own[id]; ok {
			return to
		}
		return id
	})
	return wire.Fingerprint(root, e.Partitioning, e.Order), nil
}

// made calls f for each runtime filter that an operator below p makes.
func made(p physical.Plan, f func(id int)) {
	switch x := p.(type) {
	case *physical.HashJoin:
		for _, id := range x.RuntimeFilters {
			if id != 0 {
				f(id)
			}
		}
	case *physical.TopN:
		if x.Filter != 0 {
			f(x.Filter)
		}
	}
	for _, k := range p.Children() {
		made(k, f)
	}
}

// common reports whether the rows of a plan may be read at several places.
func common(p physical.Plan) bool {
	switch x := p.(type) {
	case *physical.Accumulate, *physical.Apply, *physical.Write:
		return false
	case *physical.Scan:
		if x.Dataset != nil {
			return false
		}
	}
	for _, k := range p.Children() {
		if !common(k) {
			return false
		}
	}
	return true
}
