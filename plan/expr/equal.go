package expr

// Equal reports whether two resolved expressions compute the same value from
// the same columns. Places in the text do not count, nor do alias names.
func Equal(a, b Expr) bool {
	switch x := a.(type) {
	case *Attr:
		y, ok := b.(*Attr)
		return ok && x.ID == y.ID
	case *Column:
		y, ok := b.(*Column)
		return ok && x.Index == y.Index
	case *Literal:
		y, ok := b.(*Literal)
		return ok && x.Value == y.Value && x.Typ.Equal(y.Typ)
	case *Call:
		y, ok := b.(*Call)
		return ok && x.Fn.Name == y.Fn.Name && x.Typ.Equal(y.Typ) && equalAll(x.Args, y.Args)
	case *Cast:
		y, ok := b.(*Cast)
		return ok && x.Try == y.Try && x.To.Equal(y.To) && Equal(x.Arg, y.Arg)
	case *Case:
		y, ok := b.(*Case)
		return ok && (x.Else == nil) == (y.Else == nil) && equalAll(x.Children(), y.Children())
	case *Alias:
		y, ok := b.(*Alias)
		return ok && x.ID == y.ID && Equal(x.Arg, y.Arg)
	case *Agg:
		y, ok := b.(*Agg)
		return ok && x.Fn.Name == y.Fn.Name && x.Distinct == y.Distinct && (x.Filter == nil) == (y.Filter == nil) &&
			len(x.Args) == len(y.Args) && x.IgnoreNulls == y.IgnoreNulls && equalFrame(x.Frame, y.Frame) && equalOrder(x.OrderBy, y.OrderBy) && equalAll(x.Children(), y.Children())
	case *Over:
		y, ok := b.(*Over)
		return ok && Equal(x.Call, y.Call) && len(x.PartitionBy) == len(y.PartitionBy) && equalOrder(x.OrderBy, y.OrderBy) && equalAll(x.Children(), y.Children())
	}
	return a == b
}

func equalFrame(a, b *Frame) bool {
	return a == b || a != nil && b != nil && a.String() == b.String()
}

func equalAll(a, b []Expr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalOrder(a, b []SortOrder) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Desc != b[i].Desc || a[i].NullsLast != b[i].NullsLast {
			return false
		}
	}
	return true
}
