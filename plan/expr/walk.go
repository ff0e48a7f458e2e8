package expr

// Transform rebuilds a tree bottom-up: f sees each node after its children were
// replaced. Nodes whose children do not change are not copied. Subquery plans
// are not entered.
func Transform(e Expr, f func(Expr) (Expr, error)) (Expr, error) {
	if e == nil {
		return nil, nil
	}
	kids := e.Children()
	var fresh []Expr
	for i, k := range kids {
		n, err := Transform(k, f)
		if err != nil {
			return nil, err
		}
		if n != k && fresh == nil {
			fresh = append([]Expr{}, kids...)
		}
		if fresh != nil {
			fresh[i] = n
		}
	}
	if fresh != nil {
		e = e.WithChildren(fresh)
	}
	return f(e)
}

// Rewrite is Transform for functions that cannot fail.
func Rewrite(e Expr, f func(Expr) Expr) Expr {
	out, _ := Transform(e, func(e Expr) (Expr, error) { return f(e), nil })
	return out
}

// Walk visits a tree top-down; f returns whether to enter the node's children.
func Walk(e Expr, f func(Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	for _, k := range e.Children() {
		Walk(k, f)
	}
}

// Any reports whether a node of the tree satisfies f.
func Any(e Expr, f func(Expr) bool) bool {
	found := false
	Walk(e, func(e Expr) bool {
		found = found || f(e)
		return !found
	})
	return found
}

// Conjuncts splits a condition at its ANDs; nil gives none.
func Conjuncts(e Expr) []Expr {
	if e == nil {
		return nil
	}
	if c, ok := e.(*Call); ok && c.Fn.Name == "and" {
		return append(Conjuncts(c.Args[0]), Conjuncts(c.Args[1])...)
	}
	return []Expr{e}
}

// Attrs returns the ids of all attributes that the tree refers to, those in the
// Outer list and Left side of subqueries included.
func Attrs(e Expr) IDSet {
	s := IDSet{}
	Walk(e, func(e Expr) bool {
		switch x := e.(type) {
		case *Attr:
			s[x.ID] = true
		case *Subquery:
			for _, a := range x.Outer {
				s[a.ID] = true
			}
		}
		return true
	})
	return s
}

// IDSet is a set of column ids. It is never iterated to make a decision.
type IDSet map[ID]bool

// Add puts the ids of attributes into the set and returns it.
func (s IDSet) Add(attrs ...*Attr) IDSet {
	for _, a := range attrs {
		s[a.ID] = true
	}
	return s
}

// Contains reports whether every id of o is in s.
func (s IDSet) Contains(o IDSet) bool {
	for id := range o {
		if !s[id] {
			return false
		}
	}
	return true
}

// Intersects reports whether both have an id in common.
func (s IDSet) Intersects(o IDSet) bool {
	for id := range o {
		if s[id] {
			return true
		}
	}
	return false
}

// Resolved reports whether no node of the tree awaits the analyzer.
func Resolved(e Expr) bool {
	return !Any(e, func(e Expr) bool {
		switch e.(type) {
		case *Name, *Star, *UnresolvedCall:
			return true
		}
		return false
	})
}
